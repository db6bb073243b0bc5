/** A monitor's window over one real probe, as an activity: with state from before, or what a killed attempt left. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { systemClock } from '../../src/activities/clock.js';
import { createMonitorActivities } from '../../src/activities/monitor/index.js';
import { createSampler } from '../../src/activities/sampler.js';
import type { CheckedProbe } from '../../src/adapters/probes/registry.js';
import type { ProbeTally, SamplerState, Subject } from '../../src/contract/activities.js';
import type { Expectation, Json, ProbeLimits } from '../../src/plan/resolved.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { monitoredProbe, UNCHANGED } from './fake-sampler.js';

export interface WatchOptions {
  probe: CheckedProbe;
  subject: Subject;
  config: { [key: string]: Json };
  expect: Expectation[];
  limits?: Partial<ProbeLimits>;
  /** From now on; a minute when left out. */
  forMs?: number;
  /** Of the window before. */
  state?: SamplerState;
  /** The last heartbeat of an attempt that was killed. */
  heartbeat?: SamplerState;
  timeoutMs?: number;
}

export interface Watching {
  /** As the newest heartbeat has it; undefined before the first one. */
  tally(): ProbeTally | undefined;
  /** Resolves with the result, and when it was there (epoch ms). */
  ended: Promise<{ state: SamplerState; tally: ProbeTally; atMs: number }>;
  /** As if the worker had been killed: the last heartbeat is all that is left. */
  kill(): Promise<SamplerState>;
}

export function watchProbe(options: WatchOptions): Watching {
  const { probe, subject, config, expect, limits, forMs = 60_000, state, timeoutMs = 5_000 } = options;
  const redactor = new Redactor();
  const references = new References({
    allowed: [],
    env: {},
    readSecret: () => Promise.reject(new Error('no secret here')),
    redactor,
  });
  const sampler = createSampler({
    probes: new Map([[probe.kind, probe]]),
    references,
    redactor,
    now: Date.now,
  });
  const environment = new MockActivityEnvironment(
    options.heartbeat ? { heartbeatDetails: { state: options.heartbeat } } : {},
  );
  let newest: SamplerState | undefined;
  environment.on('heartbeat', (details: { state: SamplerState }) => {
    newest = structuredClone(details.state);
  });
  const spec = monitoredProbe(
    'followed',
    { intervalMs: 1_000, failureLimit: 0, ...limits },
    { kind: probe.kind, config: { ...config, follow: true }, expect, timeoutMs },
  );
  const activities = createMonitorActivities({ sampler, clock: systemClock, fences: UNCHANGED });
  const startedAtMs = Date.now();
  const running: Promise<SamplerState> = environment.run(() =>
    activities.sampleProbes({ subject, probes: [spec], startedAtMs, untilMs: startedAtMs + forMs, state }),
  );
  const ended = running.then((found) => ({ state: found, tally: tallyOf(found), atMs: Date.now() }));
  ended.catch(() => {});
  return {
    tally: () => newest?.tallies.followed,
    ended,
    async kill() {
      environment.cancel('WORKER_SHUTDOWN');
      await running.catch(() => {});
      if (!newest) throw new Error('it was killed before its first heartbeat');
      return newest;
    },
  };
}

function tallyOf({ tallies }: SamplerState): ProbeTally {
  const { followed } = tallies;
  if (!followed) throw new Error('nothing was counted');
  return followed;
}
