/** `check`: probes until all of them pass, or the time is over. */
import type { CheckStep } from '../../plan/resolved.js';
import { judgeTogether } from '../gates.js';
import { nothing, nothingToLookAt, type StepVerbs } from './step-verbs.js';

export const check: StepVerbs<CheckStep> = {
  look: async () => nothingToLookAt(),

  async act(run, step) {
    const { probes, timeoutMs: probeTimeoutMs, intervalMs: probeIntervalMs } = step.config;
    const patience = { probeTimeoutMs, probeIntervalMs };
    const result = await judgeTogether(run, step, probes, patience, run.releases.get(step.stage), 'check');
    return `${result?.measurements.length ?? 0} of ${probes.length} probes pass`;
  },

  verify: nothing,
  undo: null,
  settle: nothing,
};
