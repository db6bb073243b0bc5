/** How long checkouts of sources are kept: the newest of them, and whatever may still be in use. */
import { randomUUID } from 'node:crypto';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

const KEPT = 20;
/** An activity marks its checkout when it begins, and none takes as long; nor does a fetch. */
const IN_USE_MS = 24 * 60 * 60_000;

const PART = /^\..*\.part$/;

/** Name of a folder that is not whole, or is going. */
export function partName(): string {
  return `.${randomUUID()}.part`;
}

/**
 * Removes checkouts below `root` that were used longest ago, and what killed processes have left. What cannot be
 * removed stays: the one that has been made is there either way.
 */
export async function pruneCheckouts(root: string): Promise<void> {
  const usedBefore = Date.now() - IN_USE_MS;
  const old = (entries: Entry[]) => entries.filter(({ usedAtMs }) => usedAtMs < usedBefore);
  const top = await list(root);
  const parts = top.filter(({ name }) => PART.test(name));
  const repositories = top.filter(({ name }) => !PART.test(name));
  const checkouts = (await Promise.all(repositories.map(({ path }) => list(path)))).flat();
  checkouts.sort((a, b) => b.usedAtMs - a.usedAtMs);
  await Promise.allSettled([
    ...old(parts).map(({ path }) => rm(path, { recursive: true, force: true })),
    ...old(checkouts.slice(KEPT)).map(({ path }) => remove(root, path)),
  ]);
}

/** Gone as a whole: nobody finds half of it. */
async function remove(root: string, checkout: string): Promise<void> {
  const part = join(root, partName());
  await rename(checkout, part);
  await rm(part, { recursive: true, force: true });
}

interface Entry {
  name: string;
  path: string;
  usedAtMs: number;
}

async function list(folder: string): Promise<Entry[]> {
  const names = await readdir(folder).catch(() => []);
  const entries = names.map(async (name): Promise<Entry[]> => {
    const path = join(folder, name);
    const found = await stat(path).catch(() => undefined);
    return found ? [{ name, path, usedAtMs: found.mtimeMs }] : [];
  });
  return (await Promise.all(entries)).flat();
}
