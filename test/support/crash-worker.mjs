// @ts-check
/**
 * The real worker, from `dist`, in a process that may die where a test says.
 *
 * HEADGATE_CRASH  JSON `{ activity, when: "before" | "after" }`: SIGKILL when the activity has been started and has
 *                 done nothing yet, or when it has returned and nobody has been told. `{ rename, when, nth }`: SIGKILL
 *                 before or after a file is moved to a path that ends so, for the nth time.
 * Prints `ready` when it polls.
 */
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

/** @type {{ activity?: string, rename?: string, nth?: number, when: 'before' | 'after' } | null} */
const crash = JSON.parse(process.env.HEADGATE_CRASH ?? 'null');

/** @returns {Promise<never>} */
function die() {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => {});
}

/**
 * @template {(...input: never[]) => Promise<unknown>} Work
 * @param {Work} work
 */
function dyingAround(work) {
  /** @param {Parameters<Work>} input */
  return async (...input) => {
    if (crash?.when === 'before') await die();
    await work(...input);
    await die();
  };
}

const { rename } = fs;
if (crash?.rename !== undefined) {
  const { rename: end, nth } = crash;
  let moves = 0;
  fs.rename = (from, to) => {
    if (String(to).endsWith(end)) moves += 1;
    return moves === nth ? dyingAround(rename)(from, to) : rename(from, to);
  };
  syncBuiltinESMExports();
}

const { runWorker } = await import('../../dist/src/worker.js');
await runWorker({
  enabled: ['run', 'command'],
  onReady: () => console.log('ready'),
  decorate(activities) {
    if (crash?.activity === undefined) return activities;
    const name = /** @type {keyof typeof activities} */ (crash.activity);
    if (!(name in activities)) throw new Error(`there is no activity ${crash.activity}`);
    return { ...activities, [name]: dyingAround(activities[name]) };
  },
});
