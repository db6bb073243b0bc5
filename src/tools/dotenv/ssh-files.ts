/** A dotenv file on a host that is logged in to. */
import { posix } from 'node:path';
import { invalid } from '../../platform/failures.js';
import type { SshLogin } from '../ssh/login.js';
import {
  cannotKeepOwner,
  type FileHost,
  type HostFile,
  INFIX,
  mayChangeOwner,
  notRegular,
  TEMPORARY,
  temporaryName,
} from './files.js';
import { quoteName, quotePattern, runSftp, type SftpBatch, type SftpDeps, type SftpResult } from './sftp.js';
import { describeCommand } from './sftp-errors.js';

/** `signal` ends the session that is under way. */
export function createSshFiles(deps: SftpDeps, login: SshLogin, signal: AbortSignal): FileHost {
  return new SshFiles(login.host, (batch) => runSftp(deps, login, batch, signal));
}

class SshFiles implements FileHost {
  readonly #host: string;
  readonly #run: (batch: SftpBatch) => Promise<SftpResult>;

  constructor(host: string, run: (batch: SftpBatch) => Promise<SftpResult>) {
    this.#host = host;
    this.#run = run;
  }

  async read(path: string): Promise<HostFile | undefined> {
    const name = this.#nameOf(path);
    if (!posix.isAbsolute(path)) {
      throw invalid(`${name} is no absolute path. Write it from the root: /app/.env.`);
    }
    const { lines, errors, fetched } = await this.#run({
      // The complaint of `cd` is the only place where sftp says where a symbolic link leads.
      commands: (local) => [
        `-cd ${quoteName(path)}`,
        `-ls -ln ${quotePattern(path)}`,
        `-get ${quotePattern(path)} ${local('file')}`,
      ],
    });
    const real = readTarget(errors);
    const listed = readListing(lines);
    const bytes = fetched.get('file');
    if (real !== undefined && listed && bytes) return { path: real, bytes, ...listed };
    if (/Permission denied/.test(errors)) throw describeCommand(`${name} cannot be read`, errors);
    if (/No such file|not found/.test(errors)) return undefined;
    if (real === undefined) throw notRegular(name);
    throw describeCommand(`${name} cannot be read`, errors);
  }

  async replace(file: HostFile, bytes: Buffer, mode: number): Promise<boolean> {
    const temporary = temporaryName(file.path);
    const what = `${this.#nameOf(file.path)} cannot be replaced`;
    try {
      const sent = await this.#command(what, { file: bytes }, (local) => [
        `put -f ${local('file')} ${quoteName(temporary)}`,
        `chmod ${octal(mode)} ${quotePattern(temporary)}`,
        `ls -ln ${quotePattern(temporary)}`,
        `get ${quotePattern(file.path)} ${local('now')}`,
      ]);
      const isKept = readListing(sent.lines)?.owner === file.owner;
      const { fetched } = isKept ? sent : await this.#giveTo(temporary, file, mode, what);
      if (!fetched.get('now')?.equals(file.bytes)) {
        await this.clear(file.path, [temporary]);
        return false;
      }
      await this.#command(what, {}, () => [moving(temporary, file.path)]);
      return true;
    } catch (error) {
      // What cannot be removed now is removed by the undo, or when the rollout settles.
      await this.clear(file.path, [temporary]).catch(() => undefined);
      throw error;
    }
  }

  async writePrivate(files: { path: string; bytes: Buffer }[]): Promise<void> {
    const named = files.map(({ path, bytes }, index) => ({ path, bytes, upload: `file-${index}` }));
    await this.#command(
      `${this.#nameOf(files[0]?.path ?? '')} cannot be written`,
      Object.fromEntries(named.map(({ upload, bytes }) => [upload, bytes])),
      (local) =>
        named.flatMap(({ path, upload }) => {
          const temporary = temporaryName(path);
          return [
            `put -f ${local(upload)} ${quoteName(temporary)}`,
            `chmod 600 ${quotePattern(temporary)}`,
            moving(temporary, path),
          ];
        }),
    );
  }

  async readPrivate(paths: string[]): Promise<(Buffer | undefined)[]> {
    const { fetched, errors } = await this.#run({
      commands: (local) => paths.map((path, index) => `-get ${quotePattern(path)} ${local(`file-${index}`)}`),
    });
    if (/Permission denied/.test(errors)) {
      throw describeCommand(`${this.#nameOf(paths[0] ?? '')} cannot be read`, errors);
    }
    return paths.map((_path, index) => fetched.get(`file-${index}`));
  }

  async list(path: string): Promise<string[]> {
    const { lines } = await this.#run({ commands: () => [`-ls -1 ${quotePattern(path + INFIX)}*`] });
    // It prints letters of other alphabets as it likes; what follows the infix is Headgate's own.
    return lines.flatMap((line) => {
      const at = line.indexOf(INFIX, line.lastIndexOf('/'));
      return at === -1 ? [] : [path + line.slice(at).trimEnd()];
    });
  }

  async clear(path: string, own: string[]): Promise<void> {
    const patterns = [...own.map(quotePattern), `${quotePattern(path + INFIX)}*${TEMPORARY}`];
    const { errors } = await this.#run({ commands: () => patterns.map((pattern) => `-rm ${pattern}`) });
    if (/Permission denied/.test(errors)) {
      throw describeCommand(`${this.#nameOf(own[0] ?? path)} cannot be removed`, errors);
    }
  }

  /** Only root may give files away, and sftp wants numbers where it shows names. */
  async #giveTo(temporary: string, file: HostFile, mode: number, what: string): Promise<SftpResult> {
    const [user, group, ...rest] = file.owner.split(' ');
    const { fetched } = await this.#run({
      commands: (local) => [`-get /etc/passwd ${local('users')}`, `-get /etc/group ${local('groups')}`],
    });
    const uid = rest.length > 0 ? undefined : idOf(user, fetched.get('users'));
    const gid = rest.length > 0 ? undefined : idOf(group, fetched.get('groups'));
    const given = await this.#command(what, {}, (local) => [
      ...(uid === undefined ? [] : [`-chown ${uid} ${quotePattern(temporary)}`]),
      ...(gid === undefined ? [] : [`-chgrp ${gid} ${quotePattern(temporary)}`]),
      // After the owner, whose change clears bits.
      `chmod ${octal(mode)} ${quotePattern(temporary)}`,
      `ls -ln ${quotePattern(temporary)}`,
      `get ${quotePattern(file.path)} ${local('now')}`,
    ]);
    if (readListing(given.lines)?.owner === file.owner || mayChangeOwner(mode)) return given;
    throw cannotKeepOwner(this.#nameOf(file.path), file.owner);
  }

  async #command(
    what: string,
    uploads: Record<string, Buffer>,
    commands: SftpBatch['commands'],
  ): Promise<SftpResult> {
    const result = await this.#run({ uploads, commands });
    if (!result.ok) throw describeCommand(what, result.errors);
    return result;
  }

  #nameOf(path: string): string {
    return `${this.#host}:${path}`;
  }
}

/** Over what is there, at once: the server's posix-rename. One without it fails, and nothing has changed. */
function moving(from: string, to: string): string {
  return `rename ${quoteName(from)} ${quoteName(to)}`;
}

function octal(mode: number): string {
  return mode.toString(8);
}

/** In `passwd` or `group`; undefined when it is not there. */
function idOf(name: string | undefined, table: Buffer | undefined): number | undefined {
  if (name !== undefined && /^\d+$/.test(name)) return Number(name);
  const row = table
    ?.toString()
    .split('\n')
    .map((line) => line.split(':'))
    .find(([first]) => first === name);
  return row?.[2] === undefined ? undefined : Number(row[2]);
}

interface Listed {
  mode: number;
  owner: string;
}

/** `-rw-r-----    1 app      www-data      120 Nov 24 21:49 /app/.env` of a regular file. */
function readListing(lines: string[]): Listed | undefined {
  for (const line of lines) {
    const found = /^-([-rwxsStT]{9})\S?\s+\S+\s+(\S.*?)\s+\d+ [A-Z][a-z]{2} [ \d]\d [ \d]\d[\d:]\d\d /.exec(
      line,
    );
    if (found) return { mode: modeOf(found[1] ?? ''), owner: (found[2] ?? '').split(/\s+/).join(' ') };
  }
  return undefined;
}

/** `rwxr-s--T` in numbers. */
function modeOf(letters: string): number {
  let mode = 0;
  for (let index = 0; index < letters.length; index += 1) {
    const letter = letters.charAt(index);
    if (/[rwxst]/.test(letter)) mode |= 0o400 >> index;
    if (/[sStT]/.test(letter)) mode |= 0o4000 >> Math.floor(index / 3);
  }
  return mode;
}

/** `Can't change directory: "/srv/shared/.env" is not a directory`: the path with every symbolic link followed. */
function readTarget(errors: string): string | undefined {
  const shown = /^Can't change directory: "(.*)" is not a directory\r?$/m.exec(errors)?.[1];
  if (shown === undefined) return undefined;
  // Backslashes are doubled, other bytes written in octal.
  const bytes = shown.replace(/\\(\\|[0-7]{3})/g, (_whole, code: string) =>
    code === '\\' ? code : String.fromCharCode(Number.parseInt(code, 8)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
