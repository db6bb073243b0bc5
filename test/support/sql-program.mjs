// @ts-check
/**
 * What a migration does, as a `run` step has it: `node sql-program.mjs URL set 50` changes the one setting of the
 * database, `is 50` exits 0 when it is that.
 */
import pg from 'pg';

const [connectionString, verb, value] = process.argv.slice(2);
const client = new pg.Client({ connectionString });
await client.connect();
if (verb === 'set') await client.query('update settings set value = $1', [value]);
const { rows } = await client.query('select value from settings');
await client.end();
process.exitCode = verb === 'set' || rows[0]?.value === value ? 0 : 1;
