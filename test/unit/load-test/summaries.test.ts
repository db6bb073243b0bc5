/**
 * Summaries of k6 that are cut off, forged, of another version or of another program: never a pass for want of evidence,
 * and one sentence that says what is wrong. `FC_NUM_RUNS=100000` goes on for hours.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { judgeRun } from '../../../src/activities/load-test/verdict.js';
import { worstOutcome } from '../../../src/adapters/probes/judge.js';
import { createLoadTestProbe } from '../../../src/adapters/probes/loadTest/index.js';
import { readSummary } from '../../../src/adapters/probes/loadTest/summary.js';
import type { MeasurementOutcome } from '../../../src/contract/progress.js';
import type { K6Run } from '../../../src/tools/k6.js';
import { FUZZ_TIMEOUT_MS, fuzzOptions, mutated } from '../../support/mutations.js';
import { subjectOf } from '../../support/subject.js';

/** As `k6 run --summary-export` of 1.4.2 writes it. */
const EXPORTED = JSON.stringify(
  {
    root_group: { name: '', path: '', id: 'd41d8cd98f00b204e9800998ecf8427e', groups: {}, checks: {} },
    metrics: {
      checks: { passes: 200, fails: 0, thresholds: { 'rate>0.99': false }, value: 1 },
      data_received: { count: 57_200, rate: 28_541.2 },
      http_req_duration: { avg: 1.2, min: 0.4, med: 1.1, max: 9.7, 'p(90)': 1.9, 'p(95)': 2.4, 'p(99)': 5 },
      http_req_failed: { passes: 0, fails: 200, thresholds: { 'rate<0.01': false }, value: 0 },
      http_reqs: { count: 200, rate: 99.7 },
      iterations: { count: 200, rate: 99.7 },
      vus: { value: 2, min: 2, max: 2 },
    },
  },
  null,
  2,
);
/** As `handleSummary` is given it. */
const HANDLED = JSON.stringify({
  root_group: { name: '', path: '', groups: [], checks: [] },
  options: { summaryTrendStats: ['avg', 'p(95)'] },
  state: { isStdOutTTY: false, testRunDurationMs: 2_006.2 },
  metrics: {
    checks: {
      type: 'rate',
      contains: 'default',
      values: { rate: 1, passes: 200, fails: 0 },
      thresholds: { 'rate>0.99': { ok: true } },
    },
    http_req_duration: { type: 'trend', contains: 'time', values: { avg: 1.2, 'p(95)': 2.4 } },
    http_req_failed: { type: 'rate', contains: 'default', values: { rate: 0, passes: 0, fails: 200 } },
    http_reqs: { type: 'counter', contains: 'default', values: { count: 200, rate: 99.7 } },
    iterations: { type: 'counter', contains: 'default', values: { count: 200, rate: 99.7 } },
  },
});

const EXPECT = [
  { metric: 'http_req_duration', path: 'p(95)', lt: 500 },
  { metric: 'http_req_failed', path: 'rate', lt: 0.01 },
];
const ENDED_WELL: K6Run = {
  exitCode: 0,
  signal: null,
  timedOut: false,
  durationMs: 2_000,
  exceptions: 0,
  log: '',
};

function judge(text: string | undefined): { outcome: MeasurementOutcome; messages: string[] } {
  const summary = text === undefined ? { wrong: 'is not there' } : readSummary(text);
  const judged = judgeRun(ENDED_WELL, { expect: EXPECT, timeoutMs: 60_000 }, summary, {
    at: '',
    meanings: {},
  });
  const against = judged.filter(({ outcome }) => outcome !== 'pass');
  return {
    outcome: worstOutcome(judged.map(({ outcome }) => outcome)),
    messages: against.map(({ message }) => message),
  };
}

/** The gate of a later step, which reads what is kept of the test. */
async function probe(text: string): Promise<string> {
  const gate = createLoadTestProbe({ artifacts: { read: async () => text } });
  const subject = subjectOf('/');
  const signal = new AbortController().signal;
  const found = await gate.sample({
    config: { step: 'loadTest' },
    subject,
    expect: EXPECT,
    timeoutMs: 1_000,
    signal,
  });
  return found.kind === 'sample' ? 'sample' : found.message;
}

const put = (before: string, after: string) => {
  expect(EXPORTED).toContain(before);
  return EXPORTED.replace(before, () => after);
};

describe('what is right', () => {
  it.each([
    ['--summary-export', EXPORTED],
    ['handleSummary', HANDLED],
    ['with a byte order mark', `\uFEFF${EXPORTED}`],
    ['with CRLF', EXPORTED.replaceAll('\n', '\r\n')],
    ['with thresholds as older versions have them', put('"rate<0.01": false', '"rate<0.01": { "ok": true }')],
    [
      'with what a later version adds',
      put('"metrics": {', '"version": 2, "metrics": { "ws_msgs": { "count": 3, "rate": 1 },'),
    ],
    [
      'of thousands of metrics',
      put(
        '"metrics": {',
        `"metrics": {${Array.from({ length: 5_000 }, (_none, n) => `"m${n}":{"count":${n}},`).join('')}`,
      ),
    ],
    [
      'with metrics that are called as what every object has',
      put('"metrics": {', '"metrics": { "__proto__": { "count": 1 }, "constructor": { "count": 1 },'),
    ],
  ])('%s', async (_what, text) => {
    expect(judge(text)).toEqual({ outcome: 'pass', messages: [] });
    expect(await probe(text)).toBe('sample');
  });
});

describe('what is none', () => {
  it.each([
    ['empty', '', /cut off/],
    ['cut off', EXPORTED.slice(0, -2), /cut off/],
    ['cut off in a name', EXPORTED.slice(0, EXPORTED.indexOf('_failed')), /cut off/],
    ['HTML', '<html>Bad Gateway</html>', /not JSON/],
    ['null', 'null', /no object "metrics"/],
    ['a list', `[${EXPORTED}]`, /no object "metrics"/],
    ['a number', '42', /no object "metrics"/],
    ['a text', JSON.stringify(EXPORTED), /no object "metrics"/],
    ['two of them', EXPORTED + EXPORTED, /not JSON/],
    ['without metrics', '{"root_group":{}}', /no object "metrics"/],
    ['metrics as a list', '{"metrics":[]}', /no object "metrics"/],
    ['metrics of null', '{"metrics":null}', /no object "metrics"/],
    ['a metric of null', put('"vus": {', '"none": null, "vus": {'), /no figures of none/],
    ['a metric that is a number', put('"vus": {', '"none": 1, "vus": {'), /no figures of none/],
    ['NaN', put('"p(95)": 2.4', '"p(95)": NaN'), /not JSON/],
    ['1e999', put('"p(99)": 5', '"p(99)": 1e999'), /http_req_duration.p\(99\) = Infinity/],
    ['a negative count', put('"count": 200', '"count": -200'), /http_reqs.count = -200/],
    ['negative passes', put('"passes": 200', '"passes": -1'), /checks.passes = -1/],
    ['a count of more than there can be', put('"count": 200', '"count": 1e300'), /http_reqs.count = 1e\+300/],
    ['a count as a text', put('"count": 200', '"count": "200"'), /http_reqs.count = "200"/],
    ['a count of null', put('"count": 200', '"count": null'), /http_reqs.count = null/],
    [
      'metrics twice',
      put('"metrics": {', '"metrics": { "http_reqs": { "count": 1 } }, "metrics": {'),
      /key twice/,
    ],
    ['a figure twice', put('"p(95)": 2.4', '"p(95)": 900, "p(95)": 2.4'), /key twice/],
    ['a figure twice, once escaped', put('"p(95)": 2.4', '"p(95)": 900, "p\\u002895)": 2.4'), /key twice/],
  ])('%s', async (_what, text, why) => {
    const { outcome, messages } = judge(text);
    expect([outcome, messages.length]).toEqual(['inconclusive', 1]);
    expect(messages[0]).toMatch(why);
    expect(await probe(text)).toMatch(why);
  });

  it.each([
    ['none at all', undefined, ['the summary of k6 is not there']],
    [
      'no metric',
      '{"metrics":{}}',
      [/no iteration/, /http_req_duration.p\(95\) is not/, /http_req_failed.rate is not/],
    ],
    [
      'no iteration',
      put('"iterations": {\n      "count": 200', '"iterations": {\n      "count": 0'),
      [/completed no iteration/],
    ],
    [
      'a metric that is missing',
      put('"http_req_failed"', '"http_req_worked"'),
      [/http_req_failed.rate is not/],
    ],
    [
      'a figure as a text',
      put('"p(95)": 2.4', '"p(95)": "2.4"'),
      [/http_req_duration.p\(95\) = "2.4" \(a string\)/],
    ],
    ['a figure of null', put('"p(95)": 2.4', '"p(95)": null'), [/http_req_duration.p\(95\) = null/]],
  ])('%s', (_what, text, why) => {
    const { outcome, messages } = judge(text);
    expect([outcome, messages.length]).toEqual(['inconclusive', why.length]);
    for (const [index, each] of why.entries()) expect(messages[index]).toMatch(each);
  });
});

describe('anything at all', () => {
  /** Read once more, without anything of the reader under test. */
  const expectEvidence = (text: string) => {
    const { metrics } = JSON.parse(text.replace(/^\uFEFF/, ''));
    const figureOf = (name: string, figure: string) =>
      metrics[name].values?.[figure] ?? metrics[name][figure];
    expect(figureOf('iterations', 'count')).toBeGreaterThan(0);
    expect(figureOf('http_req_duration', 'p(95)')).toBeLessThan(500);
    expect(figureOf('http_req_failed', 'rate') ?? figureOf('http_req_failed', 'value')).toBeLessThan(0.01);
  };

  const check = (text: string) => {
    const { outcome, messages } = judge(text);
    if (outcome === 'pass') {
      expectEvidence(text);
      return;
    }
    expect(messages.length).toBeGreaterThan(0);
    for (const message of messages) expect(message).toMatch(/^[^\p{Cc}]{3,601}$/u);
  };

  it(
    'any JSON, and any text',
    () => {
      const summaries = fc.oneof(
        fc.json({ maxDepth: 4 }),
        fc.string({ unit: 'binary' }),
        fc
          .dictionary(
            fc.constantFrom('iterations', 'http_reqs', 'checks', 'http_req_failed', 'http_req_duration'),
            fc.jsonValue({ maxDepth: 2 }),
          )
          .map((metrics) => JSON.stringify({ metrics })),
      );
      fc.assert(fc.property(summaries, check), fuzzOptions(300));
    },
    FUZZ_TIMEOUT_MS,
  );

  it(
    'any summary in which something went wrong',
    () => {
      fc.assert(fc.property(mutated([EXPORTED, HANDLED]), check), fuzzOptions(500));
    },
    FUZZ_TIMEOUT_MS,
  );
});
