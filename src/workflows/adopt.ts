/**
 * A run that takes back what another one has done: one that was terminated in the middle, or promoted and
 * regretted. It stands on the records that the other left in its memo, and goes the same way back.
 */
import { CancellationScope } from '@temporalio/workflow';
import type { DeployFound, Look } from '../contract/activities.js';
import type { TakeBack } from '../contract/inputs.js';
import type { StopReason } from '../contract/progress.js';
import type { ResolvedStep } from '../plan/resolved.js';
import { quick } from './activity-options.js';
import { type GiveBack, takeLocks } from './lock.js';
import type { Run } from './run.js';
import { describeUndo, lookAt } from './steps/index.js';
import { now } from './stop.js';

/** Locks, the records of the other run, and what stands there now. @throws `Refused` when something cannot be had */
export async function adopt(run: Run, { deeds }: TakeBack): Promise<GiveBack> {
  const giveBack = await takeLocks(run);
  try {
    const steps = run.plan.stages.flatMap((stage) => stage.steps);
    for (const record of deeds.records) {
      const step = steps.find(({ name }) => name === record.step);
      if (!step) throw new TypeError(`the plan has no step ${record.step}`);
      const look = lookOf(record.found, record.digest);
      run.compensate(step, look, describeUndo(step, look) ?? '');
      run.markStep(step.name, 'succeeded');
    }
    for (const [name, baseline] of Object.entries(deeds.baselines)) run.baselines.set(name, baseline);
    await requireFiles(run);
    for (const { step } of run.saga) await findFailed(run, step);
    return giveBack;
  } catch (error) {
    await CancellationScope.nonCancellable(() => giveBack());
    throw error;
  }
}

/** What an infrastructure is taken back with has to be what it was changed with. */
async function requireFiles(run: Run): Promise<void> {
  const folders = run.saga.flatMap(({ step }) => (step.kind === 'infra' ? [step.config.directory] : []));
  const files = run.plan.files.filter(({ path }) => folders.includes(path));
  if (files.length > 0) await quick('files of the plan').verifyPlanFiles({ context: run.context, files });
}

/** What was made beside the old release, or took its place: it tells what it can before it is stopped. */
async function findFailed(run: Run, step: ResolvedStep): Promise<void> {
  const base = run.baselines.get(step.name);
  if (step.kind !== 'deploy' || !base) return;
  const { look } = await lookAt(run, step);
  const { live, candidate } = look.found as DeployFound;
  const failed = live.id === base.found.live.id ? candidate : live;
  if (failed) run.candidates.set(step.name, failed);
}

function lookOf(found: unknown, digest: string): Look {
  return { found, changes: [], warnings: [], effect: 'detectable', digest };
}

export function stopOfTakeBack({ by, reason }: TakeBack): StopReason {
  const because = reason ? `: ${reason}` : '';
  return { kind: 'undo', by, message: `taken back by ${by}${because}`, at: now() };
}
