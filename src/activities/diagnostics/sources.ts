/**
 * What there is to know of a release that failed. All of it is asked for at once, and each of it has its own time,
 * so that nothing waits for what no longer answers.
 */
import type { Targets } from '../../adapters/targets/registry.js';
import type { LogOf } from '../../adapters/targets/target.js';
import type { DiagnosticsInput, Release, Subject } from '../../contract/activities.js';
import type { Json, ProbeSpec } from '../../plan/resolved.js';
import type { References } from '../../platform/references.js';
import { removeLiterals } from '../../platform/sql-literals.js';
import { bindTarget } from '../deploy/bind.js';
import { isRecord } from '../heartbeat.js';
import type { Sampler } from '../sampler.js';

/** Of each source. The longest way are two of them, one after the other: where a release answers, and what. */
const TIME_MS = 5_000;

const CONNECTION_LINES = /connection|pool|timeout|53300|too many/i;

/** The document's, less our own connection. */
const ACTIVITY_QUERY = `
  select pid, usename, application_name, state, state_change, wait_event, query
  from pg_stat_activity
  where datname = current_database() and pid <> pg_backend_pid()
  order by state_change desc nulls last`;

const STATEMENTS_QUERY = `
  select query, calls, mean_exec_time, stddev_exec_time
  from pg_stat_statements
  where mean_exec_time > 1000
  order by mean_exec_time desc
  limit 10`;

export interface SourceDeps {
  targets: Targets;
  references: Pick<References, 'resolve'>;
  sampler: Sampler;
}

export interface Gathered {
  files: { name: string; content: string }[];
  missing: { name: string; why: string }[];
}

/** What a source gave, or why it gave nothing. */
type Had<T> = { value: T } | { why: string };

/** Rejects only with the signal's reason. */
export async function gatherDiagnostics(
  deps: SourceDeps,
  input: DiagnosticsInput,
  signal: AbortSignal,
): Promise<Gathered> {
  const [log, previous, activity, statements, metrics] = await Promise.all([
    readLog(deps, input, 'current', signal),
    readLog(deps, input, 'previous', signal),
    queryDatabase(deps, input, ACTIVITY_QUERY, signal),
    queryDatabase(deps, input, STATEMENTS_QUERY, signal),
    readMetrics(deps, input, signal),
  ]);
  return [
    asFile('release.log', log),
    asFile('previous.log', previous),
    connectionLines(log, previous),
    asFile('pg_stat_activity.json', mapHad(activity, toJson)),
    asFile(
      'pool-metrics.json',
      mapHad(metrics, ({ slowQueries: _apart, ...rest }) => toJson(rest)),
    ),
    slowQueries(metrics, statements),
    asFile('measurements.json', { value: toJson(input.measurements) }),
  ].reduce((all, { files, missing }) => ({
    files: [...all.files, ...files],
    missing: [...all.missing, ...missing],
  }));
}

function asFile(name: string, had: Had<string>): Gathered {
  return 'why' in had
    ? { files: [], missing: [{ name, why: had.why }] }
    : { files: [{ name, content: had.value }], missing: [] };
}

function mapHad<T>(had: Had<T>, map: (value: T) => string): Had<string> {
  return 'why' in had ? had : { value: map(had.value) };
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** Of both logs. Without a single such line the file is there and empty: that is evidence as well. */
function connectionLines(log: Had<string>, previous: Had<string>): Gathered {
  const texts = [previous, log].flatMap((had) => ('why' in had ? [] : [had.value]));
  if (texts.length === 0) return asFile('connections.log', { why: 'there is no log to look through' });
  const lines = texts.flatMap((text) => text.split('\n')).filter((line) => CONNECTION_LINES.test(line));
  return asFile('connections.log', { value: lines.map((line) => `${line}\n`).join('') });
}

/** As the application saw them, and as the server did. */
function slowQueries(metrics: Had<{ [key: string]: Json }>, statements: Had<Json[]>): Gathered {
  const name = 'slow-queries.json';
  if ('why' in metrics && 'why' in statements) {
    return asFile(name, { why: `pool metrics: ${metrics.why}; pg_stat_statements: ${statements.why}` });
  }
  const content = {
    application: 'why' in metrics ? null : withoutData(metrics.value.slowQueries ?? null),
    pg_stat_statements: 'why' in statements ? null : statements.value,
  };
  const missing = [
    ...('why' in metrics ? [{ name: `${name}: application`, why: metrics.why }] : []),
    ...('why' in statements ? [{ name: `${name}: pg_stat_statements`, why: statements.why }] : []),
  ];
  return { files: [{ name, content: toJson(content) }], missing };
}

const SQL_KEY = /^(query|sql|statement)$/i;
const PARAMETER_KEY = /^(param|bind|arg|values$)/i;
const TIME = /^\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:?\d\d)$/;

/** An application lists its slow queries as it likes: what is neither SQL nor a figure nor a time may be a parameter. */
function withoutData(value: Json, key = 'query'): Json {
  if (Array.isArray(value)) return value.map((entry) => withoutData(entry, key));
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(
      Object.entries(value).map(
        ([name, entry]) => [name, PARAMETER_KEY.test(name) ? '?' : withoutData(entry, name)] as const,
      ),
    );
  }
  if (typeof value !== 'string' || TIME.test(value)) return value;
  return SQL_KEY.test(key) ? removeLiterals(value) : '?';
}

/** References that cannot be put in, a target that lacks what is needed, silence: all of it is a reason. */
async function inTime<T>(signal: AbortSignal, work: (end: AbortSignal) => Promise<Had<T>>): Promise<Had<T>> {
  const late = AbortSignal.timeout(TIME_MS);
  const end = AbortSignal.any([signal, late]);
  const ended = new Promise<never>((_resolve, reject) => {
    end.addEventListener('abort', () => reject(end.reason), { once: true });
  });
  // Whatever wins, the other one is not waited for.
  ended.catch(() => {});
  try {
    return await Promise.race([work(end), ended]);
  } catch (error) {
    signal.throwIfAborted();
    if (late.aborted) return { why: `no answer within ${TIME_MS / 1000} s` };
    return { why: error instanceof Error ? error.message : String(error) };
  }
}

function readLog(
  deps: SourceDeps,
  { context, step, release }: DiagnosticsInput,
  which: LogOf,
  signal: AbortSignal,
): Promise<Had<string>> {
  return inTime<string>(signal, async (end) => {
    const target = await bindTarget(deps, { context, step }, end);
    const log = await target.logs(release, which);
    return log === undefined ? { why: `the target ${step.config.target} tells no such log` } : { value: log };
  });
}

function queryDatabase(
  deps: SourceDeps,
  input: DiagnosticsInput,
  query: string,
  signal: AbortSignal,
): Promise<Had<Json[]>> {
  const { databaseUrl: url } = input;
  if (url === undefined) return Promise.resolve({ why: 'no probe of the stage names its database' });
  return inTime(signal, async (end) => {
    const spec = { name: 'diagnostics', kind: 'postgres', config: { url, query } };
    const had = await sample(deps, subjectOf(input, input.release), spec, end);
    if ('why' in had) return had;
    const { rows } = had.value;
    return { value: Array.isArray(rows) ? rows.map(withoutLiterals) : [] };
  });
}

function withoutLiterals(row: Json): Json {
  if (row === null || typeof row !== 'object' || Array.isArray(row)) return row;
  return typeof row.query === 'string' ? { ...row, query: removeLiterals(row.query) } : row;
}

async function readMetrics(
  deps: SourceDeps,
  input: DiagnosticsInput,
  signal: AbortSignal,
): Promise<Had<{ [key: string]: Json }>> {
  const probe = input.probes.find(({ kind }) => kind === 'poolMetrics');
  if (!probe) return { why: 'no probe of the stage reads pool metrics' };
  // Traffic has been moved back by now, so that a fixed address tells of another release.
  if (!JSON.stringify(probe.config.url ?? '').includes('${release:')) {
    return { why: `${probe.name} asks a fixed address, where the release before answers again` };
  }
  const place = await locate(deps, input, signal);
  if ('why' in place) return place;
  return inTime(signal, (end) => sample(deps, subjectOf(input, place.value), probe, end));
}

/** Where the failed release answers now: its live address leads to the release before. */
function locate(
  deps: SourceDeps,
  { context, step, release }: DiagnosticsInput,
  signal: AbortSignal,
): Promise<Had<Release>> {
  return inTime<Release>(signal, async (end) => {
    const { live, candidate } = await (await bindTarget(deps, { context, step }, end)).status();
    const found = [candidate, live].find((each) => each?.id === release.id);
    return found ? { value: found } : { why: `the target knows ${release.id} no more` };
  });
}

async function sample(
  { sampler }: SourceDeps,
  subject: Subject,
  { name, kind, config }: Pick<ProbeSpec, 'name' | 'kind' | 'config'>,
  signal: AbortSignal,
): Promise<Had<{ [key: string]: Json }>> {
  const spec = { name, kind, config, expect: [], timeoutMs: TIME_MS };
  const { sample: found } = await sampler.sampleOnce(subject, spec, signal);
  if (found.kind !== 'sample') return { why: found.message };
  return isObject(found.value) ? { value: found.value } : { why: 'the answer is no object' };
}

function isObject(value: Json): value is { [key: string]: Json } {
  return isRecord(value);
}

function subjectOf({ context, step }: DiagnosticsInput, release: Release): Subject {
  return { context, stage: step.stage, step: step.name, release };
}
