/** A followed probe in a monitor: told at once, counted once, and never good for want of evidence. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import { createMonitorActivities } from '../../../src/activities/monitor/index.js';
import type { Followed } from '../../../src/adapters/probes/probe.js';
import type { ProbeTally, SampleInput, SamplerState } from '../../../src/contract/activities.js';
import type { Json, MonitoredProbe, ProbeLimits } from '../../../src/plan/resolved.js';
import {
  createFakeSampler,
  type FollowScript,
  ManualClock,
  monitoredProbe,
  UNCHANGED,
} from '../../support/fake-sampler.js';
import { subjectOf } from '../../support/subject.js';

const START = Date.parse('2026-01-01T00:00:00Z');
const S = 1_000;
const MINUTE = 60_000;

/** A log that outlives its readers: every line has its moment, some are bad. */
interface Log {
  /** After START. */
  lines: { atMs: number; bad?: boolean }[];
  /** Connections are lost then, and refused for as long. */
  outages?: { atMs: number; forMs: number }[];
  /** Lines before are forgotten from then on: a cursor that stands before it is a gap. */
  forgotten?: { atMs: number; before: number };
  /** Padding of each cursor, characters. */
  padding?: number;
}

interface Place {
  line: number;
  bad: number;
}

function placeOf(cursor: Json | undefined): Place {
  return cursor === undefined ? { line: 0, bad: 0 } : (cursor as unknown as Place);
}

async function* followLog(
  log: Log,
  clock: ManualClock,
  { cursor, signal }: FollowScript,
): AsyncGenerator<Followed> {
  const now = () => clock.now() - START;
  const outage = log.outages?.find(({ atMs, forMs }) => now() >= atMs && now() < atMs + forMs);
  if (outage) return yield { sample: { kind: 'error', message: 'connection refused' } };
  const place = { ...placeOf(cursor) };
  const { forgotten } = log;
  let gap: string | undefined;
  if (cursor !== undefined && forgotten && now() >= forgotten.atMs && place.line < forgotten.before) {
    gap = 'rotated';
    place.line = forgotten.before;
  }
  const tell = (): Followed => ({
    sample: { kind: 'sample', value: { ok: place.bad === 0 ? 1 : 0, bad: place.bad, line: place.line } },
    cursor: { ...place, padding: 'x'.repeat(log.padding ?? 0) },
    ...(gap === undefined ? {} : { gap }),
  });
  let isFirst = true;
  for (;;) {
    for (let line = log.lines[place.line]; line && line.atMs <= now(); line = log.lines[place.line]) {
      place.line += 1;
      if (line.bad) place.bad += 1;
      if (!isFirst) yield tell();
    }
    if (isFirst) yield tell();
    gap = undefined;
    isFirst = false;
    const lost = log.outages?.find(({ atMs }) => atMs > now())?.atMs ?? Number.POSITIVE_INFINITY;
    const next = log.lines[place.line]?.atMs ?? Number.POSITIVE_INFINITY;
    await clock.sleep(Math.min(lost, next, MINUTE * 60) - now(), signal);
    if (now() >= lost) return yield { sample: { kind: 'error', message: 'connection reset' } };
  }
}

interface Options {
  log?: Log;
  follow?: (clock: ManualClock, from: FollowScript) => AsyncIterable<Followed>;
  limits?: Partial<ProbeLimits>;
  probes?: MonitoredProbe[];
  beginsMs?: number;
  untilMs?: number;
  state?: SamplerState;
  environment?: MockActivityEnvironment;
}

async function watch(options: Options) {
  const clock = new ManualClock(START + (options.beginsMs ?? 0));
  const cursors: (Json | undefined)[] = [];
  const sampler = createFakeSampler({
    clock,
    answer: () => {
      throw new Error('a followed probe is not sampled');
    },
    follow(_probe, from) {
      cursors.push(from.cursor);
      return options.follow?.(clock, from) ?? followLog(options.log ?? { lines: [] }, clock, from);
    },
  });
  const input: SampleInput = {
    subject: subjectOf('/'),
    probes: options.probes ?? [followedProbe(options.limits)],
    startedAtMs: START,
    untilMs: START + (options.untilMs ?? MINUTE),
    state: options.state,
  };
  const environment = options.environment ?? new MockActivityEnvironment();
  const activities = createMonitorActivities({ sampler, clock, fences: UNCHANGED });
  const sampling: Promise<SamplerState> = environment.run(() => activities.sampleProbes(input));
  const state = await clock.run(sampling);
  return {
    state,
    endedMs: clock.now() - START,
    cursors,
    get tally() {
      return tallyOf(state);
    },
  };
}

function followedProbe(limits: Partial<ProbeLimits> = {}, name = 'a'): MonitoredProbe {
  return monitoredProbe(name, { failureLimit: 0, ...limits }, { config: { follow: true } });
}

function tallyOf({ tallies }: SamplerState): ProbeTally {
  const tally = tallies.a;
  if (!tally) throw new Error('no tally');
  return tally;
}

const good = (...seconds: number[]) => seconds.map((s) => ({ atMs: s * S }));
const bad = (...seconds: number[]) => seconds.map((s) => ({ atMs: s * S, bad: true }));
const TOLERANT = { failureLimit: 1_000 };

describe('a failure ends the monitor when it comes', () => {
  it('and not at the next sample', async () => {
    const { state, endedMs } = await watch({ log: { lines: [...good(3), ...bad(7.25)] } });
    expect(endedMs).toBe(7_250);
    expect(state.breach).toMatchObject({
      probe: 'a',
      limit: 'failureLimit 0 (1 failures)',
      measurement: { outcome: 'fail', at: '2026-01-01T00:00:07.250Z' },
    });
    expect(tallyOf(state)).toMatchObject({ taken: 3, pass: 2, fail: 1 });
  });

  it('and not before its initial delay', async () => {
    const { endedMs } = await watch({ log: { lines: bad(1) }, limits: { initialDelayMs: 20_000 } });
    expect(endedMs).toBe(20_000);
  });

  it('also when it came before this window began', async () => {
    const { endedMs } = await watch({ log: { lines: bad(1) }, beginsMs: 3_000 });
    expect(endedMs).toBe(3_000);
  });

  it('ends other probes with it, whatever they wait for', async () => {
    const probes = [followedProbe(), followedProbe({ intervalMs: 50_000, initialDelayMs: 40_000 }, 'b')];
    const { endedMs } = await watch({ probes, log: { lines: bad(2) } });
    expect(endedMs).toBe(2_000);
  });
});

describe('samples due', () => {
  it('are all taken while nothing changes, and are evidence', async () => {
    const { tally } = await watch({ log: { lines: good(1) } });
    expect(tally).toMatchObject({ taken: 12, pass: 12, nextDueMs: START + MINUTE });
  });

  it('a failure at once is the sample that is due next, and a lasting one counts with each', async () => {
    const { tally } = await watch({ log: { lines: bad(7) }, limits: TOLERANT });
    expect(tally).toMatchObject({ taken: 12, pass: 2, fail: 10, consecutiveFailures: 10 });
    expect(tally.early).toBeUndefined();
  });

  it('more bad news of the same failure is no further failure', async () => {
    const { tally } = await watch({ log: { lines: bad(7, 7.1, 7.2, 8, 9) }, limits: TOLERANT });
    expect(tally).toMatchObject({ taken: 12, pass: 2, fail: 10 });
  });

  const flap = async function* (clock: ManualClock, { signal }: FollowScript): AsyncGenerator<Followed> {
    const tell = (ok: number): Followed => ({ sample: { kind: 'sample', value: { ok } }, cursor: 1 });
    yield tell(1);
    await clock.sleep(6 * S, signal);
    for (let nth = 0; nth < 3; nth += 1) {
      yield tell(0);
      await clock.sleep(100, signal);
      yield tell(1);
      await clock.sleep(100, signal);
    }
    await clock.sleep(60 * MINUTE, signal);
  };

  it('every time it fails anew counts, but makes up for no other sample', async () => {
    const { tally } = await watch({ follow: flap, limits: TOLERANT });
    expect(tally).toMatchObject({ pass: 11, fail: 3, early: 2, consecutiveFailures: 0 });
    expect(tally.pass + tally.fail - (tally.early ?? 0)).toBe(12);
  });

  it('and a pass in between ends the row', async () => {
    expect((await watch({ follow: flap, limits: { failureLimit: 2 } })).state.breach?.limit).toBe(
      'failureLimit 2 (3 failures)',
    );
    const tolerated = { failureLimit: undefined, consecutiveFailureLimit: 1 };
    expect((await watch({ follow: flap, limits: tolerated })).state.breach).toBeUndefined();
  });
});

describe('a lost stream', () => {
  it('is an error at each sample due until it is back', async () => {
    const log = { lines: good(1), outages: [{ atMs: 12 * S, forMs: 14 * S }] };
    const { tally } = await watch({ log });
    expect(tally).toMatchObject({ taken: 12, error: 3, consecutiveErrors: 0 });
    expect(tally.pass).toBe(9);
  });

  it('breaches the limit of errors when it does not come back', async () => {
    const log = { lines: good(1), outages: [{ atMs: 12 * S, forMs: MINUTE }] };
    const { state, endedMs } = await watch({ log, limits: { consecutiveErrorLimit: 4 } });
    expect(state.breach).toMatchObject({
      limit: 'consecutiveErrorLimit 4 (5 errors in a row)',
      measurement: { outcome: 'error', message: 'connection refused' },
    });
    expect(endedMs).toBe(35_000);
  });

  it('that never tells anything is no evidence either', async () => {
    const silent = async function* (clock: ManualClock, { signal }: FollowScript): AsyncGenerator<Followed> {
      await clock.sleep(60 * MINUTE, signal);
      yield { sample: { kind: 'sample', value: { ok: 1 } } };
    };
    const { tally } = await watch({ follow: silent, limits: { consecutiveErrorLimit: 100 } });
    expect(tally).toMatchObject({ pass: 0, fail: 0 });
    expect(tally.error).toBeGreaterThanOrEqual(9);
    expect(tally.last?.message).toBe('nothing came within 1000 ms');
  });

  it('is asked again from the cursor: nothing is lost, nothing comes twice', async () => {
    const log = {
      lines: [...good(1), ...bad(3), ...good(9), ...bad(11, 13, 14.5), ...good(15), ...bad(15.2, 31, 31.01)],
      outages: [10, 14, 15.1, 31.005].map((s) => ({ atMs: s * S, forMs: 1_200 })),
    };
    const { tally, cursors } = await watch({ log, limits: TOLERANT });
    expect(tally.cursor).toMatchObject({ line: log.lines.length, bad: 7 });
    expect(cursors.length).toBeGreaterThan(4);
    expect(cursors.slice(1).every((cursor) => cursor !== undefined)).toBe(true);
  });

  it('that was lost for a moment costs no sample', async () => {
    const log = { lines: good(1), outages: [{ atMs: 12 * S, forMs: 10 }] };
    expect((await watch({ log })).tally).toMatchObject({ taken: 12, pass: 12, error: 0 });
  });
});

describe('a gap', () => {
  const log: Log = {
    lines: [...good(1), ...bad(13), ...good(13.2, 30)],
    outages: [{ atMs: 12 * S, forMs: 1.2 * S }],
    forgotten: { atMs: 12 * S, before: 2 },
  };

  it('is inconclusive, once, and says from when to when nothing was seen', async () => {
    const { tally, state } = await watch({ log, limits: { inconclusiveLimit: 0 } });
    expect(state.breach?.limit).toBe('inconclusiveLimit 0 (1 inconclusive)');
    expect(state.breach?.measurement.message).toMatch(
      /^not everything was seen from 2026-01-01T00:00:10\.000Z to 2026-01-01T00:00:13\.\d{3}Z: rotated$/,
    );
    expect(tally.inconclusive).toBe(1);
  });

  it('takes the place of a sample: it is not evidence', async () => {
    const { tally } = await watch({ log });
    expect(tally).toMatchObject({ taken: 12, pass: 11, inconclusive: 1 });
  });

  it('does not hide the failure that comes with it', async () => {
    const failing = { ...log, lines: [...good(1), ...bad(11), ...bad(13, 13.3)] };
    const { state, endedMs } = await watch({ log: failing });
    expect(endedMs).toBe(11_000);
    const later = { ...log, lines: [...good(1, 13, 13.2), ...bad(13.3)] };
    expect((await watch({ log: later })).state.breach?.measurement.outcome).toBe('fail');
    expect(state.breach?.measurement.outcome).toBe('fail');
  });
});

describe('windows and crashes', () => {
  const lines = [...good(1), ...bad(3), ...good(9), ...bad(19, 21, 39.9, 40, 41)];

  it('the next window goes on from the cursor, with the same counts', async () => {
    const first = await watch({ log: { lines }, limits: TOLERANT, untilMs: 20 * S });
    const second = await watch({ log: { lines }, limits: TOLERANT, beginsMs: 20_120, state: first.state });
    const whole = await watch({ log: { lines }, limits: TOLERANT });
    expect(second.tally).toEqual({ ...whole.tally, last: second.tally.last });
    expect(second.cursors[0]).toEqual(first.tally.cursor);
  });

  it('a failure that lasts over the end of a window is not counted anew', async () => {
    const first = await watch({ log: { lines: bad(3) }, limits: TOLERANT, untilMs: 20 * S });
    const second = await watch({
      log: { lines: bad(3) },
      limits: TOLERANT,
      beginsMs: 20_120,
      state: first.state,
    });
    expect(second.tally).toMatchObject({ taken: 12, fail: 11 });
    expect(second.tally.early).toBeUndefined();
  });

  it('a worker that was killed goes on from its last heartbeat', async () => {
    const before = await watch({ log: { lines }, limits: TOLERANT, untilMs: 20 * S });
    const environment = new MockActivityEnvironment({ heartbeatDetails: { state: before.state } });
    const after = await watch({ log: { lines }, limits: TOLERANT, beginsMs: 27_000, environment });
    expect(after.cursors[0]).toEqual(before.tally.cursor);
    expect(after.tally.cursor).toMatchObject({ line: lines.length, bad: 6 });
    // The slot at 20 s has passed while nobody was there.
    expect(after.tally.taken).toBe(11);
  });

  it('its heartbeats bear the cursor', async () => {
    const environment = new MockActivityEnvironment();
    const seen: unknown[] = [];
    const follow = async function* (clock: ManualClock, { signal }: FollowScript): AsyncGenerator<Followed> {
      yield { sample: { kind: 'sample', value: { ok: 1 } }, cursor: 'here' };
      // Heartbeats keep real time.
      await new Promise((resolve) => environment.once('heartbeat', resolve));
      await clock.sleep(60 * MINUTE, signal);
    };
    environment.on('heartbeat', ({ state }) => seen.push(state.tallies.a?.cursor));
    await watch({ follow, environment });
    expect(seen).toContain('here');
  });

  it('a cursor that is too large is dropped, and that is a gap', async () => {
    const log = { lines: good(1, 30), padding: 5_000 };
    const first = await watch({ log, untilMs: 20 * S });
    expect(first.tally.cursor).toBeNull();
    const second = await watch({ log: { lines: good(1, 30) }, beginsMs: 21_000, state: first.state });
    expect(second.cursors[0]).toBeUndefined();
    expect(second.tally).toMatchObject({ inconclusive: 1, pass: 11 });
  });

  it('the state stays below 16 KB with many followed probes', async () => {
    const probes = Array.from({ length: 20 }, (_, index) =>
      monitoredProbe(`probe-number-${index}`, TOLERANT, {
        config: { follow: true },
        expect: [
          { path: 'line', aggregate: 'p95', lt: 1e9 },
          { path: 'bad', aggregate: 'max', lt: 1e9 },
        ],
      }),
    );
    const { state } = await watch({
      probes,
      log: { lines: bad(1, 2, 3), padding: 400 },
      untilMs: 10 * MINUTE,
    });
    expect(JSON.stringify(state).length).toBeLessThan(16 * 1024);
    expect(Object.values(state.tallies).every(({ taken }) => taken === 120)).toBe(true);
    expect(Object.values(state.tallies).some(({ cursor }) => cursor !== null)).toBe(true);
  });
});
