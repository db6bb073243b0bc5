/** Every step kind that this version carries out. */
import type { DeployFound, LoadTestFound, Look, SecretFound } from '../../contract/activities.js';
import type { AvailableStepKind, ResolvedStep, StepByKind } from '../../plan/resolved.js';
import type { Run } from '../run.js';
import { approval } from './approval.js';
import { check } from './check.js';
import { deploy } from './deploy.js';
import { loadTest } from './load-test.js';
import { monitor } from './monitor.js';
import { secret } from './secret.js';
import type { StepVerbs } from './step-verbs.js';

export type { RestorationCheck } from './step-verbs.js';

interface FoundByKind {
  secret: SecretFound;
  deploy: DeployFound;
  check: null;
  loadTest: LoadTestFound;
  approval: null;
  monitor: null;
}

const STEP_KINDS: { [Kind in AvailableStepKind]: StepVerbs<StepByKind[Kind], FoundByKind[Kind]> } = {
  secret,
  deploy,
  check,
  loadTest,
  approval,
  monitor,
};

/** The verbs of a step's kind. What `look` found is handed back to the same kind only, so its type may be forgotten between. */
export function verbsOf(step: ResolvedStep): StepVerbs<ResolvedStep, unknown> {
  return STEP_KINDS[step.kind] as unknown as StepVerbs<ResolvedStep, unknown>;
}

export async function lookAt(
  run: Run,
  step: ResolvedStep,
): Promise<{ look: Look; undo: string | undefined }> {
  const verbs = verbsOf(step);
  const look = await verbs.look(run, step);
  return { look, undo: verbs.undo?.describe(step, look) };
}
