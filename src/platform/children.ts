/** Child processes that never outlive the worker, never meet a shell and see only the environment they are given. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { LineReader } from './lines.js';

const GUARDIAN = fileURLToPath(new URL('./guardian.mjs', import.meta.url));
const INHERITED = ['PATH', 'HOME', 'LANG', 'TMPDIR', 'HEADGATE_HOME', 'HEADGATE_PORT_BASE'] as const;
/** A daemon that the child left behind on purpose may hold its pipes open for ever. */
const DRAIN_MS = 250;

export interface ChildOptions {
  /** A program of PATH, or a path. */
  file: string;
  /** Readable by everyone on the machine: no secret belongs here. */
  args: string[];
  cwd?: string;
  /** On top of PATH, HOME, LANG, TMPDIR, HEADGATE_HOME and HEADGATE_PORT_BASE of the worker; nothing else is inherited. */
  env?: Record<string, string>;
  /** As another user and group: PostgreSQL refuses to run as root. Only root may. */
  user?: { uid: number; gid: number };
  /** What it reads; `open`: nothing, and no end for as long as the guardian lives. Else the end at once. */
  stdin?: { text: string } | 'open';
  signal?: AbortSignal;
  stopSignal?: NodeJS.Signals;
  /** From the stop signal to SIGKILL. */
  graceMs?: number;
  /** Every line as it comes, also those beyond the limit. */
  onLine?: (line: string, stream: 'stdout' | 'stderr') => void;
  /** The pid of the child, which is its process group too. */
  onStart?: (pid: number) => void;
  /** Of each stream the newest bytes are kept. */
  outputLimitBytes?: number;
  /** When it is over the child is stopped, and the result says `timedOut`. */
  timeoutMs?: number;
}

export interface ChildResult {
  exitCode: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
  durationMs: number;
  timedOut: boolean;
}

/** The program could not be started. `code` is Node's: `ENOENT`, `EACCES`. */
export class ChildStartError extends Error {
  override readonly name = 'ChildStartError';
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.code = code;
  }
}

/** What every program may know of the worker, overlaid by `extra`. Never its credentials. */
export function childEnvironment(
  extra: Record<string, string> = {},
  env: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  const inherited = INHERITED.flatMap((name) =>
    env[name] === undefined ? [] : [[name, env[name]] as const],
  );
  return { ...Object.fromEntries(inherited), ...extra };
}

/**
 * Runs a program to its end, in a process group of its own, under a guardian that ends the group when the worker
 * dies (within 0.5 s). When it resolves or rejects, nothing of the group is left; what took a session of its own
 * (a daemon) lives on.
 * @throws ChildStartError when it cannot be started; the signal's reason when aborted, after the group has ended
 */
export async function runChild(options: ChildOptions): Promise<ChildResult> {
  options.signal?.throwIfAborted();
  const startedAt = performance.now();
  const guardian = spawn(process.execPath, [GUARDIAN], {
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
    env: childEnvironment(),
    detached: true,
  });
  const run = new GuardedRun(guardian, options);
  const end = await run.finish();
  options.signal?.throwIfAborted();
  if ('failed' in end) throw describeStartFailure(options, end);
  return { ...end, durationMs: Math.round(performance.now() - startedAt) };
}

type End = { failed: string; message: string } | Omit<ChildResult, 'durationMs'>;

interface GuardianStatus {
  started?: number;
  exited?: number | null;
  signal?: string | null;
  failed?: string;
  message?: string;
}

class GuardedRun {
  readonly #guardian: ChildProcess;
  readonly #options: ChildOptions;
  readonly #stdout: LineReader;
  readonly #stderr: LineReader;
  #status: GuardianStatus = {};
  #timedOut = false;

  constructor(guardian: ChildProcess, options: ChildOptions) {
    this.#guardian = guardian;
    this.#options = options;
    const limit = options.outputLimitBytes ?? 64 * 1024;
    this.#stdout = new LineReader(limit, (line) => options.onLine?.(line, 'stdout'));
    this.#stderr = new LineReader(limit, (line) => options.onLine?.(line, 'stderr'));
  }

  async finish(): Promise<End> {
    const { signal, timeoutMs } = this.#options;
    const stop = () => this.#stop();
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => this.#onTimeout(), timeoutMs);
    signal?.addEventListener('abort', stop, { once: true });
    try {
      await this.#untilEnd();
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
    }
    return this.#conclude();
  }

  async #untilEnd(): Promise<void> {
    const { stdin, stdout, stderr } = this.#guardian;
    const status = this.#guardian.stdio[3];
    const streams = [
      drain(stdout, (chunk) => this.#stdout.push(chunk)),
      drain(stderr, (chunk) => this.#stderr.push(chunk)),
    ];
    const reported = this.#readStatus(status instanceof Object && 'read' in status ? status : null);
    // A guardian that died takes its pipe with it; its exit tells.
    stdin?.on('error', () => {});
    const { file, args, cwd, env, user, stdin: reads } = this.#options;
    const order = { file, args, cwd, env: childEnvironment(env), ...user, stdin: reads };
    stdin?.write(`${JSON.stringify(order)}\n`);
    await new Promise<void>((resolve, reject) => {
      this.#guardian.once('exit', () => resolve());
      this.#guardian.once('error', reject);
    });
    await Promise.race([Promise.all([reported, ...streams]), delay(DRAIN_MS)]);
    for (const stream of [stdout, stderr]) stream?.destroy();
  }

  async #readStatus(status: Readable | null): Promise<void> {
    if (!status) return;
    for await (const line of createInterface({ input: status })) {
      const news: GuardianStatus = JSON.parse(line);
      this.#status = { ...this.#status, ...news };
      if (news.started !== undefined) this.#options.onStart?.(news.started);
    }
  }

  #stop(): void {
    const { stopSignal = 'SIGTERM', graceMs = 500 } = this.#options;
    this.#guardian.stdin?.write(`stop ${stopSignal} ${graceMs}\n`);
  }

  #onTimeout(): void {
    this.#timedOut = true;
    this.#stop();
  }

  #conclude(): End {
    const { started, exited, signal = null, failed, message = '' } = this.#status;
    if (failed !== undefined) return { failed, message };
    if (started === undefined) {
      return { failed: 'EGUARDIAN', message: `its guardian did not run: ${this.#stderr.end().trim()}` };
    }
    if (exited === undefined) endOrphans(started);
    return {
      exitCode: exited ?? null,
      signal: exited === undefined ? 'SIGKILL' : signal,
      stdout: this.#stdout.end(),
      stderr: this.#stderr.end(),
      timedOut: this.#timedOut,
    };
  }
}

/** The guardian itself was killed: its duty falls to us. */
function endOrphans(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // ESRCH: the group has ended too.
  }
}

async function drain(stream: Readable | null, push: (chunk: Buffer) => void): Promise<void> {
  if (!stream) return;
  stream.on('data', push);
  await new Promise<void>((resolve) => stream.once('close', resolve));
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function describeStartFailure(
  options: ChildOptions,
  end: { failed: string; message: string },
): ChildStartError {
  const where = options.cwd ? ` in ${options.cwd}` : '';
  const why: Record<string, string> = {
    ENOENT: `no such program on the worker's PATH, or the folder is missing`,
    EACCES: 'it is not executable for the worker',
  };
  return new ChildStartError(
    `Cannot start "${options.file}"${where}: ${why[end.failed] ?? end.message} (${end.failed}).`,
    end.failed,
  );
}
