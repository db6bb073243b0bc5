/** `approval`: shows what was found, and waits for people to answer exactly that. */
import { CancellationScope } from '@temporalio/workflow';
import type { EvidenceInput, Look } from '../../contract/activities.js';
import { fitTogether, sizeOf } from '../../contract/fit.js';
import type { Evidence, Waiting } from '../../contract/progress.js';
import type { ApprovalStep, ResolvedStep } from '../../plan/resolved.js';
import { quick } from '../activity-options.js';
import { countPeople, counts, verifyAsTheyCome } from '../identity.js';
import type { Answer, Run } from '../run.js';
import { now } from '../stop.js';
import { watchWhile } from '../vigil.js';
import { nothing, nothingToLookAt, type StepVerbs } from './step-verbs.js';

/** Beside the step's own settings, the plan's and the gate's name. */
const LARGEST_EVIDENCE_BYTES = 12 * 1024;

export const approval: StepVerbs<ApprovalStep> = {
  look: async () => nothingToLookAt(),
  act: (run, step) => approve(run, step, step.config.covers),
  verify: nothing,
  undo: null,
  settle: nothing,
};

/**
 * Asks for an approval of `covers`, bound to what a look finds now.
 * @returns one line; ends the rollout when it is rejected or times out
 */
export async function approve(run: Run, step: ApprovalStep, covers: string[]): Promise<string> {
  const evidence = await gatherEvidence(run, step, covers);
  const approvers = await collectAnswers(run, step, evidence);
  for (const [name, digest] of Object.entries(evidence.looks)) run.approvedLooks.set(name, digest);
  return `approved by ${approvers.join(', ')} (digest ${evidence.digest})`;
}

async function gatherEvidence(run: Run, step: ApprovalStep, covers: string[]): Promise<Evidence> {
  const looks = [];
  // A covered step may have been begun and found drift: what it would take back is looked at anew.
  const done = run.saga.filter((entry) => !covers.includes(entry.step.name));
  const compensations = done.map(({ compensation }) => compensation.description);
  const seen = await run.sideBySide(coveredSteps(run, covers), async (step) => ({
    step: step.name,
    ...(await run.lookAt(run, step)),
  }));
  for (const each of seen) {
    if (each.status === 'rejected') throw each.reason;
    const { step, look, undo } = each.value;
    looks.push({ step, look });
    if (undo) compensations.push(undo);
  }
  const composed = await quick(`evidence for ${step.name}`).composeEvidence({
    context: run.context,
    gate: step.name,
    approval: { ...step.config, covers },
    planDigest: run.plan.digest,
    overrides: run.plan.overrides,
    ...fitEvidence(looks, resultsSoFar(run), compensations.reverse()),
    // What was answered to a void one must not answer this one, however alike they are.
    voided: run.progress.approvals.filter(({ gate, answer }) => gate === step.name && answer === 'voided')
      .length,
  });
  return {
    ...composed,
    covers,
    looks: Object.fromEntries(looks.map(({ step, look }) => [step, look.digest])),
  };
}

/** Names and digests are whole; what is said of them shares the rest of what an activity may be given. */
function fitEvidence(
  looks: { step: string; look: Look }[],
  results: string[],
  compensations: string[],
): Pick<EvidenceInput, 'looks' | 'results' | 'compensations'> {
  const bare = looks.map(({ step, look: { digest } }) => ({ step, digest, changes: [], warnings: [] }));
  const lists = [...looks.flatMap(({ look }) => [look.changes, look.warnings]), results, compensations];
  const fitted = fitTogether(lists, LARGEST_EVIDENCE_BYTES - sizeOf(bare));
  return {
    looks: looks.map(({ step, look: { digest } }, index) => ({
      step,
      look: { digest, changes: fitted[2 * index] ?? [], warnings: fitted[2 * index + 1] ?? [] },
    })),
    results: fitted.at(-2) ?? [],
    compensations: fitted.at(-1) ?? [],
  };
}

function coveredSteps(run: Run, covers: string[]): ResolvedStep[] {
  return run.plan.stages.flatMap((stage) => stage.steps.filter(({ name }) => covers.includes(name)));
}

function resultsSoFar(run: Run): string[] {
  return run.progress.steps
    .filter(({ status, kind }) => status === 'succeeded' && kind !== 'approval')
    .flatMap(({ name, summary, measurements }) => [
      `${name}: ${summary ?? 'done'}`,
      ...(measurements ?? []).map((m) => `${name}: ${m.message}`),
    ]);
}

/** @returns who approved */
async function collectAnswers(run: Run, step: ApprovalStep, evidence: Evidence): Promise<string[]> {
  const { approvals, timeoutMs, covers } = step.config;
  const { gate, digest } = evidence;
  const message = `${step.name} needs ${approvals === 1 ? 'an approval' : `${approvals} approvals`} of ${covers.length} steps`;
  run.markStep(step.name, 'waiting');
  run.tell('approval', message, evidence.changes, {
    answers: ['approve', 'reject'],
    gate,
    digest,
    signed: step.config.identity !== undefined,
  });
  // Beside the wait, and over with it.
  const verifying = new CancellationScope();
  if (step.config.identity) {
    void verifying.run(() => verifyAsTheyCome(run, step, evidence)).catch(() => undefined);
  }
  const waiting: Waiting = {
    for: 'approval',
    step: step.name,
    since: now(),
    message,
    gate,
    digest,
    evidence,
    ...(step.config.identity ? { signed: true as const } : {}),
    answers: ['approve', 'reject', 'abort'],
  };
  const inTime = await watchWhile(run, () =>
    run.waitFor(waiting, () => isDecided(run.answers, approvals), timeoutMs),
  ).finally(() => {
    verifying.cancel();
    // Also when it was stopped: whoever has sent what was not verified in time must not wait for ever.
    run.answers = run.answers.filter(counts);
  });
  const rejection = run.answers.find(({ name }) => name === 'reject');
  for (const { name, by, reason, key } of run.answers) {
    run.progress.approvals.push({
      gate,
      digest,
      answer: name === 'reject' ? 'rejected' : 'approved',
      by,
      verified: key !== undefined,
      ...(key === undefined ? {} : { key }),
      at: now(),
      reason,
    });
  }
  if (rejection) {
    throw run.turnRound({
      kind: 'rejected',
      message: `rejected by ${rejection.by}${because(rejection)}`,
      step: step.name,
      by: rejection.by,
      at: now(),
    });
  }
  if (!inTime) {
    throw run.turnRound({ kind: 'timeout', message: 'nobody answered in time', step: step.name, at: now() });
  }
  run.markStep(step.name, 'running');
  return [...new Set(run.answers.map(({ by }) => by))];
}

/** Two approvals are two people's. */
function isDecided(answers: Answer[], approvals: number): boolean {
  const counting = answers.filter(counts);
  return counting.some(({ name }) => name === 'reject') || countPeople(counting) >= approvals;
}

function because({ reason }: Answer): string {
  return reason ? `: ${reason}` : '';
}
