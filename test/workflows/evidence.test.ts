/**
 * Gates never pass without evidence: the monitor as a whole. The step in its sandbox and the real sampling activity,
 * over streams of samples with gaps, slow answers and killed attempts, against a naive count of what was taken.
 */
import { MockActivityEnvironment } from '@temporalio/testing';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createMonitorActivities } from '../../src/activities/monitor/index.js';
import type { SampleInput, SamplerState } from '../../src/contract/activities.js';
import type { MeasurementOutcome } from '../../src/contract/progress.js';
import type { MonitoredProbe, MonitorStep, ProbeLimits } from '../../src/plan/resolved.js';
import { runOnDesk } from '../support/desk-server.js';
import {
  createFakeSampler,
  ERROR,
  FAIL,
  INCONCLUSIVE,
  ManualClock,
  monitoredProbe,
  PASS,
  UNCHANGED,
} from '../support/fake-sampler.js';
import { createFakeWorld } from '../support/fake-world.js';
import { monitorStep, planOf } from '../support/plans.js';
import { randomOf } from '../support/rollout-scenarios.js';

const RUNS = 400;
const SAMPLES = { pass: PASS, fail: FAIL, inconclusive: INCONCLUSIVE, error: ERROR };

interface Watched {
  forMs: number;
  minimumCoverage: number;
  limits: Partial<ProbeLimits>[];
  /** By probe, in the order in which they are taken; the last one goes on. */
  outcomes: MeasurementOutcome[][];
  slowMs: number[];
  /** How long nobody takes an activity up, by activity. */
  gapsMs: number[];
  /** The worker is killed at that sample; what the last heartbeat knew is so many samples older. */
  killed?: { at: number; forgotten: number; downMs: number };
}

/** In pieces that a count may get wrong: what ends a row of failures, what ends a row of errors. */
const PIECES: MeasurementOutcome[][] = [
  ['fail', 'error', 'fail'],
  ['fail', 'inconclusive', 'fail'],
  ['fail', 'pass', 'fail'],
  ['error', 'inconclusive', 'error'],
  ['error', 'error'],
  ['fail'],
  ['inconclusive'],
  ['error'],
];
const pieces = fc.constantFrom(...PIECES);
const passes = fc.integer({ min: 1, max: 12 }).map((count) => Array<MeasurementOutcome>(count).fill('pass'));
const stream = fc
  .array(fc.oneof(passes, passes, pieces), { minLength: 1, maxLength: 6 })
  .map((each): MeasurementOutcome[] => [...each.flat(), 'pass']);
const some = <Value>(arbitrary: fc.Arbitrary<Value>) => fc.option(arbitrary, { nil: undefined });
const tolerated = some(fc.constantFrom(0, 1, 1, 2, 100, 100));

const limits: fc.Arbitrary<Partial<ProbeLimits>> = fc
  .record({
    intervalMs: fc.constantFrom(5_000, 7_000, 30_000, 60_000),
    initialDelayMs: fc.constantFrom(0, 0, 10_000, 59_000),
    failureLimit: tolerated,
    consecutiveFailureLimit: tolerated,
    inconclusiveLimit: tolerated,
    consecutiveErrorLimit: fc.constantFrom(0, 1, 4, 100, 100),
  })
  .map((all) => JSON.parse(JSON.stringify(all)));

const streams: fc.Arbitrary<Watched> = fc.record({
  forMs: fc.constantFrom(60_000, 300_000, 301_000, 900_000),
  minimumCoverage: fc.constantFrom(0.95, 0.5, 1, 0.01, 0.01),
  limits: fc.array(limits, { minLength: 1, maxLength: 2 }),
  outcomes: fc.tuple(stream, fc.oneof(stream, fc.constantFrom(...PIECES))),
  slowMs: fc.oneof(
    fc.constant([0]),
    fc.array(fc.constantFrom(0, 0, 4_000, 20_000), { minLength: 1, maxLength: 9 }),
  ),
  gapsMs: fc.oneof(
    fc.constant([0]),
    fc.array(fc.constantFrom(0, 3_000, 45_000), { minLength: 1, maxLength: 4 }),
  ),
  killed: some(
    fc.record({
      at: fc.integer({ min: 1, max: 40 }),
      forgotten: fc.integer({ min: 0, max: 3 }),
      downMs: fc.constantFrom(0, 12_000, 200_000),
    }),
  ),
}) as fc.Arbitrary<Watched>;

test('a monitor passes exactly when enough samples of each probe were taken, one of them passed, and no limit was breached', async () => {
  const passed = new Set<boolean>();
  await fc.assert(
    fc.asyncProperty(streams, async (watched) => {
      const { outcome, taken, probes, message } = await watch(watched);
      const why = probes.flatMap((probe) => whyNot(probe, taken.get(probe.name) ?? [], watched));
      expect({ outcome, message: why.length > 0 ? message : undefined }).toEqual({
        outcome: why.length === 0 ? 'promoted' : 'rolledBack',
        message: why.length > 0 ? message : undefined,
      });
      passed.add(why.length === 0);
    }),
    { numRuns: RUNS },
  );
  expect(passed.size).toBe(2);
}, 240_000);

/** Counted from the beginning, without any of the product's own counts. */
function whyNot(
  { name, limits }: MonitoredProbe,
  taken: MeasurementOutcome[],
  { forMs, minimumCoverage }: Watched,
): string[] {
  const count = (outcome: MeasurementOutcome) => taken.filter((each) => each === outcome).length;
  const due = Math.max(1, Math.floor((forMs - limits.initialDelayMs) / limits.intervalMs));
  const why: string[] = [];
  if (count('pass') + count('fail') < due * minimumCoverage) why.push(`${name}: too few samples`);
  if (count('pass') === 0) why.push(`${name}: never passed`);
  const isStrict = limits.failureLimit === undefined && limits.consecutiveFailureLimit === undefined;
  const failureLimit = limits.failureLimit ?? (isStrict ? 0 : Infinity);
  if (count('fail') > failureLimit) why.push(`${name}: failed too often`);
  if (count('inconclusive') > (limits.inconclusiveLimit ?? Infinity))
    why.push(`${name}: inconclusive too often`);
  const failures = taken
    .join(' ')
    .split('pass')
    .map((row) => row.split('fail').length - 1);
  if (Math.max(...failures) > (limits.consecutiveFailureLimit ?? Infinity))
    why.push(`${name}: failures in a row`);
  const errors = taken
    .join(' ')
    .split(/pass|fail|inconclusive/)
    .map((row) => row.split('error').length - 1);
  if (Math.max(...errors) > limits.consecutiveErrorLimit) why.push(`${name}: errors in a row`);
  return why;
}

async function watch(watched: Watched) {
  const probes = watched.limits.map((each, index) => monitoredProbe(`probe${index}`, each));
  const step: MonitorStep = monitorStep('production', watched.forMs);
  const { minimumCoverage } = watched;
  step.config = { ...step.config, probes, minimumCoverage, onInconclusive: 'rollback' };
  const world = createFakeWorld();
  const worker = new SamplingWorker(watched);
  const { progress } = await runOnDesk({
    input: {
      plan: planOf('app', [{ name: 'production', steps: [step] }]),
      startedBy: 'ana',
      searchAttributes: false,
    },
    random: randomOf(1),
    carryOut: async ({ name, input }) =>
      name === 'sampleProbes'
        ? worker.sample(input as unknown as SampleInput)
        : (world.activities[name] as (input: unknown) => Promise<unknown>)(input),
    answer: () => undefined,
    interrupt: () => undefined,
    onTask: () => {},
  });
  return { outcome: progress.outcome, message: progress.stop?.message, taken: worker.known, probes };
}

/** Runs the activity as a worker does: late, slow, and killed in the middle. */
class SamplingWorker {
  /** What was taken and is known still, by probe. */
  known = new Map<string, MeasurementOutcome[]>();
  readonly #watched: Watched;
  #nowMs = 0;
  #activities = 0;
  #samples = 0;
  #isKilled = false;

  constructor(watched: Watched) {
    this.#watched = watched;
  }

  async sample(input: SampleInput): Promise<SamplerState> {
    const { gapsMs, killed } = this.#watched;
    const gapMs = gapsMs[this.#activities++ % gapsMs.length] ?? 0;
    this.#nowMs = Math.max(this.#nowMs, input.startedAtMs) + gapMs;
    const first = await this.#attempt(input);
    if ('state' in first) return first.state;
    this.#nowMs += killed?.downMs ?? 0;
    const second = await this.#attempt(input, first.heartbeat);
    if ('state' in second) return second.state;
    throw new TypeError('it is killed only once');
  }

  async #attempt(
    input: SampleInput,
    heartbeat?: SamplerState,
  ): Promise<{ state: SamplerState } | { heartbeat: SamplerState }> {
    const { killed, slowMs, outcomes } = this.#watched;
    const clock = new ManualClock(this.#nowMs);
    const environment = new MockActivityEnvironment(
      heartbeat ? { attempt: 2, heartbeatDetails: { state: heartbeat } } : {},
    );
    let live: SamplerState | undefined;
    environment.on('heartbeat', (details: { state: SamplerState }) => {
      live = details.state;
    });
    /** What each heartbeat would have known, the newest last. */
    const beats: { state: SamplerState; known: Map<string, MeasurementOutcome[]> }[] = [];
    const sampler = createFakeSampler({
      clock,
      durationMs: () => slowMs[this.#samples % slowMs.length] ?? 0,
      answer: ({ name }) => {
        if (live) beats.push({ state: structuredClone(live), known: structuredClone(this.known) });
        const own = this.known.get(name) ?? [];
        const script = outcomes[Number(name.slice(-1))] ?? [];
        const outcome = script[Math.min(own.length, script.length - 1)] ?? 'pass';
        if (!this.#isKilled && killed && this.#samples + 1 === killed.at) {
          this.#isKilled = true;
          environment.cancel('WORKER_SHUTDOWN');
          return SAMPLES[outcome];
        }
        this.#samples += 1;
        this.known.set(name, [...own, outcome]);
        return SAMPLES[outcome];
      },
    });
    const activities = createMonitorActivities({ sampler, clock, fences: UNCHANGED });
    const running: Promise<SamplerState> = environment.run(() => activities.sampleProbes(input));
    try {
      return { state: await clock.run(running) };
    } catch (error) {
      const kept = beats.at(-1 - (killed?.forgotten ?? 0)) ?? beats[0];
      if (!kept) throw error;
      this.known = kept.known;
      return { heartbeat: kept.state };
    } finally {
      this.#nowMs = Math.max(clock.now(), this.#nowMs);
    }
  }
}
