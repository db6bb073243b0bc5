/** The document's questions to a database, so that nobody has to write them again. */
import type { Expectation, Json } from '../../../plan/resolved.js';
import { removeLiterals } from '../../../platform/sql-literals.js';
import { isObject } from '../endpoint.js';
import type { Sample } from '../probe.js';

export type Ask = (query: string) => Promise<Json[]>;

/**
 * Our own connection is left out. Connections count against `max_connections` whatever database they are for. Of
 * other users' sessions a user without pg_read_all_stats sees only that they are there.
 */
const ACTIVITY = `
  with everybody as (
    select datname = current_database() as here, state, wait_event_type, xact_start,
      query = '<insufficient privilege>' as hidden
    from pg_stat_activity
    where datname is not null and pid <> pg_backend_pid()
      and coalesce(backend_type, 'client backend') = 'client backend'
  ), here as (select * from everybody where here)
  select
    count(*)::int as connections,
    count(*) filter (where state = 'active')::int as active,
    count(*) filter (where state like 'idle in transaction%')::int as "idleInTransaction",
    count(*) filter (where wait_event_type = 'Lock')::int as waiting,
    current_setting('max_connections')::int as "maxConnections",
    (select round(100.0 * count(*) / current_setting('max_connections')::int, 1) from everybody)
      as "utilizationPercent",
    coalesce(round(extract(epoch from now() - min(xact_start)) * 1000), 0)::bigint as "oldestTransactionMs",
    count(*) filter (where hidden)::int as hidden
  from here`;

/** What nobody can tell while sessions hide it. */
const HIDDEN_FIELDS = ['active', 'idleInTransaction', 'waiting', 'oldestTransactionMs'];

const EXTENSION = `
  select quote_ident(n.nspname) as schema
  from pg_extension e join pg_namespace n on n.oid = e.extnamespace
  where e.extname = 'pg_stat_statements'`;

/** Above this mean a statement is slow, as the document has it. */
const SLOW_MS = 1000;

const statementsOf = (schema: string) => `
  with own as (
    select s.query, s.calls, s.mean_exec_time, s.stddev_exec_time
    from ${schema}.pg_stat_statements s join pg_database d on d.oid = s.dbid
    where d.datname = current_database()
  ), slowest as (
    select query, calls, round(mean_exec_time::numeric, 1) as "meanMs", round(stddev_exec_time::numeric, 1) as "stddevMs"
    from own where mean_exec_time > ${SLOW_MS} order by mean_exec_time desc limit 10
  )
  select
    (select count(*)::int from own where mean_exec_time > ${SLOW_MS}) as slow,
    (select coalesce(json_agg(slowest), '[]') from slowest) as slowest,
    (select round(max(mean_exec_time)::numeric, 1) from own) as "worstMeanMs"`;

/**
 * `activity`: `{ connections, active, idleInTransaction, waiting, oldestTransactionMs }` of the database,
 * `{ maxConnections, utilizationPercent }` of the server. Figures that sessions hide from the user are left out, and
 * are `inconclusive` where they are expected.
 */
export async function askActivity(ask: Ask, expect: Expectation[]): Promise<Sample> {
  const [row] = await ask(ACTIVITY);
  if (!isObject(row)) return { kind: 'inconclusive', message: 'pg_stat_activity gave no row' };
  const { hidden, ...figures } = row;
  if (hidden === 0) return { kind: 'sample', value: figures };
  const missed = expect.map(({ path }) => path).filter((path) => HIDDEN_FIELDS.includes(path));
  if (missed.length > 0) {
    return {
      kind: 'inconclusive',
      message: `sessions of other users hide what they do, so that ${missed.join(', ')} cannot be told: grant pg_read_all_stats to the user in "url"`,
    };
  }
  const visible = Object.entries(figures).filter(([name]) => !HIDDEN_FIELDS.includes(name));
  return { kind: 'sample', value: Object.fromEntries(visible) };
}

/**
 * `{ slow, slowest, worstMeanMs }` of the database: how many statements have a mean above 1000 ms, the ten slowest of
 * them with `query` (without literals), `calls`, `meanMs`, `stddevMs`, and the longest mean of all statements.
 */
export async function askStatements(ask: Ask): Promise<Sample> {
  const [extension] = await ask(EXTENSION);
  const schema = isObject(extension) ? extension.schema : undefined;
  if (typeof schema !== 'string') {
    return {
      kind: 'inconclusive',
      message:
        'this database has no pg_stat_statements: load it in shared_preload_libraries (on RDS it is) and run CREATE EXTENSION pg_stat_statements',
    };
  }
  const [row] = await ask(statementsOf(schema));
  if (!isObject(row)) return { kind: 'inconclusive', message: 'pg_stat_statements gave no row' };
  const slowest = Array.isArray(row.slowest) ? row.slowest.map(withoutLiterals) : [];
  return { kind: 'sample', value: { ...row, slowest } };
}

const LONGEST_QUERY = 500;

function withoutLiterals(statement: Json): Json {
  if (!isObject(statement) || typeof statement.query !== 'string') return statement;
  return { ...statement, query: removeLiterals(statement.query).slice(0, LONGEST_QUERY) };
}
