// The application's own `npm run check-config`: what it would read from its .env file, as one JSON object. The file is
// the argument, else that of the sandbox's stage.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseEnv } from 'node:util';

const { HEADGATE_HOME, HEADGATE_STAGE = 'staging' } = process.env;
const home = HEADGATE_HOME || join(homedir(), '.headgate');
const [file = join(home, 'sandbox', HEADGATE_STAGE, '.env')] = process.argv.slice(2);
const KEYS = ['DB_CONNECTION_LIMIT', 'DB_POOL_TIMEOUT', 'DB_STATEMENT_CACHE_SIZE'];

try {
  const read = parseEnv(readFileSync(file, 'utf8'));
  process.stdout.write(
    `${JSON.stringify(Object.fromEntries(KEYS.map((key) => [key, read[key] ?? null])))}\n`,
  );
} catch (error) {
  process.stderr.write(`${file} cannot be read: ${error.message}\n`);
  process.exitCode = 1;
}
