/** What the document's troubleshooting says of a gate that did not hold. */
import { describe, expect, it } from 'vitest';
import type { Expectation, Json, ProbeSpec } from '../../../src/plan/resolved.js';
import { adviseOn, type Judged } from '../../../src/workflows/advice.js';

const spec = (
  name: string,
  kind: string,
  config: { [key: string]: Json } = {},
  expect: Expectation[] = [],
): ProbeSpec => ({ name, kind, config, expect, timeoutMs: 1_000 });

/** The probes of the document as a plan. */
const PROBES: ProbeSpec[] = [
  spec('healthy', 'http'),
  spec('version', 'version'),
  spec('poolLimit', 'poolMetrics', {}, [{ path: 'pool.limit', equals: 50 }]),
  spec('poolLoad', 'poolMetrics'),
  spec('configured', 'logs', { pattern: 'Pool configuration: .*"connection_limit":50' }),
  spec('noTimeouts', 'logs', { pattern: 'connection (pool )?time(d )?out' }),
  spec('errorLogs', 'logs', { pattern: '\\bERROR\\b' }),
  spec('connections', 'postgres', { query: 'select count(*)::int as n from pg_stat_activity' }),
  spec('bookingRow', 'postgres', { query: 'select count(*)::int as n from bookings where reference = $1' }),
  spec('maxConnections', 'rdsParameter', { name: 'max_connections' }),
  spec('rdsMaximum', 'cloudwatch', { metric: 'AWS/RDS/DatabaseConnections' }),
  spec('latency', 'prometheus', {
    query: 'histogram_quantile(0.95, rate(http_request_duration_seconds_bucket))',
  }),
  spec('errorRate', 'prometheus', { query: 'sum(rate(http_requests_total{code=~"5.."}[5m]))' }),
  spec('alarms', 'cloudwatchAlarms'),
];

const failed = (probe: string, message: string, values: Judged['values'] = {}): Judged => ({
  probe,
  outcome: 'fail',
  message,
  values,
});

const ofOne = (probe: string, message: string, values?: Judged['values'], probes = PROBES) =>
  adviseOn([failed(probe, message, values)], probes);

describe('adviseOn', () => {
  it('a pool that others wait for is increased further, and its database with it', () => {
    const values = { 'pool.utilization': 96, 'pool.waiting': 7 };
    expect(ofOne('poolLoad', 'pool.utilization = 96, expected < 90', values)).toEqual([
      'poolLoad: pool.utilization = 96, expected < 90: increase the pool further (DB_CONNECTION_LIMIT=75), start the application again, and check that RDS max_connections is at least 2 × the limit (150)',
    ]);
    const larger = ofOne('poolLoad', 'pool.waiting = 3, expected 0', { 'pool.waiting': 3, 'pool.limit': 75 });
    expect(larger.join()).toContain('DB_CONNECTION_LIMIT=113');
    expect(larger.join()).toContain('(226)');
  });

  it('a pool that is not full has nothing to be increased for', () => {
    const values = { 'pool.utilization': 60, 'pool.waiting': 0 };
    expect(ofOne('poolLoad', 'pool.idle = 20, expected < 10', values)).toEqual([]);
  });

  it.each([
    ['noTimeouts', 'count = 12, expected 0'],
    ['connection_timeouts', 'connection_timeouts.count = 1245, expected 0'],
    ['checks', '0 of 40 checks held: connection pool timeout'],
  ])('timeouts of connections are the pool, whoever counts them: %s', (probe, message) => {
    expect(ofOne(probe, message)).toEqual([expect.stringMatching(/^.+: increase the pool further/)]);
  });

  it.each([
    ['connections', 'the server takes no more connections (53300): sorry, too many clients already'],
    ['connections', 'rows.0.n = 58, expected < 50'],
    ['rdsMaximum', 'value = 99, expected < 50'],
    ['connectionBudget', 'there is no room for another release: too many connections (53300)'],
    [
      'connectionBudget',
      '50 of live + 50 of new = 115 connections, but the database takes 100 (max_connections in force)',
    ],
  ])('a server without a connection left needs room for twice the pool: %s, %s', (probe, message) => {
    expect(ofOne(probe, message)).toEqual([
      expect.stringContaining('raise RDS max_connections to at least 2 × DB_CONNECTION_LIMIT (100 for 50)'),
    ]);
  });

  it('max_connections is static: it waits for its reboot', () => {
    expect(ofOne('maxConnections', 'pendingReboot = true, expected false')).toEqual([
      expect.stringContaining('takes effect with a reboot'),
    ]);
    const other = [spec('work', 'rdsParameter', { name: 'work_mem' })];
    expect(ofOne('work', 'effective = 4, expected 8', {}, other)).toEqual([]);
  });

  it.each([
    ['poolLimit', 'pool.limit = 20, expected 50'],
    ['poolLimit', 'config.poolTimeout = 20, expected 30; pool.limit = 20, expected 50'],
    ['configured', 'count = 0, expected >= 1'],
  ])('a limit other than expected is the old configuration, and nothing else: %s, %s', (probe, message) => {
    expect(ofOne(probe, message, { 'pool.limit': 20, 'pool.waiting': 9 })).toEqual([
      `${probe}: ${message}: the release still runs with the old configuration: was it started again after the secret or the file was changed?`,
    ]);
  });

  it.each([
    ['version', 'version = "v1.0.0", expected "v1.0.1"', 'another version answers'],
    ['latency', 'value = 0.5, expected < 0.4', 'add the indexes that are missing'],
    ['http_req_duration', 'http_req_duration.p(95) = 504, expected < 400', 'mean_exec_time > 1000'],
    ['http_req_failed', 'http_req_failed.rate = 0.028, expected < 0.01', "in the release's log"],
    ['errorRate', 'value = 0.02, expected < 0.01', 'connection errors first'],
    ['healthy', 'status = 503, expected 200', 'kubectl logs --previous'],
    ['healthy', 'connection timed out (ETIMEDOUT)', 'kubectl logs --previous'],
    ['healthy', 'error = "pool timeout", expected it to be absent', 'increase the pool'],
    ['errorLogs', 'rateRatio = 3, expected <= 1.2', 'read the error log'],
  ])('%s: %s', (probe, message, advice) => {
    expect(ofOne(probe, message)).toEqual([expect.stringContaining(`${probe}: ${message}: `)]);
    expect(ofOne(probe, message).join()).toContain(advice);
  });

  it('nothing is said of what passed, of what could not be measured, and of what the document does not know', () => {
    const outcomes = ['pass', 'inconclusive', 'error'] as const;
    const others = outcomes.map((outcome) => ({
      ...failed('healthy', 'status = 503, expected 200'),
      outcome,
    }));
    expect(adviseOn(others, PROBES)).toEqual([]);
    expect(ofOne('alarms', 'alarming = 2, expected 0')).toEqual([]);
    expect(ofOne('bookingRow', 'rows.0.n = 0, expected 1')).toEqual([]);
  });

  it('is one sentence per cause, the most specific first, at most five, and never long', () => {
    const everything = [
      failed('healthy', `status = 503, expected 200 ${'x'.repeat(500)}`),
      failed('errorRate', 'value = 0.02, expected < 0.01'),
      failed('latency', 'value = 0.5, expected < 0.4'),
      failed('noTimeouts', 'count = 12, expected 0'),
      failed('poolLoad', 'p95(pool.waiting) = 7 over 12 samples, expected 0', { 'pool.waiting': 7 }),
      failed('connections', 'rows.0.n = 58, expected < 50'),
      failed('poolLimit', 'pool.limit = 20, expected 50', { 'pool.limit': 20 }),
    ];
    const advice = adviseOn(everything, PROBES);
    expect(advice.map((line) => line.split(':')[0])).toEqual([
      'poolLimit',
      'connections',
      'noTimeouts',
      'latency',
      'errorRate',
    ]);
    expect(advice[2]).toContain('noTimeouts: count = 12, expected 0; poolLoad: p95(pool.waiting) = 7');
    // What is expected to run, not the 20 that still do.
    expect(advice[2]).toContain('DB_CONNECTION_LIMIT=75');
    expect(adviseOn(everything.slice(0, 1), PROBES)[0]?.length).toBeLessThan(400);
  });

  it('a measurement that says its kind needs no probe', () => {
    const judged = { ...failed('unheard', 'pool.waiting = 4, expected 0'), kind: 'poolMetrics' };
    expect(adviseOn([judged], [])).toEqual([expect.stringContaining('increase the pool further')]);
  });
});
