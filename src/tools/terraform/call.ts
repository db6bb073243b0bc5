/** One call of terraform or tofu: an interrupt for itself alone, its events, and what its end means. */
import { type ChildResult, ChildStartError, runChild } from '../../platform/children.js';
import { invalid } from '../../platform/failures.js';
import { type Diagnostic, readEvent, type TerraformEvent } from './output.js';

export interface ToolCall {
  program: string;
  args: string[];
  /** The folder of the configuration. */
  cwd: string;
  env: Record<string, string>;
  signal: AbortSignal;
  /** From the interrupt to SIGKILL. */
  graceMs: number;
  outputLimitBytes?: number;
  onStart?: (pid: number) => void;
  /** `killed`: it had no time to let go of anything. */
  onEnd?: (end: { killed: boolean }) => void;
  onLine?: (line: string) => void;
  onEvent?: (event: TerraformEvent) => void;
}

export interface ToolReply extends ChildResult {
  diagnostics: Diagnostic[];
}

/** A line may hold a diagnostic with the output of a provisioner. */
const LONGEST_OUTPUT_BYTES = 1024 * 1024;
/** Of errors and of all others: what comes first is what is told and acted on. */
const LARGEST_DIAGNOSTICS_BYTES = 1024 * 1024;

/**
 * @throws the signal's reason when it was aborted, after the program and all of its group have ended; ApplicationFailure
 * `Invalid` when it cannot be started
 */
export async function callTool(call: ToolCall): Promise<ToolReply> {
  const { program, args, cwd, env, signal, graceMs, onLine, onEvent } = call;
  signal.throwIfAborted();
  const kept = new Diagnostics();
  const stopping = new Interrupt(signal, graceMs);
  try {
    const result = await runChild({
      file: program,
      args,
      cwd,
      env,
      signal: stopping.kill,
      stopSignal: 'SIGKILL',
      graceMs: 0,
      outputLimitBytes: call.outputLimitBytes ?? LONGEST_OUTPUT_BYTES,
      onStart: (pid) => {
        stopping.reaches(pid);
        call.onStart?.(pid);
      },
      onLine: (line, stream) => {
        if (stream !== 'stdout') return;
        onLine?.(line);
        const event = readEvent(line);
        if (event?.diagnostic) kept.take(event.diagnostic, line);
        if (event) onEvent?.(event);
      },
    });
    call.onEnd?.({ killed: result.exitCode === null });
    signal.throwIfAborted();
    return { ...result, diagnostics: kept.all };
  } catch (error) {
    if (stopping.kill.aborted) call.onEnd?.({ killed: true });
    signal.throwIfAborted();
    throw error instanceof ChildStartError ? invalid(error.message) : error;
  } finally {
    stopping.done();
  }
}

/** A provider may warn for ever; no warning may crowd out the error that ended it. */
class Diagnostics {
  readonly all: Diagnostic[] = [];
  readonly #bytes = { errors: 0, others: 0 };

  take(diagnostic: Diagnostic, line: string): void {
    const kind = diagnostic.severity === 'error' ? 'errors' : 'others';
    if (this.#bytes[kind] > LARGEST_DIAGNOSTICS_BYTES) return;
    this.#bytes[kind] += Buffer.byteLength(line);
    this.all.push(diagnostic);
  }
}

/**
 * One SIGINT, to terraform itself and not to its group: it asks providers and provisioners to stop, writes what has
 * become of them into the state and lets go of the lock. What it leaves running ends with the group.
 */
class Interrupt {
  readonly #signal: AbortSignal;
  readonly #graceMs: number;
  readonly #kill = new AbortController();
  #pid: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(signal: AbortSignal, graceMs: number) {
    this.#signal = signal;
    this.#graceMs = graceMs;
    signal.addEventListener('abort', this.#interrupt, { once: true });
  }

  get kill(): AbortSignal {
    return this.#kill.signal;
  }

  reaches(pid: number): void {
    this.#pid = pid;
    if (this.#signal.aborted) this.#interrupt();
  }

  done(): void {
    clearTimeout(this.#timer);
    this.#signal.removeEventListener('abort', this.#interrupt);
  }

  readonly #interrupt = (): void => {
    if (this.#pid === undefined) return;
    try {
      process.kill(this.#pid, 'SIGINT');
    } catch {
      // ESRCH: it has just ended by itself.
    }
    this.#timer = setTimeout(() => this.#kill.abort(), this.#graceMs);
  };
}
