// A migration whose only effect is a file: VERB FILE. `verify` exits 0 when it is there.
import { existsSync, rmSync, writeFileSync } from 'node:fs';

const [verb, file] = process.argv.slice(2);
if (verb === 'up') writeFileSync(file, '2\n');
if (verb === 'down') rmSync(file, { force: true });
if (verb === 'verify') process.exitCode = existsSync(file) ? 0 : 1;
