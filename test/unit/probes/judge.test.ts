import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aggregateWindow } from '../../../src/adapters/probes/aggregate.js';
import { extendWindows, judge, lookUp, worstOutcome } from '../../../src/adapters/probes/judge.js';
import { splitPath } from '../../../src/adapters/probes/paths.js';
import type { Sample } from '../../../src/adapters/probes/probe.js';
import type { Expectation, Json } from '../../../src/plan/resolved.js';

const OPTIONS = { at: '2026-01-01T00:00:00.000Z', durationMs: 3 };

function judged(expectation: Expectation | Expectation[], value: Json, windows?: Record<string, number[]>) {
  const expected = Array.isArray(expectation) ? expectation : [expectation];
  return judge({ name: 'probe', expect: expected }, { kind: 'sample', value }, { ...OPTIONS, windows });
}

describe('one condition', () => {
  it.each<[Expectation, Json, string, string]>([
    [{ path: 'pool.limit', equals: 50 }, { pool: { limit: 50 } }, 'pass', 'pool.limit = 50, expected 50'],
    [{ path: 'pool.limit', equals: 50 }, { pool: { limit: 20 } }, 'fail', 'pool.limit = 20, expected 50'],
    [{ path: 'rows.0.n', lt: 50 }, { rows: [{ n: 49 }] }, 'pass', 'rows.0.n = 49, expected < 50'],
    [{ path: 'rows.0.n', lt: 50 }, { rows: [{ n: 50 }] }, 'fail', 'rows.0.n = 50, expected < 50'],
    [{ path: 'n', lte: 50 }, { n: 50 }, 'pass', 'n = 50, expected <= 50'],
    [{ path: 'n', gt: 1 }, { n: 1 }, 'fail', 'n = 1, expected > 1'],
    [{ path: 'n', gte: 1, lt: 3 }, { n: 3 }, 'fail', 'n = 3, expected >= 1 and < 3'],
    [{ path: 'v', equals: 'v1' }, { v: 'v1' }, 'pass', 'v = "v1", expected "v1"'],
    [{ path: 'v', equals: null }, { v: null }, 'pass', 'v = null, expected null'],
    [{ path: 'v', equals: false }, { v: true }, 'fail', 'v = true, expected false'],
    [{ path: 'v', matches: '^v1\\.' }, { v: 'v1.0' }, 'pass', 'v = "v1.0", expected to match /^v1\\./'],
    [{ path: 'v', matches: '^v2' }, { v: 'v1.0' }, 'fail', 'v = "v1.0", expected to match /^v2/'],
    [{ path: 'error', absent: true }, { ok: 1 }, 'pass', 'error is absent, as expected'],
    [{ path: 'error', absent: true }, { error: 'x' }, 'fail', 'error = "x", expected it to be absent'],
  ])('%j of %j: %s', (expectation, value, outcome, message) => {
    expect(judged(expectation, value)).toMatchObject({ outcome, message });
  });

  it('takes a k6 metric by its whole name and a percentile by its brackets', () => {
    const summary = { 'http_reqs{url:a.b}': { 'p(99.9)': 12.5 } };
    const found = judged({ metric: 'http_reqs{url:a.b}', path: 'p(99.9)', lt: 400 }, summary);
    expect(found).toMatchObject({ outcome: 'pass', values: { 'http_reqs{url:a.b}.p(99.9)': 12.5 } });
    expect(judged({ path: 'http_reqs{url:a.b}.p(99.9)', lt: 12 }, summary).outcome).toBe('fail');
  });
});

describe('what is no evidence never passes', () => {
  it.each<[string, Expectation, Json]>([
    ['a missing path', { path: 'pool.limit', equals: 50 }, { pool: {} }],
    ['a string number', { path: 'n', equals: 50 }, { n: '50' }],
    ['a string number in a comparison', { path: 'n', lt: 50 }, { n: '49' }],
    ['NaN', { path: 'n', lt: 50 }, { n: Number.NaN }],
    ['infinity', { path: 'n', gt: 50 }, { n: Number.POSITIVE_INFINITY }],
    ['null', { path: 'n', lt: 50 }, { n: null }],
    ['an object', { path: 'n', equals: 'x' }, { n: {} }],
    ['a list', { path: 'n', lt: 3 }, { n: [1] }],
    ['no condition', { path: 'n' }, { n: 1 }],
    ['a number to match', { path: 'n', matches: '1' }, { n: 1 }],
    ['a text too long to match', { path: 'n', matches: 'a' }, { n: 'a'.repeat(20_000) }],
    ['absence in something that is not there', { path: 'body.error', absent: true }, { status: 200 }],
    ['absence in a text', { path: 'body.error', absent: true }, { body: 'not JSON' }],
    ['a bare sample', { path: 'n', absent: true }, 'garbage'],
    ['an empty path', { path: '', absent: true }, {}],
    ['an inherited property', { path: 'constructor.name', equals: 'Object' }, {}],
    ["a list's length", { path: 'rows.length', gte: 0 }, { rows: [] }],
  ])('%s is inconclusive', (_what, expectation, value) => {
    expect(judged(expectation, value).outcome).toBe('inconclusive');
  });

  it('says what it found instead', () => {
    expect(judged({ path: 'n', equals: 50 }, { n: '50' }).message).toBe('n = "50" (a string), expected 50');
    expect(judged({ path: 'n', lt: 5 }, {}).message).toBe('n is not in what was measured, expected < 5');
  });

  it('is an error when what is expected cannot be evaluated', () => {
    expect(judged({ path: 'v', matches: '(' }, { v: 'x' }).outcome).toBe('error');
    expect(judged({ path: 'n', lt: Number.NaN }, { n: 1 }).outcome).toBe('error');
  });

  it('needs an expectation at all', () => {
    expect(judged([], { n: 1 }).outcome).toBe('inconclusive');
  });

  it.each(['fail', 'inconclusive', 'error'] as const)('takes over a sample that is %s', (kind) => {
    const found = judge(
      { name: 'p', expect: [{ path: 'x', absent: true }] },
      { kind, message: 'why' },
      OPTIONS,
    );
    expect(found).toMatchObject({ outcome: kind, message: 'why', values: {} });
  });
});

describe('several conditions', () => {
  const both: Expectation[] = [
    { path: 'a', lt: 5 },
    { path: 'b', lt: 5 },
  ];

  it('all have to hold, and the message shows all figures', () => {
    expect(judged(both, { a: 1, b: 2 })).toMatchObject({
      outcome: 'pass',
      message: 'a = 1, expected < 5; b = 2, expected < 5',
      values: { a: 1, b: 2 },
    });
  });

  it('one that fails decides, and comes first', () => {
    const found = judged(both, { b: 9 });
    expect(found.outcome).toBe('fail');
    expect(found.message).toBe('b = 9, expected < 5; a is not in what was measured, expected < 5');
  });

  it('one that is missing leaves it open', () => {
    expect(judged(both, { a: 1 }).outcome).toBe('inconclusive');
  });

  it('weighs nothing at all as inconclusive', () => {
    expect(worstOutcome([])).toBe('inconclusive');
  });
});

describe('aggregates', () => {
  const window = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100];

  it.each([
    ['p50', 50],
    ['p90', 90],
    ['p95', 100],
    ['p99', 100],
    ['max', 100],
    ['min', 10],
    ['mean', 55],
    ['sum', 550],
    ['last', 100],
  ] as const)('%s of ten samples is %d', (aggregate, figure) => {
    expect(aggregateWindow(window, aggregate)).toBe(figure);
    expect(aggregateWindow([], aggregate)).toBeNaN();
  });

  it('are judged over the window, with its size in the message', () => {
    const found = judged(
      { path: 'pool.active', aggregate: 'p95', lt: 45 },
      { pool: { active: 3 } },
      {
        'pool.active': [46, 3, 3],
      },
    );
    expect(found).toMatchObject({
      outcome: 'fail',
      message: 'p95(pool.active) = 46 over 3 samples, expected < 45',
      values: { 'p95(pool.active)': 46 },
    });
  });

  it('without a window are taken of the one sample', () => {
    const found = judged({ path: 'n', aggregate: 'mean', lt: 5 }, { n: 4 });
    expect(found.message).toBe('mean(n) = 4 over 1 sample, expected < 5');
  });

  it('do not pass on a window of before when this sample has no figure', () => {
    expect(judged({ path: 'n', aggregate: 'p95', lt: 5 }, {}, { n: [1, 2] }).outcome).toBe('inconclusive');
    expect(judged({ path: 'n', aggregate: 'p95', lt: 5 }, { n: 1 }, { n: [] }).outcome).toBe('inconclusive');
    expect(judged({ path: 'n', aggregate: 'p95', lt: 5 }, { n: 1 }, { n: [1, Number.NaN] }).outcome).toBe(
      'inconclusive',
    );
  });

  it('windows grow by finite figures only, once per path, and slide', () => {
    const spec = {
      expect: [
        { path: 'n', aggregate: 'p95' as const },
        { path: 'n', aggregate: 'max' as const },
        { path: 'm' },
      ],
    };
    const sample = (value: Json): Sample => ({ kind: 'sample', value });
    expect(extendWindows({}, spec, sample({ n: 1, m: 2 }))).toEqual({ n: [1] });
    expect(extendWindows({ n: [1] }, spec, sample({ n: '2' }))).toEqual({ n: [1] });
    expect(extendWindows({ n: [1] }, spec, { kind: 'error', message: '' })).toEqual({ n: [1] });
    expect(extendWindows({ n: [1, 2] }, spec, sample({ n: 3 }), 2)).toEqual({ n: [2, 3] });
  });
});

describe('size and secrets', () => {
  it('cuts texts at 200 characters, after what is secret has been taken out', () => {
    const secret = 'S3CRET'.repeat(4);
    const value = `${'x'.repeat(190)}${secret}`;
    const redact = (text: string) => text.replaceAll(secret, '[redacted]');
    const found = judge(
      { name: 'p', expect: [{ path: 'v', equals: value }] },
      { kind: 'sample', value: { v: value } },
      { ...OPTIONS, redact },
    );
    expect(found.outcome).toBe('pass');
    expect(JSON.stringify(found)).not.toContain('S3CRET');
    expect(found.values.v).toSatisfy((text: string) => text.length <= 200);
    expect(found.message.length).toBeLessThanOrEqual(600);
  });

  it('splits paths at dots outside of brackets only', () => {
    expect(splitPath('a.0.b')).toEqual(['a', '0', 'b']);
    expect(splitPath('m{a.b}.p(99.9)')).toEqual(['m{a.b}', 'p(99.9)']);
    expect(lookUp({ a: [] }, { path: 'a.0' })).toEqual({ kind: 'missing', parentFound: true });
  });
});

describe('properties', () => {
  const path = fc.constantFrom('a', 'a.b', 'a.0', '0', 'p(95)', '__proto__', 'a.length');
  const expectation = fc.record<Expectation>(
    {
      path,
      aggregate: fc.constantFrom('p95', 'max', 'mean', 'last'),
      lt: fc.oneof(fc.double(), fc.integer()),
      gte: fc.oneof(fc.double(), fc.integer()),
      equals: fc.oneof(fc.integer(), fc.double(), fc.string(), fc.boolean(), fc.constant(null)),
      matches: fc.constantFrom('.*', 'a', '('),
      absent: fc.constant(true as const),
    },
    { requiredKeys: ['path'] },
  );
  const json: fc.Arbitrary<Json> = fc
    .object({ key: fc.constantFrom('a', 'b', '0', 'p(95)'), maxDepth: 3 })
    .map((value): Json => JSON.parse(JSON.stringify(value)));
  const anything = fc.oneof(
    json,
    fc.constantFrom<Json>(null, 'text', 1, [], {}),
    fc.double().map((n) => ({ a: n })),
  );

  it('never throws, whatever was sampled and expected', () => {
    fc.assert(
      fc.property(fc.array(expectation, { maxLength: 3 }), anything, (expected, value) => {
        const { outcome, message, values } = judged(expected, value);
        expect(['pass', 'fail', 'inconclusive', 'error']).toContain(outcome);
        expect(message).not.toBe('');
        for (const each of Object.values(values))
          expect(typeof each === 'object' && each !== null).toBe(false);
      }),
      { numRuns: 500 },
    );
  });

  it('never passes without a finite, rightly typed value for every condition', () => {
    fc.assert(
      fc.property(fc.array(expectation, { maxLength: 3 }), anything, (expected, value) => {
        if (judged(expected, value).outcome !== 'pass') return;
        expect(expected.length).toBeGreaterThan(0);
        for (const { path: where, absent, lt, gte, equals, matches } of expected) {
          const found = lookUp(value, { path: where });
          expect([lt, gte, equals, matches, absent].some((condition) => condition !== undefined)).toBe(true);
          expect(found.kind === 'missing').toBe(absent === true);
          if (found.kind === 'missing') continue;
          if (lt !== undefined || gte !== undefined) expect(Number.isFinite(found.value)).toBe(true);
          if (typeof found.value === 'number') expect(Number.isFinite(found.value)).toBe(true);
          if (matches !== undefined) expect(typeof found.value).toBe('string');
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('never passes on a sample that is none', () => {
    const none = fc.record({ kind: fc.constantFrom('fail', 'inconclusive', 'error'), message: fc.string() });
    fc.assert(
      fc.property(fc.array(expectation), none, (expected, sample) => {
        expect(judge({ name: 'p', expect: expected }, sample as Sample, OPTIONS).outcome).toBe(sample.kind);
      }),
    );
  });
});
