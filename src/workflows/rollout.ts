/**
 * The rollout, read aloud: take the locks, go through the stages step by step, settle. Whatever ends that
 * early (an abort, the UI's Cancel, a gate, a failure, a refusal, a timeout, the deadline) goes the same way
 * back, in saga.ts.
 *
 * Concurrency: the forward flow runs in one cancellable scope, and it is the only thing that an abort, the
 * deadline or a cancel ends. Beside it there are only the deadline's timer and notices, and while it waits a watch
 * over what has been monitored (vigil.ts). Everything after it (settling, the way back) is shielded. Handlers change
 * state and never await.
 */
import {
  allHandlersFinished,
  CancellationScope,
  CancelledFailure,
  condition,
  isCancellation,
  patched,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { RolloutInput, RolloutResult, TakeBack } from '../contract/inputs.js';
import { FAILURES } from '../contract/messages.js';
import type { Outcome, StopReason } from '../contract/progress.js';
import type { ApprovalStep, ResolvedStage, ResolvedStep } from '../plan/resolved.js';
import { quick } from './activity-options.js';
import { adopt, stopOfTakeBack } from './adopt.js';
import { adviseOn } from './advice.js';
import { heedCancel, listen } from './answers.js';
import { identifyInitiator } from './identity.js';
import { type GiveBack, takeLocks } from './lock.js';
import { mayStart } from './may-start.js';
import { outcomeLines } from './notice-lines.js';
import { compactProgress, MEMO_LIMIT_BYTES } from './progress.js';
import { Run, type SagaEntry } from './run.js';
import { incomplete, takeBack } from './saga.js';
import { probesOfStage } from './stage-facts.js';
import { approve } from './steps/approval.js';
import { measureChanged, takeBaseline } from './steps/deploy.js';
import { describeUndo, lookAt, verbsOf } from './steps/index.js';
import { describeError, describeSpan, drifted, isFailure, now, stopOf } from './stop.js';

export async function rollout(input: RolloutInput): Promise<RolloutResult> {
  const forward = new CancellationScope();
  const run = new Run(input, forward, lookAt);
  listen(run);
  heedCancel(run);
  run.changed();
  if (input.takeBack) return await takeBackAnother(run, input.takeBack);
  let giveBack: GiveBack | undefined;
  try {
    await forward.run(async () => {
      startDeadline(run);
      giveBack = await takeLocks(run);
      await carryOut(run);
    });
  } catch (error) {
    const stop = run.progress.stop ?? stopOf(error, run.currentStep);
    return await CancellationScope.nonCancellable(() => goBack(run, stop, giveBack));
  }
  return await CancellationScope.nonCancellable(async () => {
    await settle(run);
    await showChanged(run);
    return close(run, 'promoted', giveBack);
  });
}

async function carryOut(run: Run): Promise<void> {
  await quick('files of the plan').verifyPlanFiles({ context: run.context, files: run.plan.files });
  await identifyInitiator(run);
  run.tell('started', `${run.plan.application} ${run.plan.version}, started by ${run.input.startedBy}`);
  run.enterPhase('running');
  for (const stage of run.plan.stages) {
    await enterStage(run, stage);
    for (const step of stage.steps) {
      await mayStart(run, step);
      await carryOutStep(run, step);
    }
  }
  // The last activity may end well although it was told to stop: then nothing has thrown.
  if (run.progress.stop && patched('late-stop')) throw new CancelledFailure(run.progress.stop.message);
  // Nothing awaits between here and `settling`, so an abort is either before or too late, never half.
  run.enterPhase('settling');
}

/** What runs there before anything is changed: the release that gates judge, and what restoring is measured against. */
async function enterStage(run: Run, stage: ResolvedStage): Promise<void> {
  run.progress.stage = stage.name;
  for (const step of stage.steps) {
    if (step.kind !== 'deploy') continue;
    const { look } = await lookAt(run, step);
    const found = look.found as Parameters<typeof takeBaseline>[2]['found'];
    if (!run.releases.has(stage.name)) run.releases.set(stage.name, found.live);
    await takeBaseline(run, step, { ...look, found });
  }
}

async function carryOutStep(run: Run, step: ResolvedStep): Promise<void> {
  for (;;) {
    run.beginStep(step.name);
    try {
      run.endStep(step.name, 'succeeded', await actOn(run, step));
      return;
    } catch (error) {
      const gate = isFailure(error, FAILURES.drift) ? approvalOf(run, step) : undefined;
      if (!gate) {
        if (!isCancellation(error)) run.endStep(step.name, 'failed', describeError(error));
        throw error;
      }
      await askAgain(run, gate, step, describeError(error));
    }
  }
}

/** Look, record the undo, act, verify. */
async function actOn(run: Run, step: ResolvedStep): Promise<string> {
  const verbs = verbsOf(step);
  const look = await verbs.look(run, step);
  // A look that is cancelled may end all the same. What is not begun after it must not be taken back.
  if (CancellationScope.current().consideredCancelled && patched('not-begun')) {
    throw new CancelledFailure(`${step.name} was not begun`);
  }
  const approved = run.approvedLooks.get(step.name);
  if (approved !== undefined && approved !== look.digest && approved !== look.unpinnedDigest) {
    throw drifted(
      `${step.name} is not what was approved: ${look.changes.join('; ') || 'nothing would change now'}`,
    );
  }
  run.warn(...look.warnings);
  const undo = describeUndo(step, look);
  if (undo !== undefined) run.compensate(step, look, undo);
  const summary = await verbs.act(run, step, look);
  await verbs.verify(run, step, look);
  return summary;
}

/** The approval that covers a step, if it has been given. */
function approvalOf(run: Run, step: ResolvedStep): ApprovalStep | undefined {
  const steps = run.plan.stages.flatMap((stage) => stage.steps);
  return steps.find(
    (each): each is ApprovalStep =>
      each.kind === 'approval' && each.config.covers.includes(step.name) && run.approvedLooks.has(step.name),
  );
}

/** Drift voids the approval: what is left of the covered steps is shown and asked about anew. */
async function askAgain(run: Run, gate: ApprovalStep, step: ResolvedStep, why: string): Promise<void> {
  for (const approval of run.progress.approvals) {
    if (approval.gate === gate.name && approval.answer === 'approved') {
      approval.answer = 'voided';
      approval.reason = why;
    }
  }
  run.warn(`approval of ${gate.name} is void: ${why}`);
  const left = gate.config.covers.slice(gate.config.covers.indexOf(step.name));
  run.endStep(gate.name, 'succeeded', await approve(run, gate, left));
}

/** The deadline is a timer of ours: the server's own timeout would run no undo. */
function startDeadline(run: Run): void {
  const { deadlineMs } = run.plan;
  const leftMs = workflowInfo().startTime.getTime() + deadlineMs - Date.now();
  void sleep(Math.max(leftMs, 1), { summary: 'deadline' })
    .then(() => {
      const message = `the deadline of ${describeSpan(deadlineMs)} has passed`;
      run.turnRound({
        kind: 'deadline',
        message,
        step: run.currentStep,
        at: now(),
      });
    })
    .catch(() => undefined);
}

/** After the last gate: the old release goes, private labels are dropped. What fails here only warns. */
async function settle(run: Run): Promise<void> {
  run.keep();
  await finish(run, ({ step, look }) => verbsOf(step).settle(run, step, look));
}

/** What only a retry of the way back would have needed. */
async function tidy(run: Run): Promise<void> {
  if (!run.isWhole) return;
  await finish(run, async ({ step, look, compensation }) => {
    if (compensation.status !== 'kept') await verbsOf(step).undo?.tidy?.(run, step, look);
  });
}

/** Nothing depends on it any more. */
async function finish(run: Run, work: (entry: SagaEntry) => Promise<void>): Promise<void> {
  await run.sideBySide(run.saga, async (entry) => {
    try {
      await work(entry);
    } catch (error) {
      run.warn(`${entry.step.name} could not be settled: ${describeError(error)}`);
    }
  });
}

/** Before and after, as the running releases tell it. What cannot be measured is not worth a promoted rollout. */
async function showChanged(run: Run): Promise<void> {
  if (!run.isWhole) return;
  try {
    const rows = await Promise.all(run.plan.stages.map((stage) => measureChanged(run, stage)));
    run.progress.changed = rows.flat();
  } catch (error) {
    run.warn(`what is in force now could not be measured: ${describeError(error)}`);
  }
}

/** Another run has left something: it is taken back, or a person has accepted it as it is. */
async function takeBackAnother(run: Run, takeBack: TakeBack): Promise<RolloutResult> {
  run.progress.undoes = `${run.progress.application}/${takeBack.deeds.runId}`;
  const stop = stopOfTakeBack(takeBack);
  // There is no way forward that an abort could end.
  run.progress.stop = stop;
  return CancellationScope.nonCancellable(async () => {
    if (takeBack.accept) {
      run.progress.acceptedBy = takeBack.by;
      run.progress.left.push(...takeBack.deeds.records.map(({ step }) => `${step}: as the run has left it`));
      await close(run, 'rollbackIncomplete', undefined);
      throw incomplete(`left undone: ${run.progress.left.join(', ')}; accepted by ${takeBack.by}`);
    }
    let giveBack: GiveBack | undefined;
    try {
      giveBack = await adopt(run, takeBack);
    } catch (error) {
      run.progress.stop = { ...stopOf(error, undefined), kind: 'refused' };
      return close(run, 'refused', undefined);
    }
    return goBack(run, stop, giveBack);
  });
}

async function goBack(run: Run, stop: StopReason, giveBack: GiveBack | undefined): Promise<RolloutResult> {
  if (stop.kind === 'refused' && run.saga.length === 0) {
    run.progress.stop = stop;
    return close(run, 'refused', giveBack);
  }
  for (const { name, status } of run.progress.steps) {
    if (status === 'running' || status === 'waiting') run.endStep(name, 'failed', stop.message);
  }
  advise(run, stop);
  const restored = await takeBack(run, stop);
  if (restored) await tidy(run);
  const result = await close(run, restored ? 'rolledBack' : 'rollbackIncomplete', giveBack);
  if (!restored)
    throw incomplete(`left undone: ${run.progress.left.join(', ')}; accepted by ${run.progress.acceptedBy}`);
  if (stop.kind === 'cancel') throw new CancelledFailure('cancelled; everything was restored');
  return result;
}

/** The document's troubleshooting, beside what did not hold. */
function advise(run: Run, stop: StopReason): void {
  const step = run.plan.stages.flatMap(({ steps }) => steps).find(({ name }) => name === stop.step);
  if (!step) return;
  const { measurements = [] } = run.stepProgress(step.name);
  const advice = adviseOn(measurements, probesOfStage(run.stageOf(step).steps));
  if (advice.length > 0) stop.advice = advice;
}

async function close(run: Run, outcome: Outcome, giveBack: GiveBack | undefined): Promise<RolloutResult> {
  run.progress.outcome = outcome;
  run.progress.closedAt = now();
  run.progress.phase = 'closed';
  run.changed();
  run.tell('outcome', `${run.plan.application} ${run.plan.version}: ${outcome}`, outcomeLines(run.progress));
  try {
    await quick('report').writeReport({
      context: run.context,
      progress: compactProgress(run.progress, MEMO_LIMIT_BYTES),
    });
  } catch (error) {
    run.warn(`the report could not be written: ${describeError(error)}`);
  }
  await run.noticesDelivered();
  await condition(allHandlersFinished);
  await giveBack?.();
  run.keep();
  return { outcome, progress: run.progress };
}
