/**
 * One command at a time on a host that is logged in to, by the system's `ssh`.
 *
 * What runs there ends with what asked for it: ssh's stdin stays open for as long as somebody waits for the command,
 * and at its end (an abort, a killed worker, a lost connection) a watcher on the host ends the command with all it
 * has started. What took a session of its own, a daemon, lives on.
 */
import { randomBytes } from 'node:crypto';
import { ChildStartError } from '../../platform/children.js';
import { invalid } from '../../platform/failures.js';
import { describeConnection } from './errors.js';
import { destinationOf, loginEnvironment, loginOptions, type SshDeps, type SshLogin } from './login.js';
import { quoteForShell } from './quote.js';

export type { SshDeps, SshLogin } from './login.js';

export interface SshRunOptions {
  signal: AbortSignal;
  timeoutMs: number;
  /** Absolute, on the host. The home of who logs in when left out. */
  directory?: string;
  /** Every line as it comes. */
  onLine?: (line: string, stream: 'stdout' | 'stderr') => void;
  /** Of each stream the newest bytes are kept. */
  outputLimitBytes?: number;
  /**
   * What must not stop half way: it goes on to its end on the host when nobody waits any more. Its stderr comes as
   * part of stdout, when it has ended.
   */
  unbroken?: boolean;
}

export interface SshReply {
  /** Of the command itself; 127 when there is no such program, 128 and more when it was ended by a signal. */
  exitCode: number;
  stdout: string;
  stderr: string;
}

export interface Ssh {
  /**
   * @param argv a program and its arguments. They can be seen by everybody on the host: no secret belongs there
   * @throws ApplicationFailure `Invalid` when there can be no session (login, host key, configuration, folder), a plain
   * Error when the host could not be reached, was lost, or did not come to an end in time
   */
  run(place: SshLogin, argv: readonly string[], options: SshRunOptions): Promise<SshReply>;
}

/**
 * `sh -c SCRIPT headgate MARK DIRECTORY PROGRAM ARGUMENT…` on the host. It says last, on stderr, how the program
 * ended: ssh's own exit code cannot tell the program's from its own.
 */
const SCRIPT_START = `
mark=$1 directory=$2
shift 2
if [ -n "$directory" ] && ! CDPATH= cd -- "$directory" 2>/dev/null; then
  printf '\\n%s nowhere\\n' "$mark" >&2
  exit 0
fi`;

const SCRIPT_END = `
printf '\\n%s %s\\n' "$mark" "$code" >&2
exit 0`;

const WATCHED = `${SCRIPT_START}
exec 3<&0 </dev/null
if command -v setsid >/dev/null 2>&1; then
  setsid "$@" 3<&- &
  ended="-$!"
else
  "$@" 3<&- &
  ended="$!"
fi
child=$!
(while read -r said <&3; do :; done; kill -s TERM -- "$ended"; sleep 1; kill -s KILL -- "$ended") >/dev/null 2>&1 &
watcher=$!
wait "$child"
code=$?
kill "$watcher" 2>/dev/null
kill -s KILL -- "$ended" 2>/dev/null${SCRIPT_END}`;

/** What it says is held by the shell, so that nothing breaks when nobody reads. */
const UNBROKEN = `${SCRIPT_START}
said=$("$@" 2>&1 </dev/null)
code=$?
printf '%s\\n' "$said"${SCRIPT_END}`;

const DEFAULT_OUTPUT_BYTES = 64 * 1024;
/** For the line that tells the end. */
const MARK_BYTES = 256;

export function createSsh(deps: SshDeps): Ssh {
  return {
    async run(place, argv, options) {
      const mark = `headgate-${randomBytes(12).toString('hex')}`;
      const { exitCode, stdout, stderr, timedOut } = await startSsh(deps, place, mark, argv, options);
      const told = new RegExp(`\\n?${mark} (nowhere|\\d+)\\n?$`).exec(stderr);
      if (told?.[1] === 'nowhere') {
        throw invalid(
          `${place.host}: ${options.directory} is no folder that the user who logs in may enter. Correct "directory", or give the right to.`,
        );
      }
      if (told) return { exitCode: Number(told[1]), stdout, stderr: stderr.slice(0, told.index) };
      if (timedOut) {
        const [program = ''] = argv;
        throw new Error(`${place.host}: ${program} was not done after ${options.timeoutMs / 1000} s.`);
      }
      throw describeConnection(place, 'SSH', stderr, exitCode);
    },
  };
}

async function startSsh(
  { runChild, env }: SshDeps,
  place: SshLogin,
  mark: string,
  argv: readonly string[],
  options: SshRunOptions,
) {
  const { signal, timeoutMs, directory = '', onLine, outputLimitBytes = DEFAULT_OUTPUT_BYTES } = options;
  const command = quoteForShell([
    ...['sh', '-c', options.unbroken ? UNBROKEN : WATCHED],
    ...['headgate', mark, directory, ...argv],
  ]);
  try {
    return await runChild({
      file: 'ssh',
      args: [
        ...loginOptions(env),
        // What an alias of the configuration may ask for, and what has no place beside a command.
        ...['-T', '-oRemoteCommand=none', '-oClearAllForwardings=yes', '-oEscapeChar=none'],
        ...(place.port === undefined ? [] : ['-p', String(place.port)]),
        ...['--', destinationOf(place), command],
      ],
      env: loginEnvironment(env),
      stdin: 'open',
      signal,
      timeoutMs,
      outputLimitBytes: outputLimitBytes + MARK_BYTES,
      onLine: (line, stream) => {
        if (!line.startsWith(mark)) onLine?.(line, stream);
      },
    });
  } catch (error) {
    if (!(error instanceof ChildStartError) || error.code === 'EGUARDIAN') throw error;
    throw invalid(`${place.host}: ${error.message} Install OpenSSH's client (ssh) on the worker.`);
  }
}
