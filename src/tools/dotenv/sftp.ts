/**
 * The system's `sftp` in batch mode, with the SSH configuration, agent and known hosts of the worker's user. No shell
 * runs on the host, so nothing in a path can become a command.
 */
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ChildStartError } from '../../platform/children.js';
import { invalid } from '../../platform/failures.js';
import { describeConnection } from '../ssh/errors.js';
import { destinationOf, loginEnvironment, loginOptions, type SshDeps, type SshLogin } from '../ssh/login.js';

export interface SftpDeps extends SshDeps {
  /** Absolute path of a private folder on the worker: files lie there for as long as one session lasts. */
  scratch: string;
}

export interface SftpBatch {
  /** One command each; `local(name)` is the quoted path of a file on this side. */
  commands(local: (name: string) => string): string[];
  /** Contents that commands `put`, by name. */
  uploads?: Record<string, Buffer>;
}

export interface SftpResult {
  /** What commands print, without their echo. */
  lines: string[];
  /** What they complain of. */
  errors: string;
  /** False when a command failed that does not begin with `-`; those after it were not run. */
  ok: boolean;
  /** What commands fetched, by name. */
  fetched: Map<string, Buffer>;
}

const SESSION_TIMEOUT_MS = 60_000;
/** No session lasts so long; what is older was left by a worker that was killed. */
const STALE_MS = 10 * SESSION_TIMEOUT_MS;
/** sftp reads a command into 2048 bytes, and would take the rest for another command. */
const LONGEST_COMMAND = 2000;

/**
 * One session.
 * @throws ApplicationFailure `Invalid` when it cannot be had (login, host key, configuration), a plain Error when the
 * host could not be reached or was lost
 */
export async function runSftp(
  deps: SftpDeps,
  login: SshLogin,
  batch: SftpBatch,
  signal: AbortSignal,
): Promise<SftpResult> {
  const folder = await openScratch(deps.scratch);
  try {
    const uploads = Object.entries(batch.uploads ?? {});
    for (const [name, bytes] of uploads) await writeFile(join(folder, name), bytes, { mode: 0o600 });
    const commands = batch.commands((name) => quoteName(join(folder, name)));
    const file = join(folder, 'batch');
    await writeFile(file, `${commands.map(checked).join('\n')}\n`, { mode: 0o600 });
    const { stdout, stderr, exitCode } = await start(deps, login, file, signal);
    if (exitCode !== 0 && exitCode !== 1) throw describeConnection(login, 'SFTP', stderr, exitCode);
    const lines = stdout.split('\n').filter((line) => !line.startsWith('sftp> '));
    const sent = new Set(['batch', ...uploads.map(([name]) => name)]);
    return { lines, errors: stderr, ok: exitCode === 0, fetched: await collect(folder, sent) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function start(deps: SftpDeps, login: SshLogin, file: string, signal: AbortSignal) {
  try {
    const result = await deps.runChild({
      file: 'sftp',
      args: [
        ...loginOptions(deps.env),
        ...['-b', file],
        ...(login.port === undefined ? [] : ['-P', String(login.port)]),
        ...['--', destinationOf(login, (host) => (host.includes(':') ? `[${host}]` : host))],
      ],
      env: loginEnvironment(deps.env),
      signal,
      timeoutMs: SESSION_TIMEOUT_MS,
    });
    if (result.timedOut) {
      throw new Error(`${login.host}: no answer by SFTP within ${SESSION_TIMEOUT_MS / 1000} s.`);
    }
    return result;
  } catch (error) {
    if (!(error instanceof ChildStartError)) throw error;
    throw invalid(`${login.host}: ${error.message} Install OpenSSH's client (sftp) on the worker.`);
  }
}

async function openScratch(scratch: string): Promise<string> {
  await mkdir(scratch, { recursive: true, mode: 0o700 });
  await chmod(scratch, 0o700);
  for (const name of await readdir(scratch)) {
    const status = await stat(join(scratch, name)).catch(() => undefined);
    if (status && Date.now() - status.mtimeMs > STALE_MS) {
      await rm(join(scratch, name), { recursive: true, force: true });
    }
  }
  return mkdtemp(join(scratch, 'sftp-'));
}

async function collect(folder: string, sent: Set<string>): Promise<Map<string, Buffer>> {
  const names = (await readdir(folder)).filter((name) => !sent.has(name));
  const entries = names.map(async (name) => [name, await readFile(join(folder, name))] as const);
  return new Map(await Promise.all(entries));
}

function checked(command: string): string {
  if (/[\0\n\r]/.test(command) || Buffer.byteLength(command) > LONGEST_COMMAND) {
    throw invalid(
      'A path for SFTP holds a line break or is longer than about 1900 bytes. Name a plainer one.',
    );
  }
  return command;
}

/** For a command that takes the path as it is: cd, rename, the second path of get and put. */
export function quoteName(path: string): string {
  return path.replace(/[\s'"#?*[\\]/g, '\\$&');
}

/** For a command that reads a pattern (ls, rm, chmod, chown, chgrp, the first path of get): matches this path alone. */
export function quotePattern(path: string): string {
  return quoteName(path).replace(/[{}]/g, '"\\$&"');
}
