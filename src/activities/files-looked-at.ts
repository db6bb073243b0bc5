/** Files of the plan's folder that a step runs or reads: an approval covers what they hold. */
import { stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { digestPath, resolvePlanFile } from '../platform/plan-files.js';

/** sha256 by path, of those words that name a file of the plan's folder; what leads out of it is the worker's own. */
export async function digestFilesIn(directory: string, words: string[]): Promise<Record<string, string>> {
  const found = await Promise.all(
    [...new Set(words)].map(async (word) => [word, await digestInside(directory, word)] as const),
  );
  return Object.fromEntries(found.flatMap(([word, sha256]) => (sha256 === null ? [] : [[word, sha256]])));
}

async function digestInside(directory: string, word: string): Promise<string | null> {
  if (word === '' || isAbsolute(word)) return null;
  try {
    if (!(await stat(await resolvePlanFile(directory, word))).isFile()) return null;
    return await digestPath(directory, word);
  } catch {
    return null;
  }
}

/** The first path that holds something else, has gone, or has come. */
export function whatDiffers(
  expected: Record<string, string>,
  found: Record<string, string>,
): string | undefined {
  return [...Object.keys(expected), ...Object.keys(found)].find((path) => expected[path] !== found[path]);
}
