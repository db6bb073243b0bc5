/** How large a plan may be: what its steps carry goes into every activity, and with that into the history. */
import type { FaultInput } from './fault-list.js';
import type { Path } from './faults.js';
import type { PlanDraft } from './resolve.js';
import type { PlanView } from './view.js';

/** Temporal takes no more than 2 MB to start with, and every history of the rollout begins with it. */
const LARGEST_DRAFT_BYTES = 1024 * 1024;
/** With what is found of it, it has to fit into the 16 KB that an activity is given. */
const LARGEST_STEP_BYTES = 6 * 1024;
/** What an approval is bound to names each of them. */
const MOST_STEPS = 64;

export function lintSize({ stages, faults }: PlanView, draft: PlanDraft): void {
  const steps = draft.stages.flatMap((stage) => stage.steps);
  const nodes = stages.flatMap((stage) => stage.steps.map(({ node }) => node));
  const bytes = sizeOf(draft);
  const first = nodes[MOST_STEPS];
  if (bytes > LARGEST_DRAFT_BYTES) faults.add(largePlan(bytes));
  else if (first) faults.add(manySteps(first.path, steps.length));
  else {
    for (const [index, step] of steps.entries()) {
      const stepBytes = sizeOf(step);
      if (stepBytes > LARGEST_STEP_BYTES) faults.add(largeStep(nodes[index]?.path ?? [], stepBytes));
    }
  }
}

function manySteps(path: Path, count: number): FaultInput {
  return {
    code: 'tooComplex',
    path,
    message: `The plan has ${count} steps.`,
    expected: `at most ${MOST_STEPS} steps in all stages together`,
    fix: 'Divide it into several plans, each of which is promoted or restored by itself.',
  };
}

function largeStep(path: Path, bytes: number): FaultInput {
  return {
    code: 'tooComplex',
    path,
    message: `The step is too large: with what it uses written out it has ${bytes} bytes.`,
    expected: `at most ${LARGEST_STEP_BYTES} bytes`,
    fix: 'Divide it: fewer probes, keys or arguments in each of several steps; or have a file of the plan hold them.',
  };
}

function sizeOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

function largePlan(bytes: number): FaultInput {
  return {
    code: 'tooComplex',
    path: [],
    message: `The plan is too large to be started: with each probe written out where it is used it has ${bytes} bytes.`,
    expected: `at most ${LARGEST_DRAFT_BYTES} bytes`,
    fix: 'Use fewer probes in fewer steps, or divide it into several plans.',
  };
}
