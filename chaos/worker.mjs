// @ts-check
/**
 * The real worker, from a build, which says aloud what it is about to do and what it has done: before and after every
 * activity it asks `CHAOS_ADDRESS`, and what happens to it there happens at that fact.
 *
 * CHAOS_BUILD  folder of the build
 * CHAOS_NAME   of this worker
 * Prints `ready` when it polls.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const { CHAOS_BUILD: build = '', CHAOS_ADDRESS: address = '', CHAOS_NAME: worker = '' } = process.env;

/** @param {string} fact */
async function say(fact) {
  // A world that does not listen any more changes nothing of what the worker does.
  await fetch(`${address}/say`, { method: 'POST', body: JSON.stringify({ fact, worker }) }).catch(() => {});
}

/** @type {{ runWorker: typeof import('../src/worker.js').runWorker }} */
const { runWorker } = await import(pathToFileURL(join(build, 'src', 'worker.js')).href);
await runWorker({
  enabled: ['run', 'command'],
  onReady: () => console.log('ready'),
  decorate(activities) {
    const said = Object.entries(activities).map(([name, work]) => {
      /** @param {[never]} input */
      const saying = async (...input) => {
        await say(`${name} before`);
        const result = await work(...input);
        await say(`${name} after`);
        return result;
      };
      return [name, saying];
    });
    return Object.fromEntries(said);
  },
});
