/** Every step kind. */
import type {
  ConfigFound,
  DeployFound,
  GitFound,
  InfraFound,
  LoadTestFound,
  Look,
  RebootFound,
  RunFound,
  SecretFound,
} from '../../contract/activities.js';
import type { ResolvedStep, StepByKind, StepKind } from '../../plan/resolved.js';
import type { Run } from '../run.js';
import { approval } from './approval.js';
import { check } from './check.js';
import { config } from './config.js';
import { deploy } from './deploy.js';
import { git } from './git.js';
import { infra } from './infra.js';
import { loadTest } from './load-test.js';
import { monitor } from './monitor.js';
import { reboot } from './reboot.js';
import { run as runStep } from './run.js';
import { secret } from './secret.js';
import type { StepVerbs } from './step-verbs.js';

export type { RestorationCheck } from './step-verbs.js';

interface FoundByKind {
  config: ConfigFound;
  secret: SecretFound;
  infra: InfraFound;
  reboot: RebootFound;
  git: GitFound;
  deploy: DeployFound;
  check: null;
  loadTest: LoadTestFound;
  approval: null;
  monitor: null;
  run: RunFound;
}

const STEP_KINDS: { [Kind in StepKind]: StepVerbs<StepByKind[Kind], FoundByKind[Kind]> } = {
  config,
  secret,
  infra,
  reboot,
  git,
  deploy,
  check,
  loadTest,
  approval,
  monitor,
  run: runStep,
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
  return { look, undo: describeUndo(step, look) };
}

/** What the way back does with the effect of a step, one line; undefined for a kind that changes nothing. */
export function describeUndo(step: ResolvedStep, look: Look): string | undefined {
  const { undo } = verbsOf(step);
  if (!undo) return undefined;
  if (step.onRollback === 'keep') return `${step.name} is kept: ${undo.keeps?.(step, look) ?? 'its effect'}`;
  const line = undo.describe(step, look);
  return step.onRollback === 'ask' ? `${step.name} asks first: ${line}` : line;
}
