/** Gates never pass without evidence: any sample and any expectation, against an oracle that knows nothing of the product. */
import { MockActivityEnvironment } from '@temporalio/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createGateActivities } from '../../../src/activities/gates.js';
import { judge } from '../../../src/adapters/probes/judge.js';
import type { GateResult } from '../../../src/contract/activities.js';
import type { Expectation, Json } from '../../../src/plan/resolved.js';
import {
  createFakeSampler,
  ERROR,
  FAIL,
  INCONCLUSIVE,
  ManualClock,
  PASS,
  probeSpec,
} from '../../support/fake-sampler.js';
import { subjectOf } from '../../support/subject.js';

/** What no JSON holds and a probe's adapter may still hand on. */
const odd = fc.constantFrom<unknown>(
  Number.NaN,
  Infinity,
  -Infinity,
  undefined,
  1e308,
  -0,
  2 ** 53,
  '',
  'NaN',
  '50',
  [],
  {},
  null,
);
const small = fc.integer({ min: -3, max: 3 });
const figure = fc.oneof({ weight: 4, arbitrary: small }, fc.double(), odd);
const leaf = fc.oneof(
  { weight: 4, arbitrary: figure },
  fc.boolean(),
  fc.constantFrom('a', 'b', 'x'.repeat(20_000)),
);
const sample = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record(
      { a: leaf, b: fc.oneof(leaf, fc.record({ c: leaf }), fc.array(leaf, { maxLength: 2 })) },
      { requiredKeys: [] },
    ),
  },
  { weight: 1, arbitrary: leaf },
);
const limit = fc.oneof({ weight: 5, arbitrary: small }, fc.constantFrom(Number.NaN, Infinity));
const expectation = fc.record<Expectation>(
  {
    path: fc.constantFrom(
      'a',
      'a',
      'a',
      'a',
      'b',
      'b.c',
      'b.0',
      'b.1',
      'd',
      'd.e',
      'constructor',
      '__proto__',
      'length',
    ),
    aggregate: fc.option(fc.constantFrom('p50', 'p95', 'max', 'min', 'mean', 'sum', 'last'), {
      nil: undefined,
    }) as fc.Arbitrary<Expectation['aggregate']>,
    lt: limit,
    lte: limit,
    gt: limit,
    gte: limit,
    equals: fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom('a', '50', true, null, Number.NaN)),
    matches: fc.constantFrom('^a$', '.*', '('),
    absent: fc.constant(true as const),
  },
  { requiredKeys: ['path'] },
);
/** With one condition or two: with more of them next to nothing passes. */
const sparse = expectation.chain((full) => {
  const conditions = Object.keys(full).filter((key) => key !== 'path' && key !== 'aggregate');
  return fc.subarray(conditions, { maxLength: Math.min(2, conditions.length) }).map((kept): Expectation => {
    const entries = Object.entries(full).filter(([key]) => ['path', 'aggregate', ...kept].includes(key));
    return Object.fromEntries(entries) as unknown as Expectation;
  });
});

describe('judge', () => {
  it('passes exactly when there is an expectation, and each condition of each is met by a value that is there', () => {
    let passed = 0;
    const window = fc.option(
      fc.array(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(Number.NaN, Infinity)), {
        maxLength: 4,
      }),
      { nil: undefined },
    );
    fc.assert(
      fc.property(
        fc.array(sparse, { maxLength: 2, size: 'small' }),
        sample,
        window,
        (expected, value, values) => {
          const windows = values ? Object.fromEntries(expected.map(({ path }) => [path, values])) : undefined;
          const { outcome } = judge(
            { name: 'p', expect: expected },
            { kind: 'sample', value: value as Json },
            { at: '', durationMs: 0, ...(windows ? { windows } : {}) },
          );
          const holds = expected.length > 0 && expected.every((each) => isMet(each, value, values));
          expect(outcome === 'pass').toBe(holds);
          if (holds) passed += 1;
        },
      ),
      { numRuns: 10_000 },
    );
    expect(passed).toBeGreaterThan(40);
  });
});

const isFigure = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

function isMet(expected: Expectation, value: unknown, window: number[] | undefined): boolean {
  const { path, aggregate, absent, ...conditions } = expected;
  const given = Object.entries(conditions).filter(([, condition]) => condition !== undefined);
  const parts = path.split('.');
  const parent = parts.slice(0, -1).reduce(child, value);
  const found = child(parent, parts.at(-1) ?? '');
  if (found === undefined)
    return absent === true && given.length === 0 && typeof parent === 'object' && parent !== null;
  if (absent || given.length === 0) return false;
  const measured = aggregate !== undefined && isFigure(found) ? sumUp(window ?? [found], aggregate) : found;
  return given.every(([name, condition]) => holds(name, condition, measured));
}

function child(value: unknown, part: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value)) return /^\d+$/.test(part) ? value[Number(part)] : undefined;
  return Object.prototype.propertyIsEnumerable.call(value, part)
    ? (value as Record<string, unknown>)[part]
    : undefined;
}

function sumUp(window: number[], aggregate: NonNullable<Expectation['aggregate']>): number {
  if (window.length === 0 || !window.every(isFigure)) return Number.NaN;
  const sorted = [...window].sort((a, b) => a - b);
  const sum = window.reduce((a, b) => a + b, 0);
  const at = (share: number) => sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
  const figures = {
    p50: at(0.5),
    p90: at(0.9),
    p95: at(0.95),
    p99: at(0.99),
    max: at(1),
    min: sorted[0],
    mean: sum / window.length,
    sum,
    last: window.at(-1),
  };
  return figures[aggregate] ?? Number.NaN;
}

function holds(name: string, condition: unknown, value: unknown): boolean {
  if (name === 'matches') {
    if (typeof value !== 'string' || value.length > 16_384 || condition === '(') return false;
    return new RegExp(String(condition)).test(value);
  }
  if (name === 'equals')
    return condition === null
      ? value === null
      : value === condition && (typeof value !== 'number' || isFigure(value));
  if (!isFigure(value) || !isFigure(condition)) return false;
  const met: Record<string, boolean> = {
    lt: value < condition,
    lte: value <= condition,
    gt: value > condition,
    gte: value >= condition,
  };
  return met[name] ?? false;
}

describe('awaitProbes', () => {
  const answers = fc.constantFrom(PASS, PASS, PASS, FAIL, INCONCLUSIVE, ERROR);

  it('passes exactly when in one round within the time every probe has passed, and there is one', async () => {
    const scripts = fc.array(fc.array(answers, { minLength: 1, maxLength: 8 }), { maxLength: 3 });
    const seen = new Set<boolean>();
    await fc.assert(
      fc.asyncProperty(scripts, fc.integer({ min: 0, max: 9 }), async (rounds, seconds) => {
        const clock = new ManualClock(0);
        const probes = rounds.map((_, index) => probeSpec(`p${index}`));
        const nth = (index: number, round: number) =>
          rounds[index]?.[Math.min(round, (rounds[index]?.length ?? 0) - 1)];
        const sampler = createFakeSampler({
          clock,
          answer: ({ name }, count) => nth(Number(name.slice(1)), count - 1) ?? ERROR,
        });
        const gates = createGateActivities({ sampler, clock });
        const input = { subject: subjectOf('/'), probes, timeoutMs: seconds * 1_000, intervalMs: 1_000 };
        const judging: Promise<GateResult> = new MockActivityEnvironment().run(() =>
          gates.awaitProbes(input),
        );
        const { outcome } = await clock.run(judging);
        const inTime = Array.from({ length: seconds + 1 }, (_, round) => round);
        const isGood =
          rounds.length > 0 && inTime.some((round) => rounds.every((_, index) => nth(index, round) === PASS));
        expect(outcome === 'pass').toBe(isGood);
        seen.add(isGood);
      }),
      { numRuns: 150 },
    );
    expect(seen.size).toBe(2);
  });
});
