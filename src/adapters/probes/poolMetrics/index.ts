/** What an application says of its connection pool. */
import type { Json } from '../../../plan/resolved.js';
import { isObject, readJsonEndpoint } from '../endpoint.js';
import type { Probe, Sample } from '../probe.js';
import type { Config } from './schema.js';

const FIGURES = ['active', 'total', 'limit', 'idle', 'utilization', 'waiting', 'timeoutsTotal'] as const;

/**
 * Sample: `{ pool: { active, total, limit, idle, utilization, waiting, timeoutsTotal }, config?, slowQueries? }` as
 * the endpoint gives it; utilization is total / limit in percent. A figure that is not a number, or below zero, spoils the whole
 * sample: a pool that reports `"50"` is not understood, and nothing else it says is relied on.
 */
export function createPoolMetricsProbe(): Probe<Config> {
  return {
    kind: 'poolMetrics',
    writes: () => false,
    inForcePaths: (_config, expect) => {
      const configured = expect.map(({ path }) => path).filter((path) => path.startsWith('config.'));
      return [...new Set(['pool.limit', ...configured])];
    },
    async sample({ config, ...request }) {
      const reply = await readJsonEndpoint({ ...request, url: config.url, bearer: config.bearer });
      return reply.kind === 'sample' ? check(reply.value) : reply;
    },
  };
}

function check(body: { [key: string]: Json }): Sample {
  const { pool } = body;
  if (!isObject(pool)) {
    return {
      kind: 'inconclusive',
      message: 'the answer has no object "pool"; is "url" the database metrics?',
    };
  }
  const wrong = FIGURES.filter((name) => pool[name] !== undefined && !isCount(pool[name]));
  if (wrong.length === 0) return { kind: 'sample', value: body };
  const found = wrong.map((name) => `pool.${name} = ${JSON.stringify(pool[name]).slice(0, 80)}`);
  return { kind: 'inconclusive', message: `${found.join(', ')}: expected a number of at least 0` };
}

function isCount(value: Json): boolean {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0;
}
