/** The document's troubleshooting as rules over what was measured: what to do about a gate that did not hold. Pure. */
import type { MeasurementOutcome } from '../contract/progress.js';
import type { Json, ProbeSpec } from '../plan/resolved.js';

const MOST = 5;
const LONGEST_FIGURES = 160;
/** The document's pool, where nothing tells another one. */
const USUAL_LIMIT = 50;

export interface Judged {
  probe: string;
  /** Of the probe; without it the one that its specification names. */
  kind?: string;
  outcome: MeasurementOutcome;
  message: string;
  values: Record<string, Json>;
}

interface Case extends Judged {
  kind: string;
  config: { [key: string]: Json };
}

interface Rule {
  applies: (found: Case) => boolean;
  /** @param limit of the pool: connections */
  advise: (limit: number) => string;
}

/** The most specific first: what is said by one measurement is not said again by a rule further down. */
const RULES: Rule[] = [
  {
    applies: runsOldConfiguration,
    advise: () =>
      'the release still runs with the old configuration: was it started again after the secret or the file was changed?',
  },
  {
    applies: waitsForReboot,
    advise: (limit) =>
      `max_connections takes effect with a reboot of the instance; it has to be at least 2 × DB_CONNECTION_LIMIT (${2 * limit} for ${limit})`,
  },
  {
    applies: hasNoConnectionLeft,
    advise: (limit) =>
      `raise RDS max_connections to at least 2 × DB_CONNECTION_LIMIT (${2 * limit} for ${limit}), and see in pg_stat_activity who holds the connections`,
  },
  {
    applies: isPoolExhausted,
    advise: (limit) =>
      `increase the pool further (DB_CONNECTION_LIMIT=${larger(limit)}), start the application again, and check that RDS max_connections is at least 2 × the limit (${2 * larger(limit)})`,
  },
  {
    applies: ({ kind }) => kind === 'version',
    advise: () =>
      'another version answers: was this release promoted, and does its image or checkout hold the version of the plan?',
  },
  {
    applies: isSlow,
    advise: () =>
      'look at the slow queries (pool metrics, and pg_stat_statements with mean_exec_time > 1000), and add the indexes that are missing',
  },
  {
    applies: hasErrors,
    advise: () => "look for what failed in the release's log, connection errors first",
  },
  {
    applies: ({ kind }) => kind === 'http' || kind === 'logs',
    advise: () => 'read the error log of the release, and of the process before it (kubectl logs --previous)',
  },
];

/** One sentence per cause, with the figures that speak for it; none for what passed. At most 5, the most specific first. */
export function adviseOn(measurements: Judged[], probes: ProbeSpec[]): string[] {
  const limit = limitOf(measurements, probes);
  let left = measurements.filter(({ outcome }) => outcome === 'fail').map((each) => caseOf(each, probes));
  const advice: string[] = [];
  for (const { applies, advise } of RULES) {
    const found = left.filter(applies);
    left = left.filter((each) => !found.includes(each));
    if (found.length > 0) advice.push(`${figuresOf(found)}: ${advise(limit)}`);
  }
  return advice.slice(0, MOST);
}

function caseOf(judged: Judged, probes: ProbeSpec[]): Case {
  const spec = probes.find(({ name }) => name === judged.probe);
  return { ...judged, kind: judged.kind ?? spec?.kind ?? '', config: spec?.config ?? {} };
}

function figuresOf(found: Case[]): string {
  const text = found.map(({ probe, message }) => `${probe}: ${message}`).join('; ');
  return text.length <= LONGEST_FIGURES ? text : `${text.slice(0, LONGEST_FIGURES - 1)}…`;
}

/** The larger of what runs and what is expected to run: from there on a pool is increased. */
function limitOf(measurements: Judged[], probes: ProbeSpec[]): number {
  const running = measurements.map(({ values }) => values['pool.limit']);
  const expected = probes.flatMap(({ expect }) =>
    expect.flatMap(({ path, equals }) => (path === 'pool.limit' ? [equals] : [])),
  );
  const known = [...running, ...expected].filter((value) => typeof value === 'number');
  return known.length === 0 ? USUAL_LIMIT : Math.max(...known);
}

/** The document goes from 50 to 75. */
function larger(limit: number): number {
  return Math.ceil(limit * 1.5);
}

/** A failed measurement's message holds the conditions that were not met, and no other. */
function runsOldConfiguration({ kind, message, config }: Case): boolean {
  if (kind === 'poolMetrics') return /(^|; )(pool\.limit|config\.\w+) = /.test(message);
  // What a release says of its configuration when it starts is expected to be there at least once.
  return kind === 'logs' && /config|limit/i.test(textOf(config.pattern)) && /expected >/.test(message);
}

function waitsForReboot({ kind, config }: Case): boolean {
  return kind === 'rdsParameter' && config.name === 'max_connections';
}

function hasNoConnectionLeft({ kind, message, config }: Case): boolean {
  if (
    /53300|too many (clients|connections)|takes no more connections|max_connections in force/i.test(message)
  )
    return true;
  if (kind === 'postgres') return /pg_stat_activity/i.test(textOf(config.query));
  return kind === 'cloudwatch' && /DatabaseConnections/.test(textOf(config.metric));
}

function isPoolExhausted({ kind, probe, message, values, config }: Case): boolean {
  if (kind === 'poolMetrics') return isFull(values);
  // A connection to the release itself may time out as well, which is not the pool's doing.
  if (kind === 'http') return /pool.?time/i.test(message);
  const about = kind === 'logs' ? textOf(config.pattern) : `${probe} ${message}`;
  return /(connection|pool).*time|time.*(connection|pool)/i.test(about);
}

/** Without the figure of the utilization, what was expected of the pool speaks for itself. */
function isFull({ 'pool.utilization': utilization, 'pool.waiting': waiting }: Case['values']): boolean {
  if (typeof waiting === 'number' && waiting > 0) return true;
  return typeof utilization !== 'number' || utilization > 90;
}

function isSlow({ kind, probe, values, config }: Case): boolean {
  const about = [probe, ...Object.keys(values), kind === 'prometheus' ? textOf(config.query) : ''].join(' ');
  return /duration|latency|slow/i.test(about);
}

function hasErrors({ kind, probe, values, config }: Case): boolean {
  if (kind === 'logs' || kind === 'http') return false;
  const about = [probe, ...Object.keys(values), kind === 'prometheus' ? textOf(config.query) : ''].join(' ');
  return /req_failed|error|5\.\.|^(checks|iterations)\b/i.test(about);
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}
