/** Where pm2, journald and docker compose are asked: on the worker itself, or on a host that is logged in to. */
import { ChildStartError, type runChild } from '../../../platform/children.js';
import type { Ssh, SshLogin } from '../../../tools/ssh/index.js';
import { LogUnread } from './source.js';

export interface HostDeps {
  runChild: typeof runChild;
  env: NodeJS.ProcessEnv;
  ssh: Ssh;
}

export interface HostOptions {
  signal: AbortSignal;
  directory?: string;
  /** Every line of stdout as it comes. */
  onLine?: (line: string) => void;
  /** Of stdout the newest bytes are kept. */
  outputLimitBytes?: number;
}

export interface Host {
  /** For people. */
  name: string;
  isWorker: boolean;
  /** @returns its stdout and stderr @throws LogUnread when it could not be run, or ended with anything but 0 */
  run(argv: string[], options: HostOptions): Promise<{ stdout: string; stderr: string }>;
}

/** The signal ends it; this only bounds what nobody waits for any more. */
const LONGEST_MS = 24 * 60 * 60_000;
const LONGEST_REASON = 300;

/** @param directory where programs run on the worker */
export function createHost(deps: HostDeps, login: SshLogin | undefined, directory: string): Host {
  const name = login?.host ?? 'the worker';
  return {
    name,
    isWorker: login === undefined,
    async run(argv, options) {
      const { exitCode, stdout, stderr } = login
        ? await runThere(deps, login, argv, options)
        : await runHere(deps, argv, { directory, ...options });
      if (exitCode === 0) return { stdout, stderr };
      const said = (stderr.trim() || stdout.trim()).slice(-LONGEST_REASON);
      if (exitCode === 127) throw new LogUnread('error', `${name} has no ${argv[0]}: ${said}`);
      throw new LogUnread(
        'error',
        `${argv.slice(0, 2).join(' ')} on ${name} ended with ${exitCode}: ${said}`,
      );
    },
  };
}

async function runThere(
  { ssh }: HostDeps,
  login: SshLogin,
  argv: string[],
  { signal, directory, onLine, outputLimitBytes }: HostOptions,
) {
  return ssh.run(login, argv, {
    signal,
    directory,
    outputLimitBytes,
    timeoutMs: LONGEST_MS,
    onLine: (line, stream) => stream === 'stdout' && onLine?.(line),
  });
}

async function runHere(
  { runChild: start, env }: HostDeps,
  [file = '', ...args]: string[],
  { signal, directory, onLine, outputLimitBytes }: HostOptions,
) {
  try {
    return await start({
      file,
      args,
      cwd: directory,
      env: env.PM2_HOME ? { PM2_HOME: env.PM2_HOME } : {},
      signal,
      outputLimitBytes,
      onLine: (line, stream) => stream === 'stdout' && onLine?.(line),
    });
  } catch (error) {
    if (error instanceof ChildStartError) throw new LogUnread('error', error.message);
    throw error;
  }
}

/** The lines of a program in bunches, as they come; the last value is what it said on stderr. */
export async function* linesOf(
  host: Host,
  argv: string[],
  { signal, directory }: Pick<HostOptions, 'signal' | 'directory'>,
): AsyncGenerator<string[], string> {
  const left = new AbortController();
  const lines: string[] = [];
  let wake = () => {};
  const running = host
    .run(argv, {
      signal: AbortSignal.any([signal, left.signal]),
      directory,
      onLine(line) {
        lines.push(line);
        wake();
      },
    })
    .then(
      ({ stderr }) => ({ stderr }),
      (error: unknown) => ({ error }),
    );
  let ended: Awaited<typeof running> | undefined;
  void running.then((end) => {
    ended = end;
    wake();
  });
  try {
    for (;;) {
      if (lines.length > 0) yield lines.splice(0);
      else if (!ended) await new Promise<void>((resolve) => (wake = resolve));
      else if ('error' in ended) throw ended.error;
      else return ended.stderr;
    }
  } finally {
    left.abort();
    await running;
  }
}
