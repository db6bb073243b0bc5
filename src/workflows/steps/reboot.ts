/** `reboot`: restarts a database whose parameters wait for it. It cannot be taken back, so it is always kept. */
import type { RebootFound } from '../../contract/activities.js';
import type { RebootStep } from '../../plan/resolved.js';
import { applying, effect } from '../activity-options.js';
import { recordMade } from '../fences.js';
import { judgeTogether } from '../gates.js';
import type { Run } from '../run.js';
import { databaseUrlOf } from '../stage-facts.js';
import { now } from '../stop.js';
import { nothing, type StepVerbs } from './step-verbs.js';

export const reboot: StepVerbs<RebootStep, RebootFound> = {
  look: (run, step) => effect(`look at ${step.config.rdsInstance}`).lookReboot(input(run, step)),

  async act(run, step, look) {
    const { rdsInstance } = step.config;
    const { rebooted, outageMs, parameters } = await applying(`reboot ${rdsInstance}`).rebootInstance({
      ...input(run, step),
      base: look.found,
      intentAt: now(),
    });
    if (parameters) recordMade(run, step, parameters);
    if (!rebooted) return `nothing of ${rdsInstance} waited for a reboot`;
    const outage = outageMs === undefined ? 'its outage was not measured' : `out for ${outageMs / 1000} s`;
    return `${rdsInstance} was started again, ${outage}`;
  },

  async verify(run, step) {
    const { verify, probeTimeoutMs, probeIntervalMs } = step.config;
    const patience = { probeTimeoutMs, probeIntervalMs };
    await judgeTogether(run, step, verify, patience, run.releases.get(step.stage), 'after the reboot');
  },

  undo: {
    describe: (step) => `${step.config.rdsInstance}: its restart stays`,
    keeps: (step) => `the restart of ${step.config.rdsInstance}`,
    mend: (step) => `aws rds reboot-db-instance --db-instance-identifier ${step.config.rdsInstance}`,
    measure: async () => [],
  },

  settle: nothing,
};

function input(run: Run, step: RebootStep) {
  return {
    context: run.contextOf(step.stage),
    step,
    databaseUrl: databaseUrlOf(run.stageOf(step).steps),
  };
}
