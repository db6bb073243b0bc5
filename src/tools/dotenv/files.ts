/** Where a dotenv file lies: one interface for the worker's own disk and for a host that is logged in to. */
import { randomBytes } from 'node:crypto';
import {
  access,
  constants,
  type FileHandle,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
} from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { invalid, notPermitted } from '../../platform/failures.js';
import { isWorkersOwn } from '../../platform/own-files.js';

export interface HostFile {
  /** Every symbolic link followed. */
  path: string;
  bytes: Buffer;
  /** Permission bits. */
  mode: number;
  /** User and group, in the host's own words. */
  owner: string;
  /** Why it could not be replaced, as far as that is seen without writing. */
  obstacle?: string;
}

/**
 * @throws of every method: ApplicationFailure `Invalid` where repeating does not help (denied, no regular file, no
 * login), a plain Error where it does (unreachable, disk full)
 */
export interface FileHost {
  /** Undefined when nothing is there. */
  read(path: string): Promise<HostFile | undefined>;
  /**
   * Compare-and-set: the whole file at once, with its owner and `mode`; a reader finds either the old bytes or the new
   * ones. False, and nothing changed, when it no longer holds `file.bytes`.
   *
   * Between the last comparison and the renaming lies a moment (microseconds here, a round trip or a few by SSH) in
   * which an editor's change would be lost: no file system renames on condition.
   */
  replace(file: HostFile, bytes: Buffer, mode: number): Promise<boolean>;
  /** One after the other, each whole, durable and readable to its owner alone. */
  writePrivate(files: { path: string; bytes: Buffer }[]): Promise<void>;
  /** What `writePrivate` wrote; undefined where nothing is there. */
  readPrivate(paths: string[]): Promise<(Buffer | undefined)[]>;
  /** Everything of Headgate's beside `path`. Paths. */
  list(path: string): Promise<string[]>;
  /** Removes `own`, and what was killed half way beside `path`. What is gone already is no error. */
  clear(path: string, own: string[]): Promise<void>;
}

/** Everything of Headgate's beside a file begins with the file's name and this. */
export const INFIX = '.headgate-';
/** What `replace` and `writePrivate` leave behind when they are killed half way ends so. */
export const TEMPORARY = '.tmp';

export function temporaryName(path: string): string {
  return path + INFIX + randomBytes(6).toString('hex') + TEMPORARY;
}

/**
 * Who may not give files away becomes the owner of what it writes. That takes a file away from the application,
 * unless everybody may read it.
 */
export function mayChangeOwner(mode: number): boolean {
  return (mode & 0o004) !== 0;
}

export function cannotKeepOwner(path: string, owner: string) {
  return invalid(
    `${path} cannot be replaced: its owner (${owner}) could not be kept, and nobody else may read it. Do it as that user, or make the user that Headgate works as its owner.`,
  );
}

export function notRegular(path: string) {
  return invalid(`${path} is no regular file. Name the dotenv file itself.`);
}

export function createLocalFiles(): FileHost {
  return new LocalFiles();
}

class LocalFiles implements FileHost {
  async read(path: string): Promise<HostFile | undefined> {
    try {
      const real = await realpath(path);
      if (await isWorkersOwn(real)) {
        throw notPermitted(
          `${path} is one of the worker's own files: what decides on what it may do, or what it runs. Name the dotenv file of the application.`,
        );
      }
      const status = await stat(real);
      if (!status.isFile()) throw notRegular(path);
      const mode = status.mode & 0o7777;
      const owner = ownerOf(status);
      const obstacle = await findObstacle(real, { mode, uid: status.uid });
      return { path: real, bytes: await readFile(real), mode, owner, obstacle };
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes(codeOf(error))) return undefined;
      throw describe(error, `${path} cannot be read`);
    }
  }

  async replace(file: HostFile, bytes: Buffer, mode: number): Promise<boolean> {
    const temporary = temporaryName(file.path);
    try {
      const owner = await writeNew(temporary, bytes, mode, file.owner);
      if (owner !== file.owner && !mayChangeOwner(mode)) throw cannotKeepOwner(file.path, file.owner);
      const now = await readFile(file.path);
      if (!now.equals(file.bytes)) {
        await rm(temporary, { force: true });
        return false;
      }
      await rename(temporary, file.path);
      await syncFolder(file.path);
      return true;
    } catch (error) {
      await rm(temporary, { force: true });
      throw describe(error, `${file.path} cannot be replaced`);
    }
  }

  async writePrivate(files: { path: string; bytes: Buffer }[]): Promise<void> {
    for (const { path, bytes } of files) {
      const temporary = temporaryName(path);
      try {
        await writeNew(temporary, bytes, 0o600);
        await rename(temporary, path);
        await syncFolder(path);
      } catch (error) {
        await rm(temporary, { force: true });
        throw describe(error, `${path} cannot be written`);
      }
    }
  }

  async readPrivate(paths: string[]): Promise<(Buffer | undefined)[]> {
    return Promise.all(
      paths.map((path) =>
        readFile(path).catch((error: unknown) => {
          if (codeOf(error) === 'ENOENT') return undefined;
          throw describe(error, `${path} cannot be read`);
        }),
      ),
    );
  }

  async list(path: string): Promise<string[]> {
    const folder = dirname(path);
    try {
      const names = await readdir(folder);
      return names
        .filter((name) => name.startsWith(basename(path) + INFIX))
        .map((name) => join(folder, name));
    } catch (error) {
      // Nothing depends on it: what may not be listed is only not tidied up.
      if (codeOf(error) === 'EACCES') return [];
      throw describe(error, `${folder} cannot be listed`);
    }
  }

  async clear(path: string, own: string[]): Promise<void> {
    const halfWay = (await this.list(path)).filter((name) => name.endsWith(TEMPORARY));
    for (const name of [...own, ...halfWay]) {
      await rm(name, { force: true }).catch((error: unknown) => {
        throw describe(error, `${name} cannot be removed`);
      });
    }
  }
}

async function findObstacle(
  path: string,
  { mode, uid }: { mode: number; uid: number },
): Promise<string | undefined> {
  const folder = dirname(path);
  try {
    await access(folder, constants.W_OK | constants.X_OK);
  } catch {
    return `the worker may not write to its folder ${folder}`;
  }
  const own = process.geteuid?.();
  if (own === undefined || own === 0 || own === uid || mayChangeOwner(mode)) return undefined;
  return `it belongs to user ${uid}, and the worker (user ${own}) could not keep it so`;
}

/**
 * Durable when it resolves. ACLs, extended attributes and further hard links of the file that it will replace are not
 * carried over.
 * @returns its owner
 */
async function writeNew(path: string, bytes: Buffer, mode: number, owner?: string): Promise<string> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(bytes);
    if (owner !== undefined) await giveTo(handle, owner);
    // After the owner, whose change clears bits.
    await handle.chmod(mode);
    await handle.sync();
    return ownerOf(await handle.stat());
  } finally {
    await handle.close();
  }
}

/** As far as it is permitted. */
async function giveTo(handle: FileHandle, owner: string): Promise<void> {
  const own = await handle.stat();
  if (ownerOf(own) === owner) return;
  const [uid = own.uid, gid = own.gid] = owner.split(' ').map(Number);
  const permitted = async (change: Promise<void>) => {
    const code = await change.then(() => '', codeOf);
    if (code !== '' && code !== 'EPERM') await change;
    return code === '';
  };
  if (!(await permitted(handle.chown(uid, gid)))) await permitted(handle.chown(own.uid, gid));
}

function ownerOf({ uid, gid }: { uid: number; gid: number }): string {
  return `${uid} ${gid}`;
}

/** As far as it can be had: a folder that may be written need not be one that may be read. */
async function syncFolder(path: string): Promise<void> {
  const handle = await open(dirname(path), 'r').catch(() => undefined);
  if (!handle) return;
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

const PERMANENT: Record<string, string> = {
  EACCES: "the worker's user may not. Give it the right to, or run the worker as the file's owner",
  EPERM: "the worker's user may not. Give it the right to, or run the worker as the file's owner",
  EROFS: 'its file system is read-only',
  EBUSY: 'it is mounted by itself (a single file of a container?), so it cannot be replaced at once',
  ENAMETOOLONG: 'its name is too long with what Headgate adds to it. Give stage and step shorter names',
  ELOOP: 'its symbolic links lead round in a circle',
};

function describe(error: unknown, what: string): unknown {
  const code = codeOf(error);
  if (code === '') return error;
  const why = PERMANENT[code];
  return why ? invalid(`${what}: ${why} (${code}).`) : new Error(`${what} (${code}).`);
}

/** Of an error of the file system; empty for anything else. */
function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && 'syscall' in error ? String(error.code) : '';
}
