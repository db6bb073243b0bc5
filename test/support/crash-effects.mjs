// @ts-check
/**
 * What the programs of a crash test have in common: a log of what they did, and places where they stop and wait to be
 * killed. Plain JavaScript: they are started by the product, each in a process of its own.
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * @param {string} folder
 * @param {string} event
 */
export function note(folder, event) {
  appendFileSync(join(folder, 'events'), `${event}\n`);
}

/**
 * @param {string} folder
 * @returns {string[]}
 */
export function readEvents(folder) {
  const file = join(folder, 'events');
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
}

/**
 * Waits for ever where a test has said so.
 * @param {string} folder
 * @param {string} place
 */
export async function holdAt(folder, place) {
  if (!existsSync(join(folder, `hold ${place}`))) return;
  note(folder, `held ${place}`);
  await new Promise(() => setInterval(() => {}, 1_000));
}
