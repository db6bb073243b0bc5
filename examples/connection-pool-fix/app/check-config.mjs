/**
 * Step 2 of the document: what the application would read from its .env file.
 *
 *   node app/check-config.mjs FILE
 *
 * Prints one JSON object; a key that the file does not set is missing. Nothing else of the file is shown.
 */
import { readFileSync } from 'node:fs';
import { parseEnv } from 'node:util';

const [file] = process.argv.slice(2);
if (!file) {
  console.error('Usage: node check-config.mjs FILE');
  process.exit(2);
}

const { DB_CONNECTION_LIMIT, DB_POOL_TIMEOUT, DB_STATEMENT_CACHE_SIZE } = parseEnv(
  readFileSync(file, 'utf8'),
);
console.log(JSON.stringify({ DB_CONNECTION_LIMIT, DB_POOL_TIMEOUT, DB_STATEMENT_CACHE_SIZE }));
