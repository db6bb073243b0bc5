/** Gates: probes that have to pass, and the sentence that says why they did not. */
import type { GateResult, Release } from '../contract/activities.js';
import type { Measurement } from '../contract/progress.js';
import type { ProbeSpec, ResolvedStep } from '../plan/resolved.js';
import { measuring } from './activity-options.js';
import type { Run } from './run.js';
import { gateFailed } from './stop.js';

interface Patience {
  probeTimeoutMs: number;
  probeIntervalMs: number;
}

/** Passes when all probes pass in one round within the time; fails the step otherwise. */
export async function judgeTogether(
  run: Run,
  step: ResolvedStep,
  probes: ProbeSpec[],
  patience: Patience,
  release: Release | undefined,
  when: string,
): Promise<GateResult | undefined> {
  if (probes.length === 0) return undefined;
  const { probeTimeoutMs: timeoutMs, probeIntervalMs: intervalMs } = patience;
  const names = probes.map(({ name }) => name).join(', ');
  const result = await measuring(`${step.name} ${when}: ${names}`, timeoutMs).awaitProbes({
    subject: run.subjectOf(step, release),
    probes,
    timeoutMs,
    intervalMs,
  });
  run.record(step.name, result.measurements);
  if (result.outcome !== 'pass') throw gateFailed(step.name, `${when}: ${explain(result.measurements)}`);
  return result;
}

/** What did not pass, in figures. */
export function explain(measurements: Measurement[]): string {
  const against = measurements.filter(({ outcome }) => outcome !== 'pass');
  if (against.length === 0) return 'no probe was measured';
  return against.map(({ probe, outcome, message }) => `${probe} ${outcome}: ${message}`).join('; ');
}
