/** One process of the sandbox: under a guardian, with a log file, waited for until it answers, stopped in time. */
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ChildResult, runChild } from '../src/platform/children.js';

const POLL_MS = 50;

export interface ProcessOptions {
  name: string;
  file: string;
  args: string[];
  env?: Record<string, string>;
  cwd?: string;
  user?: { uid: number; gid: number };
  log: string;
  stopSignal?: NodeJS.Signals;
  graceMs: number;
  onLine?: (line: string) => void;
  /** Throws while it does not answer yet. */
  ready: () => Promise<void>;
  readyTimeoutMs: number;
  /** It ended although nobody stopped it. */
  onDeath?: (message: string) => void;
}

export interface RunningProcess {
  pid: number;
  log: string;
  readyMs: number;
  /** Resolves when the process and its children are gone. */
  stop(): Promise<void>;
}

/** @throws Error with the newest log lines when it ends or does not answer in time; then nothing of it is left */
export async function startProcess(options: ProcessOptions): Promise<RunningProcess> {
  await mkdir(dirname(options.log), { recursive: true, mode: 0o700 });
  const startedAt = performance.now();
  const process = new SupervisedProcess(options);
  await process.untilReady();
  return {
    pid: process.pid,
    log: options.log,
    readyMs: Math.round(performance.now() - startedAt),
    stop: () => process.stop(),
  };
}

class SupervisedProcess {
  readonly #options: ProcessOptions;
  readonly #abort = new AbortController();
  readonly #ended: Promise<void>;
  #result: ChildResult | Error | undefined;
  #ready = false;
  pid = 0;

  constructor(options: ProcessOptions) {
    this.#options = options;
    this.#ended = this.#run();
  }

  async untilReady(): Promise<void> {
    const { name, log, ready, readyTimeoutMs } = this.#options;
    const deadline = Date.now() + readyTimeoutMs;
    for (;;) {
      if (this.#result) throw new Error(`${this.#describeEnd()}; its log is ${log}`);
      const silent = await ready().then(
        () => undefined,
        (error: unknown) => (error instanceof Error ? error.message : String(error)),
      );
      if (silent === undefined) break;
      if (Date.now() > deadline) {
        await this.stop();
        throw new Error(
          `${name} did not answer within ${readyTimeoutMs / 1000} s (${silent}); its log is ${log}`,
        );
      }
      await sleep(POLL_MS);
    }
    this.#ready = true;
  }

  async stop(): Promise<void> {
    this.#abort.abort(new Error('stopped'));
    await this.#ended;
  }

  async #run(): Promise<void> {
    const { file, args, cwd, env, user, log, stopSignal, graceMs, onLine } = this.#options;
    const output = createWriteStream(log, { flags: 'a', mode: 0o600 });
    try {
      this.#result = await runChild({
        file,
        args,
        cwd,
        env,
        user,
        stopSignal,
        graceMs,
        signal: this.#abort.signal,
        outputLimitBytes: 4096,
        onStart: (pid) => {
          this.pid = pid;
        },
        onLine: (line) => {
          output.write(`${line}\n`);
          onLine?.(line);
        },
      });
    } catch (error) {
      this.#result = error instanceof Error ? error : new Error(String(error));
    } finally {
      await new Promise<void>((resolve) => output.end(resolve));
    }
    if (this.#ready && !this.#abort.signal.aborted) this.#options.onDeath?.(this.#describeEnd());
  }

  #describeEnd(): string {
    const { name } = this.#options;
    const result = this.#result;
    if (!result) return `${name} runs`;
    if (result instanceof Error) return `${name}: ${result.message}`;
    const last = `${result.stderr}\n${result.stdout}`.trim().split('\n').slice(-3).join(' / ');
    return `${name} ended (${result.signal ?? `exit code ${result.exitCode}`}): ${last}`;
  }
}

/** For `ready`: the address answers HTTP with a status below 500. */
export async function requireHttp(url: string, headers: Record<string, string> = {}): Promise<void> {
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(2_000) });
  await response.arrayBuffer();
  if (response.status >= 500) throw new Error(`${url} answered ${response.status}`);
}
