/** The fences of a monitor's window: when they are read, what counts as a change, what a failed reading is worth. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import type { Reading } from '../../../src/activities/fences.js';
import { createMonitorActivities } from '../../../src/activities/monitor/index.js';
import type { Fence, SampleInput, SamplerState } from '../../../src/contract/activities.js';
import { createFakeSampler, FAIL, ManualClock, monitoredProbe, PASS } from '../../support/fake-sampler.js';
import { deployStep, secretStep } from '../../support/plans.js';
import { subjectOf } from '../../support/subject.js';

const START = Date.parse('2026-01-16T12:00:00Z');
const SECOND = 1_000;
const MINUTE = 60 * SECOND;

const secretFence: Fence = {
  step: secretStep('production'),
  expected: { kind: 'secret', versionId: 'ours' },
};
const deployFence: Fence = {
  step: deployStep('production'),
  expected: { kind: 'release', release: { id: 'green', version: 'v2', url: 'http://green' } },
};
const THEIRS: Reading = {
  what: 'secret app/production',
  expected: 'version ours',
  found: 'version theirs',
  now: { kind: 'secret', versionId: 'theirs' },
};

type Answer = (atMs: number, step: string, nth: number) => Reading | Promise<Reading>;

async function watch(
  answer: Answer,
  input: Partial<SampleInput> = {},
  { fails = false, environment = new MockActivityEnvironment() } = {},
) {
  const clock = new ManualClock(START);
  const sampler = createFakeSampler({ clock, answer: () => (fails ? FAIL : PASS) });
  const readings: { step: string; atMs: number }[] = [];
  const fences = {
    async read({ step: { name } }: Fence): Promise<Reading> {
      const atMs = clock.now() - START;
      readings.push({ step: name, atMs });
      return answer(atMs, name, readings.filter(({ step }) => step === name).length);
    },
  };
  const activities = createMonitorActivities({ sampler, clock, fences });
  const sampling: Promise<SamplerState> = environment.run(() =>
    activities.sampleProbes({
      subject: subjectOf('/'),
      probes: [monitoredProbe('a', { intervalMs: 5_000 })],
      startedAtMs: START,
      untilMs: START + MINUTE,
      fences: [secretFence],
      ...input,
    }),
  );
  const state = await clock.run(sampling);
  return { state, clock, sampler, readings, times: readings.map(({ atMs }) => atMs / SECOND) };
}

describe('readings', () => {
  it('are taken when a window begins and every half minute, and none that could hold up the next window', async () => {
    const { times, state } = await watch(() => undefined);
    expect(times).toEqual([0, 30]);
    expect(state.tainted).toBeUndefined();
    expect(state.fences).toEqual({ 'production/settings': { readAtMs: START + 30 * SECOND } });
  });

  it('are taken once more when the verdict is due', async () => {
    expect((await watch(() => undefined, { isLast: true })).times).toEqual([0, 30, 60]);
  });

  it('are at least two of a monitor that is over in a moment', async () => {
    const input = { untilMs: START + 2 * SECOND, isLast: true };
    expect((await watch(() => undefined, input)).times).toEqual([0, 2]);
  });

  it('are none where nothing is fenced', async () => {
    const { times, state } = await watch(() => undefined, { fences: [] });
    expect([times, state.fences]).toEqual([[], undefined]);
  });
});

describe('a change', () => {
  it('ends the window at once, with what was expected and what is there', async () => {
    const { state, clock } = await watch((atMs) => (atMs >= 30 * SECOND ? THEIRS : undefined));
    expect(clock.now() - START).toBe(31 * SECOND);
    expect(state.tainted).toEqual([
      { ...THEIRS, step: 'production/settings', at: new Date(START + 31 * SECOND).toISOString() },
    ]);
    expect(state.tallies.a?.taken).toBe(7);
  });

  it('that was made before the window began is seen by its first reading', async () => {
    const { state, clock } = await watch(() => THEIRS);
    expect([state.tainted?.length, clock.now() - START]).toEqual([1, SECOND]);
  });

  it('that is made in the last second is seen when the verdict is due', async () => {
    const { state } = await watch((atMs) => (atMs >= 60 * SECOND ? THEIRS : undefined), { isLast: true });
    expect(state.tainted?.[0]?.found).toBe('version theirs');
  });

  it('that is gone a second later is none: a store may answer with what was there before', async () => {
    const { state, times } = await watch((_atMs, _step, nth) => (nth === 1 ? THEIRS : undefined));
    expect(state.tainted).toBeUndefined();
    expect(times.slice(0, 2)).toEqual([0, 1]);
  });

  it('of several things is told of each', async () => {
    const { state } = await watch(() => THEIRS, { fences: [secretFence, deployFence] });
    expect(state.tainted?.map(({ step }) => step)).toEqual(['production/settings', 'production/deploy']);
  });

  it('does not hide a breach, and a breach does not wait for a reading', async () => {
    const { state } = await watch(() => new Promise(() => {}), {}, { fails: true });
    expect([state.breach?.probe, state.tainted]).toEqual(['a', undefined]);
  });

  it('that a killed attempt has found is not looked for again', async () => {
    const tainted = [{ ...THEIRS, step: 'production/settings', at: 'then' }];
    const environment = new MockActivityEnvironment({
      heartbeatDetails: { state: { tallies: {}, tainted } },
    });
    const { state, times } = await watch(() => undefined, {}, { environment });
    expect([state.tainted, times]).toEqual([tainted, []]);
  });
});

describe('a reading that fails', () => {
  const fail = () => Promise.reject(new Error('access denied'));

  it('taints nothing, and leaves what it said', async () => {
    const { state } = await watch(fail, { isLast: true });
    expect([state.tainted, state.breach]).toEqual([undefined, undefined]);
    expect(state.fences).toEqual({ 'production/settings': { error: 'access denied' } });
  });

  it('once is forgotten with the next one', async () => {
    const { state } = await watch((_atMs, _step, nth) => (nth === 1 ? fail() : undefined));
    expect(state.fences).toEqual({ 'production/settings': { readAtMs: START + 30 * SECOND } });
  });

  it('when the verdict is due is repeated, and since when nobody knows is kept', async () => {
    const { state, times } = await watch((_atMs, _step, nth) => (nth > 2 ? fail() : undefined), {
      isLast: true,
    });
    expect(times).toEqual([0, 30, 60, 61, 64]);
    expect(state.fences).toEqual({
      'production/settings': { readAtMs: START + 30 * SECOND, error: 'access denied' },
    });
  });
});

it('a state with many fences and taints stays within 16 KB', async () => {
  const fences = Array.from({ length: 20 }, (_unused, index) => ({
    ...secretFence,
    step: { ...secretStep('production'), name: `production/settings-${index}` },
  }));
  const long = { ...THEIRS, expected: 'x'.repeat(5_000), found: 'y'.repeat(5_000) } as Reading;
  const { state } = await watch(
    (_atMs, step) => (step.endsWith('0') ? Promise.reject(new Error('z'.repeat(5_000))) : long),
    {
      fences,
    },
  );
  expect(JSON.stringify(state).length).toBeLessThan(16 * 1024);
  expect(state.tainted).toHaveLength(5);
});
