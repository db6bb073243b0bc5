/** Running a program on behalf of a probe, and what it means when it does not do its work. */
import type { Subject } from '../../contract/activities.js';
import { ChildStartError, type runChild } from '../../platform/children.js';
import type { NoSample } from './endpoint.js';

export interface ProgramDeps {
  runChild: typeof runChild;
  /** The worker's capability `command`: a program that a plan names runs with the worker's rights. */
  commandsEnabled: boolean;
}

export interface ProgramCall {
  /** A program and its arguments; no shell reads them. */
  argv: string[];
  subject: Subject;
  timeoutMs: number;
  signal: AbortSignal;
  /** Every line of stdout as it comes. */
  onLine?: (line: string) => void;
  /** Of stdout the newest bytes are kept. */
  outputLimitBytes?: number;
}

/**
 * Runs it to its end in the plan's folder; it is told which release is meant (HEADGATE_ROLLOUT_ID, HEADGATE_STAGE,
 * HEADGATE_VERSION, HEADGATE_RELEASE). Anything but exit 0 in time is an `error`. Rejects only with the signal's reason.
 */
export async function runProgram(
  { argv: [file = '', ...args], subject, timeoutMs, signal, onLine, outputLimitBytes }: ProgramCall,
  deps: ProgramDeps,
): Promise<{ kind: 'done'; stdout: string } | NoSample> {
  signal.throwIfAborted();
  if (!deps.commandsEnabled) {
    const message = 'commands are off on this worker; start it with: headgate worker --enable command';
    return { kind: 'error', message };
  }
  try {
    const result = await deps.runChild({
      file,
      args,
      cwd: subject.context.directory,
      env: {
        HEADGATE_ROLLOUT_ID: subject.context.runId,
        HEADGATE_STAGE: subject.stage,
        HEADGATE_VERSION: subject.context.version,
        HEADGATE_RELEASE: subject.release?.id ?? '',
      },
      signal,
      timeoutMs,
      outputLimitBytes,
      onLine: (line, stream) => stream === 'stdout' && onLine?.(line),
    });
    if (result.timedOut) return { kind: 'error', message: `"${file}" was not done after ${timeoutMs} ms` };
    if (result.exitCode === 0) return { kind: 'done', stdout: result.stdout };
    const end = result.exitCode === null ? `by ${result.signal}` : `with ${result.exitCode}`;
    return { kind: 'error', message: `"${file}" ended ${end}: ${result.stderr.trim().slice(-300)}` };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof ChildStartError) return { kind: 'error', message: error.message };
    throw error;
  }
}
