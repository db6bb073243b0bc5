// The sandbox has no Redis: its node is a file. `set TYPE` is what the cloud does when terraform applies; without an
// argument it prints the type, as the probe asks for it.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

const home = process.env.HEADGATE_HOME || join(homedir(), '.headgate');
const file = join(home, 'sandbox', 'cache-node.json');
const [verb, type] = process.argv.slice(2);

if (verb === 'set') {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify({ type }));
} else {
  process.stdout.write(`${readFileSync(file, 'utf8')}\n`);
}
