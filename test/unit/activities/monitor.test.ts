import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import { createMonitorActivities } from '../../../src/activities/monitor/index.js';
import { openSlot } from '../../../src/activities/monitor/slots.js';
import type { SampleInput, SamplerState } from '../../../src/contract/activities.js';
import type { MonitoredProbe } from '../../../src/plan/resolved.js';
import {
  createFakeSampler,
  ERROR,
  FAIL,
  type FakeSampler,
  type FakeSamplerOptions,
  INCONCLUSIVE,
  ManualClock,
  monitoredProbe,
  PASS,
  UNCHANGED,
} from '../../support/fake-sampler.js';
import { subjectOf } from '../../support/subject.js';

const START = Date.parse('2026-01-01T00:00:00Z');
const MINUTE = 60_000;

interface Watched {
  state: SamplerState;
  sampler: FakeSampler;
  clock: ManualClock;
  heartbeats: unknown[];
}

interface Options extends Partial<Omit<FakeSamplerOptions, 'clock'>> {
  probes: MonitoredProbe[];
  /** When the activity begins, after START. */
  beginsMs?: number;
  forMs?: number;
  input?: Partial<SampleInput>;
  environment?: MockActivityEnvironment;
}

async function watch(options: Options): Promise<Watched> {
  const clock = new ManualClock(START + (options.beginsMs ?? 0));
  const sampler = createFakeSampler({ answer: () => PASS, ...options, clock });
  const environment = options.environment ?? new MockActivityEnvironment();
  const heartbeats: unknown[] = [];
  environment.on('heartbeat', (details) => heartbeats.push(structuredClone(details)));
  const input: SampleInput = {
    subject: subjectOf('/'),
    probes: options.probes,
    startedAtMs: START,
    untilMs: START + (options.forMs ?? MINUTE),
    ...options.input,
  };
  const activities = createMonitorActivities({ sampler, clock, fences: UNCHANGED });
  const sampling: Promise<SamplerState> = environment.run(() => activities.sampleProbes(input));
  const state = await clock.run(sampling);
  return { state, sampler, clock, heartbeats };
}

const timesOf = ({ sampler }: Watched, probe = 'a') =>
  sampler.taken.filter((each) => each.probe === probe).map(({ atMs }) => atMs - START);

describe('schedule', () => {
  it('samples every probe at its own pace until the end', async () => {
    const watched = await watch({
      probes: [
        monitoredProbe('a', { intervalMs: 5_000 }),
        monitoredProbe('b', { intervalMs: 20_000, initialDelayMs: 10_000 }),
      ],
    });
    expect(timesOf(watched)).toEqual([0, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55].map((s) => s * 1_000));
    expect(timesOf(watched, 'b')).toEqual([10_000, 30_000, 50_000]);
    expect(watched.state.tallies.a).toMatchObject({ taken: 12, pass: 12, nextDueMs: START + MINUTE });
    expect(watched.clock.now()).toBe(START + MINUTE);
  });

  it('takes all samples of an hour in windows of five minutes, each once', async () => {
    let state: SamplerState | undefined;
    const times: number[] = [];
    for (let minute = 0; minute < 60; minute += 5) {
      const watched: Watched = await watch({
        probes: [monitoredProbe('a', {})],
        beginsMs: minute * MINUTE + 120,
        input: { untilMs: START + (minute + 5) * MINUTE, state },
      });
      state = watched.state;
      times.push(...timesOf(watched));
    }
    expect(state?.tallies.a).toMatchObject({ taken: 720, pass: 720 });
    expect(new Set(times.map((ms) => Math.floor(ms / 5_000))).size).toBe(720);
  });

  it('takes a slot that is still open, and makes up for none that has passed', async () => {
    const watched = await watch({ probes: [monitoredProbe('a', {})], beginsMs: 32_000 });
    expect(timesOf(watched)).toEqual([32_000, 35_000, 40_000, 45_000, 50_000, 55_000]);
  });

  it('does not let a restart shift the slots', async () => {
    const first = await watch({ probes: [monitoredProbe('a', {})], forMs: 20_000 });
    const second = await watch({
      probes: [monitoredProbe('a', {})],
      beginsMs: 21_234,
      input: { state: first.state },
    });
    expect(timesOf(second)).toEqual([21_234, 25_000, 30_000, 35_000, 40_000, 45_000, 50_000, 55_000]);
    expect(second.state.tallies.a?.taken).toBe(12);
  });

  it('never takes two samples of one probe at once, and goes on with the next open slot', async () => {
    const watched = await watch({
      probes: [monitoredProbe('a', {}), monitoredProbe('b', {})],
      durationMs: ({ name }, nth) => (name === 'a' && nth === 2 ? 17_000 : 0),
    });
    expect(watched.sampler.overlap).toBe(1);
    expect(timesOf(watched).slice(0, 4)).toEqual([0, 5_000, 22_000, 25_000]);
    expect(timesOf(watched, 'b')).toHaveLength(12);
  });

  it('waits for a sample that is under way at the end', async () => {
    const watched = await watch({
      probes: [monitoredProbe('a', {})],
      durationMs: (_probe, nth) => (nth === 12 ? 8_000 : 0),
    });
    expect(watched.state.tallies.a?.taken).toBe(12);
    expect(watched.clock.now()).toBe(START + 63_000);
  });

  it('computes the open slot', () => {
    const probe = monitoredProbe('a', { intervalMs: 10_000, initialDelayMs: 5_000 });
    expect(openSlot(probe, 0, 5_000, -1_000)).toBe(5_000);
    expect(openSlot(probe, 0, 5_000, 14_999)).toBe(5_000);
    expect(openSlot(probe, 0, 5_000, 15_000)).toBe(15_000);
    expect(openSlot(probe, 0, 25_000, 15_000)).toBe(25_000);
  });
});

describe('limits are what is still tolerated', () => {
  it('returns at once when failures in a row exceed theirs', async () => {
    const watched = await watch({
      probes: [monitoredProbe('a', { consecutiveFailureLimit: 2 }), monitoredProbe('b', {})],
      answer: ({ name }, nth) => (name === 'a' && nth >= 4 ? FAIL : PASS),
    });
    expect(watched.state.breach).toMatchObject({
      probe: 'a',
      limit: 'consecutiveFailureLimit 2 (3 failures in a row)',
      measurement: { outcome: 'fail', message: 'ok = 0, expected 1' },
    });
    expect(watched.state.tallies.a).toMatchObject({ taken: 6, pass: 3, fail: 3 });
    expect(watched.clock.now()).toBe(START + 25_000);
  });

  it.each([
    ['two failures and a pass, over and over', { consecutiveFailureLimit: 2 }, [FAIL, FAIL, PASS], undefined],
    [
      'failures with errors between them',
      { consecutiveFailureLimit: 2 },
      [FAIL, ERROR],
      'consecutiveFailureLimit 2 (3 failures in a row)',
    ],
    ['failures in all', { failureLimit: 2 }, [FAIL, PASS], 'failureLimit 2 (3 failures)'],
    ['any failure without a limit of failures', {}, [PASS, FAIL], 'failureLimit 0 (1 failures)'],
    [
      'inconclusive ones',
      { inconclusiveLimit: 1 },
      [INCONCLUSIVE, PASS],
      'inconclusiveLimit 1 (2 inconclusive)',
    ],
    ['inconclusive ones without a limit', {}, [INCONCLUSIVE], undefined],
    ['errors in a row', { consecutiveErrorLimit: 2 }, [ERROR], 'consecutiveErrorLimit 2 (3 errors in a row)'],
    ['errors with answers between them', { consecutiveErrorLimit: 1 }, [ERROR, PASS], undefined],
    ['an error, which is no failure', { failureLimit: 0 }, [ERROR, PASS], undefined],
  ])('%s', async (_what, limits, cycle, limit) => {
    const answer = (_probe: unknown, nth: number) => cycle[(nth - 1) % cycle.length] ?? PASS;
    const { state } = await watch({ probes: [monitoredProbe('a', limits)], answer });
    expect(state.breach?.limit).toBe(limit);
    const tally = state.tallies.a;
    if (!tally) throw new Error('no tally');
    const { taken, pass, fail, inconclusive, error } = tally;
    expect(pass + fail + inconclusive + error).toBe(taken);
  });

  it('takes no further sample after a breach of a window before', async () => {
    const breached = await watch({ probes: [monitoredProbe('a', {})], answer: () => FAIL });
    const after = await watch({ probes: [monitoredProbe('a', {})], input: { state: breached.state } });
    expect(after.state).toEqual(breached.state);
    expect(after.sampler.taken).toEqual([]);
  });
});

describe('aggregates', () => {
  const p95 = monitoredProbe(
    'pool',
    { failureLimit: 0 },
    { expect: [{ path: 'active', aggregate: 'p95', lt: 45 }] },
  );

  it('are over the sliding window of the newest 60', async () => {
    const answer = (_probe: unknown, nth: number) => ({
      kind: 'sample' as const,
      value: { active: nth % 40 },
    });
    const { state } = await watch({ probes: [p95], answer, forMs: 10 * MINUTE });
    expect(state.breach).toBeUndefined();
    const window = state.tallies.pool?.windows.active ?? [];
    expect(window).toHaveLength(60);
    expect(window.at(-1)).toBe(120 % 40);
  });

  it('go on with the window of before', async () => {
    const state: SamplerState = {
      tallies: {
        pool: {
          taken: 3,
          pass: 3,
          fail: 0,
          inconclusive: 0,
          error: 0,
          consecutiveFailures: 0,
          consecutiveErrors: 0,
          windows: { active: [50, 50, 50] },
          nextDueMs: START + 15_000,
        },
      },
    };
    const answer = () => ({ kind: 'sample' as const, value: { active: 1 } });
    const found = await watch({ probes: [p95], answer, beginsMs: 15_000, input: { state } });
    expect(found.state.breach?.measurement.message).toBe('p95(active) = 50 over 4 samples, expected < 45');
  });
});

describe('crash, cancel, size', () => {
  it('goes on from the last heartbeat when it knows more than the input', async () => {
    const before = await watch({ probes: [monitoredProbe('a', {})], forMs: 30_000 });
    const environment = new MockActivityEnvironment({ heartbeatDetails: { state: before.state } });
    const after = await watch({ probes: [monitoredProbe('a', {})], beginsMs: 41_000, environment });
    expect(after.state.tallies.a?.taken).toBe(6 + 4);
    expect(timesOf(after)).toEqual([41_000, 45_000, 50_000, 55_000]);
  });

  it.each([[undefined], [null], ['text'], [{ state: { tallies: { a: { taken: '9' } } } }], [{ state: [] }]])(
    'does not trust a heartbeat like %j',
    async (heartbeatDetails) => {
      const environment = new MockActivityEnvironment({ heartbeatDetails });
      const { state } = await watch({ probes: [monitoredProbe('a', {})], environment });
      expect(state.tallies.a?.taken).toBe(12);
    },
  );

  it('keeps the older heartbeat out when the input knows more', async () => {
    const six = await watch({ probes: [monitoredProbe('a', {})], forMs: 30_000 });
    const eight = await watch({ probes: [monitoredProbe('a', {})], forMs: 40_000 });
    const environment = new MockActivityEnvironment({ heartbeatDetails: { state: six.state } });
    const after = await watch({
      probes: [monitoredProbe('a', {})],
      beginsMs: 40_000,
      input: { state: eight.state },
      environment,
    });
    expect(after.state.tallies.a?.taken).toBe(12);
  });

  it('beats with the state, and leaves its input alone', async () => {
    const state: SamplerState = { tallies: {} };
    const { heartbeats } = await watch({ probes: [monitoredProbe('a', {})], input: { state } });
    expect(heartbeats[0]).toEqual({ state: { tallies: {} } });
    expect(state).toEqual({ tallies: {} });
  });

  it('rejects with the reason of a cancel, in the middle of a sample too', async () => {
    const environment = new MockActivityEnvironment();
    const watched = watch({
      environment,
      probes: [monitoredProbe('a', {}), monitoredProbe('b', {})],
      answer: (_probe, nth) => {
        if (nth === 3) environment.cancel('CANCELLED');
        return PASS;
      },
    });
    await expect(watched).rejects.toMatchObject({ name: 'CancelledFailure' });
  });

  it('surfaces what the worker does not permit', async () => {
    const failure = new Error('not permitted');
    const watched = watch({
      probes: [monitoredProbe('a', {}), monitoredProbe('b', {})],
      answer: ({ name }) => (name === 'b' ? Promise.reject(failure) : PASS),
    });
    await expect(watched).rejects.toBe(failure);
  });

  it('keeps its state below 16 KB with many probes, long messages and long figures', async () => {
    const probes = Array.from({ length: 20 }, (_, index) =>
      monitoredProbe(
        `probe-number-${index}`,
        { failureLimit: 10_000 },
        {
          expect: [
            { path: 'some.long.path.to.a.figure', aggregate: 'p95', lt: 0.2 },
            { path: 'another.long.path', aggregate: 'max', lt: 0.2 },
          ],
        },
      ),
    );
    const value = {
      some: { long: { path: { to: { a: { figure: 1 / 3 } } } } },
      another: { long: { path: 1e-7 / 3 } },
    };
    const { state, heartbeats } = await watch({
      probes,
      answer: () => ({ kind: 'sample', value }),
      forMs: 10 * MINUTE,
    });
    expect(JSON.stringify(state).length).toBeLessThan(16 * 1024);
    expect(JSON.stringify(heartbeats.at(-1)).length).toBeLessThan(16 * 1024);
    expect(Object.values(state.tallies).every(({ taken }) => taken === 120)).toBe(true);
  });
});
