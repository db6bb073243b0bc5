/** `loadTest`: k6 against the live release of the stage, judged by its own figures and by probes meanwhile. */
import type { LoadTestFound } from '../../contract/activities.js';
import type { LoadTestStep } from '../../plan/resolved.js';
import { measuring, quick } from '../activity-options.js';
import { explain } from '../gates.js';
import type { Run } from '../run.js';
import { gateFailed } from '../stop.js';
import { nothing, type StepVerbs } from './step-verbs.js';

export const loadTest: StepVerbs<LoadTestStep, LoadTestFound> = {
  look: (run, step) => quick(`inspect ${step.config.script}`).lookLoadTest(input(run, step)),

  async act(run, step, { found: base }) {
    const result = await measuring(`k6 run ${step.config.script}`, step.config.timeoutMs).runLoadTest({
      ...input(run, step),
      base,
    });
    run.record(step.name, result.measurements);
    if (result.outcome !== 'pass') throw gateFailed(step.name, explain(result.measurements));
    const seconds = Math.round(result.durationMs / 1000);
    return `${result.requests} requests in ${seconds} s, every expectation met`;
  },

  verify: nothing,
  /** A cancel ends k6 before the activity ends; there is nothing else to take back. */
  undo: null,
  settle: nothing,
};

function input(run: Run, step: LoadTestStep) {
  return { context: run.contextOf(step.stage), step, release: run.releases.get(step.stage) };
}
