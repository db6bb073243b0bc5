/** The real sampler, gates and monitor, over probes that answer by script. */
import { z } from 'zod';
import { systemClock } from '../../src/activities/clock.js';
import type { FenceReader } from '../../src/activities/fences.js';
import { createGateActivities } from '../../src/activities/gates.js';
import { createMonitorActivities } from '../../src/activities/monitor/index.js';
import { createSampler } from '../../src/activities/sampler.js';
import type { Sample } from '../../src/adapters/probes/probe.js';
import { type CheckedProbe, checked } from '../../src/adapters/probes/registry.js';
import type { MonitorStep, ProbeLimits, ProbeSpec } from '../../src/plan/resolved.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { PASS, UNCHANGED } from './fake-sampler.js';
import { monitorStep } from './plans.js';

const KIND = 'scripted';

export interface ProbeScript {
  /** The `nth` sample (from 1) of a probe; passes without an answer. */
  answer?(probe: string, nth: number): Sample | undefined | Promise<Sample | undefined>;
  /** Probes that change something when they sample. */
  writes?: string[];
  /** Real probes beside the scripted ones. */
  others?: CheckedProbe[];
  /** Nobody else changes anything without them. */
  fences?: FenceReader;
}

export function createScriptedProbes(script: ProbeScript = {}) {
  /** Samples begun, by probe. */
  const taken = new Map<string, number>();
  const scripted = checked(z.object({ as: z.string() }), {
    kind: KIND,
    writes: ({ as }) => script.writes?.includes(as) ?? false,
    inForcePaths: () => [],
    async sample({ config: { as } }) {
      const nth = (taken.get(as) ?? 0) + 1;
      taken.set(as, nth);
      return (await script.answer?.(as, nth)) ?? PASS;
    },
  });
  const redactor = new Redactor();
  const sampler = createSampler({
    probes: new Map([scripted, ...(script.others ?? [])].map((probe) => [probe.kind, probe])),
    references: new References({ allowed: [], env: {}, readSecret: async () => '', redactor }),
    redactor,
    now: Date.now,
  });
  return {
    taken: (probe: string) => taken.get(probe) ?? 0,
    gates: createGateActivities({ sampler, clock: systemClock }),
    monitor: createMonitorActivities({ sampler, clock: systemClock, fences: script.fences ?? UNCHANGED }),
  };
}

export function scriptedProbe(name: string): ProbeSpec {
  return { name, kind: KIND, config: { as: name }, expect: [{ path: 'ok', equals: 1 }], timeoutMs: 1_000 };
}

/** Watches the one probe `watched` every 100 ms. On a machine under load samples are missed: half of them are enough. */
export function scriptedMonitor(
  stage: string,
  forMs: number,
  limits: Partial<ProbeLimits>,
  config: Partial<MonitorStep['config']> = {},
): MonitorStep {
  const step = monitorStep(stage, forMs);
  const probes = [
    {
      ...scriptedProbe('watched'),
      limits: { intervalMs: 100, initialDelayMs: 0, consecutiveErrorLimit: 4, ...limits },
    },
  ];
  return { ...step, config: { ...step.config, minimumCoverage: 0.5, probes, ...config } };
}
