/** Digests of the files that a plan names: the client takes them at the start, the worker compares them. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { isWorkersOwn } from './own-files.js';

/** Why a plan's file cannot be digested. `message` is a sentence for the person who wrote the plan. */
export class PlanFileError extends Error {
  override readonly name = 'PlanFileError';
  readonly reason: 'missing' | 'outside' | 'unreadable';

  constructor(reason: PlanFileError['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}

/**
 * sha256, hex, of one file's bytes, or of a folder: over `<path>\0<sha256>\n` of every file below it, sorted by path;
 * what terraform writes there while it works does not count.
 * `path` is relative to the plan's folder and may not lead out of it, not by a symbolic link either.
 * @throws PlanFileError
 */
export async function digestPath(directory: string, path: string): Promise<string> {
  const root = await realpath(resolve(directory)).catch((error: unknown) => {
    throw describe(error, directory);
  });
  const place = await resolveInside(root, path);
  const found = await stat(place);
  if (found.isFile()) return digestFile(place, path);
  // Nobody may ever write into a pipe, and a device has no end.
  if (!found.isDirectory()) throw new PlanFileError('unreadable', `${path} is neither a file nor a folder.`);
  const hash = createHash('sha256');
  for (const file of await listFiles(root, place)) {
    const name = relative(place, file).split(sep).join('/');
    const real = await resolveInside(root, relative(root, file));
    hash.update(`${name}\0${await digestFile(real, join(path, name))}\n`);
  }
  return hash.digest('hex');
}

/**
 * On the worker: absolute path of a plan's file, all links followed. Which folder is the plan's is said by whoever has
 * started it, so that it may be one of the worker's own.
 * @throws PlanFileError when missing or outside
 */
export async function resolvePlanFile(directory: string, path: string): Promise<string> {
  const real = await resolveInside(await realpath(resolve(directory)), path);
  if (!(await isWorkersOwn(real))) return real;
  throw new PlanFileError('outside', `${path} is one of the worker's own files, which no plan may name.`);
}

async function resolveInside(root: string, path: string): Promise<string> {
  const outside = new PlanFileError('outside', `${path} lies outside the plan's folder ${root}.`);
  if (isAbsolute(path) || leadsOut(relative(root, resolve(root, path)))) throw outside;
  const real = await realpath(resolve(root, path)).catch((error: unknown) => {
    throw describe(error, path);
  });
  if (leadsOut(relative(root, real))) throw outside;
  return real;
}

function leadsOut(fromRoot: string): boolean {
  return fromRoot === '..' || fromRoot.startsWith(`..${sep}`) || isAbsolute(fromRoot);
}

/** What terraform itself writes beside a configuration: different for everybody, and after every apply. */
const WRITTEN_BY_TERRAFORM = /^\.terraform$|\.tfstate(\.\d+)?(\.backup|\.lock\.info)?$/;

async function listFiles(root: string, folder: string): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (WRITTEN_BY_TERRAFORM.test(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      files.push(...(await listFiles(root, path)));
    } else if ((await stat(path)).isFile()) {
      files.push(path);
    } else {
      throw new PlanFileError('unreadable', `${relative(root, path)} is neither a file nor a folder.`);
    }
  }
  return files.sort((a, b) => (a < b ? -1 : 1));
}

async function digestFile(place: string, path: string): Promise<string> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(place)) hash.update(chunk as Buffer);
  } catch (error) {
    throw describe(error, path);
  }
  return hash.digest('hex');
}

function describe(error: unknown, path: string): PlanFileError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
  if (code === 'ENOENT' || code === 'ENOTDIR') return new PlanFileError('missing', `${path} does not exist.`);
  return new PlanFileError('unreadable', `${path} cannot be read (${code}).`);
}
