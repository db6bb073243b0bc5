// @ts-check
/**
 * A program that does one thing: `node crash-program.mjs FOLDER NAME VERB`. It begins, may be held before and after its
 * effect, and ends. `verify` exits 0 when `act` was done and not undone; `undo` does nothing where there is nothing.
 * `verify` cannot tell as long as there is a file `broken verify`.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { holdAt, note, readEvents } from './crash-effects.mjs';

const [folder = '', name = '', verb = ''] = process.argv.slice(2);
const isDone = () =>
  readEvents(folder).findLast((event) => event === `did ${name} act` || event === `did ${name} undo`) ===
  `did ${name} act`;

if (verb === 'verify') {
  if (existsSync(join(folder, 'broken verify'))) process.kill(process.pid, 'SIGKILL');
  process.exit(isDone() ? 0 : 1);
}
note(folder, `began ${name} ${verb}`);
await holdAt(folder, `before ${name} ${verb}`);
if (verb !== 'undo' || isDone()) note(folder, `did ${name} ${verb}`);
await holdAt(folder, `after ${name} ${verb}`);
console.log(`${name} ${verb} done`);
