/** Gates: rounds until all pass together; what writes is sent once. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import { createGateActivities, type GateMemory } from '../../../src/activities/gates.js';
import type { Sample } from '../../../src/adapters/probes/probe.js';
import type { GateResult } from '../../../src/contract/activities.js';
import type { ProbeSpec } from '../../../src/plan/resolved.js';
import { createFakeSampler, ManualClock, probeSpec } from '../../support/fake-sampler.js';
import { subjectOf } from '../../support/subject.js';

const START = Date.parse('2026-01-16T12:00:00.000Z');
const good: Sample = { kind: 'sample', value: { ok: 1 } };
const bad: Sample = { kind: 'sample', value: { ok: 0 } };

interface Options {
  answer: (probe: ProbeSpec, nth: number) => Sample;
  probes?: ProbeSpec[];
  writes?: string[];
  timeoutMs?: number;
  memory?: GateMemory;
}

async function judge({
  answer,
  probes = [probeSpec('a'), probeSpec('b')],
  writes,
  timeoutMs = 10_000,
  memory,
}: Options) {
  const clock = new ManualClock(START);
  const sampler = createFakeSampler({ clock, answer, writes });
  const environment = new MockActivityEnvironment(memory ? { attempt: 2, heartbeatDetails: memory } : {});
  const beats: GateMemory[] = [];
  environment.on('heartbeat', (beat: GateMemory) => beats.push(structuredClone(beat)));
  const gates = createGateActivities({ sampler, clock });
  const judging: Promise<GateResult> = environment.run(() =>
    gates.awaitProbes({ subject: subjectOf('/'), probes, timeoutMs, intervalMs: 1_000 }),
  );
  const result = await clock.run(judging);
  return { result, sampler, beats, elapsedMs: clock.now() - START };
}

const namesOf = (sampler: { taken: { probe: string }[] }) => sampler.taken.map(({ probe }) => probe);

describe('awaitProbes', () => {
  it('passes when all pass in one and the same round', async () => {
    const { result } = await judge({
      answer: ({ name }, nth) => (name === 'a' ? (nth === 2 ? bad : good) : nth < 3 ? bad : good),
    });
    expect([result.outcome, result.rounds]).toEqual(['pass', 3]);
  });

  it('fails when the time is over, with the last measurements', async () => {
    const { result, elapsedMs } = await judge({
      answer: ({ name }) => (name === 'a' ? good : bad),
      timeoutMs: 5_000,
    });
    expect(result.outcome).toBe('fail');
    expect(elapsedMs).toBeLessThanOrEqual(5_000);
    expect(result.measurements.map(({ outcome }) => outcome)).toEqual(['pass', 'fail']);
  });

  it('never passes for want of evidence, nor without any probe', async () => {
    const empty: Sample = { kind: 'sample', value: {} };
    expect((await judge({ answer: () => empty, timeoutMs: 1_000 })).result.outcome).toBe('inconclusive');
    expect((await judge({ answer: () => good, probes: [] })).result.outcome).toBe('inconclusive');
  });

  it('sends what writes once, after everything before it has passed, and its answer stands', async () => {
    const { result, sampler } = await judge({
      answer: ({ name }, nth) =>
        name === 'healthy' && nth === 1 ? bad : name === 'row' && nth < 3 ? bad : good,
      probes: [probeSpec('healthy'), probeSpec('booking'), probeSpec('row')],
      writes: ['booking'],
    });
    expect(result.outcome).toBe('pass');
    expect(namesOf(sampler).filter((name) => name === 'booking')).toHaveLength(1);
    expect(namesOf(sampler).slice(0, 3)).toEqual(['healthy', 'healthy', 'booking']);
  });

  it('what was sent and did not pass never will', async () => {
    const { result, sampler } = await judge({
      answer: ({ name }) => (name === 'booking' ? bad : good),
      probes: [probeSpec('booking'), probeSpec('row')],
      writes: ['booking'],
    });
    expect([result.outcome, result.rounds]).toEqual(['fail', 1]);
    expect(namesOf(sampler).filter((name) => name === 'booking')).toHaveLength(1);
  });

  it('a repeated attempt does not send again what was answered, and goes on with its time', async () => {
    const probes = [probeSpec('booking')];
    const { beats } = await judge({ answer: () => good, probes, writes: ['booking'] });
    const memory = beats.at(-1);
    if (!memory) throw new Error('no heartbeat');
    const again = await judge({ answer: () => good, probes, writes: ['booking'], memory });
    expect([again.result.outcome, namesOf(again.sampler)]).toEqual(['pass', []]);
  });

  it('sends a second time when nobody knows, and never a third', async () => {
    const probes = [probeSpec('booking')];
    const once: GateMemory = {
      startedAtMs: START,
      rounds: 0,
      measurements: [],
      sent: { booking: { begun: 1 } },
    };
    const second = await judge({ answer: () => good, probes, writes: ['booking'], memory: once });
    expect([second.result.outcome, namesOf(second.sampler)]).toEqual(['pass', ['booking']]);
    const twice: GateMemory = { ...once, sent: { booking: { begun: 2 } } };
    const third = await judge({ answer: () => good, probes, writes: ['booking'], memory: twice });
    expect([third.result.outcome, namesOf(third.sampler)]).toEqual(['inconclusive', []]);
  });
});

it('the configuration in force is what telling probes say; one that writes is never asked', async () => {
  const clock = new ManualClock(START);
  const sampler = createFakeSampler({
    clock,
    answer: ({ name }) =>
      name === 'down'
        ? { kind: 'error', message: 'no answer' }
        : { kind: 'sample', value: { pool: { limit: 20 } } },
    writes: ['booking'],
  });
  const probes = ['pool', 'booking', 'down'].map((name) => probeSpec(name, { kind: 'poolMetrics' }));
  const gates = createGateActivities({ sampler, clock });
  const values = await new MockActivityEnvironment().run(() =>
    gates.measureInForce({ subject: subjectOf('/'), probes: [...probes, probeSpec('health')] }),
  );
  expect(values).toEqual({ 'pool.pool.limit': 20 });
  expect(namesOf(sampler)).toEqual(['pool', 'down']);
});
