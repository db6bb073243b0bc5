/** How the progress of a rollout may go on from one sight of it to the next: never backwards. */
import { isDeepStrictEqual } from 'node:util';
import type { Approval, Phase, Progress, StepStatus } from '../../src/contract/progress.js';

/** What may follow at once. Between two sights of it several of these may have happened. */
const NEXT_STATUS: Record<StepStatus, StepStatus[]> = {
  pending: ['running'],
  running: ['waiting', 'succeeded', 'failed', 'undoing', 'kept'],
  waiting: ['running', 'failed'],
  // A gate whose approval is void asks again; what has been monitored may fail later.
  succeeded: ['waiting', 'failed', 'undoing', 'kept'],
  failed: ['undoing', 'kept'],
  undoing: ['undone', 'undoFailed'],
  undoFailed: ['undoing'],
  // What started from a state that was restored only by a retry is started again.
  undone: ['undoing'],
  kept: [],
  skipped: [],
};

const NEXT_PHASE: Record<Phase, Phase[]> = {
  starting: ['running', 'rollingBack', 'closed'],
  running: ['waiting', 'held', 'settling', 'rollingBack'],
  waiting: ['running'],
  held: ['running'],
  settling: ['closed'],
  rollingBack: ['stuck', 'closed'],
  stuck: ['rollingBack'],
  closed: [],
};

/** Everything that has gone backwards between two sights; nothing when all is well. */
export function findBackwards(before: Progress, after: Progress): string[] {
  const found: string[] = [];
  const say = (isWrong: boolean, what: string) => {
    if (isWrong) found.push(what);
  };
  say(after.revision < before.revision, `revision ${before.revision} → ${after.revision}`);
  say(
    after.revision === before.revision && !isDeepStrictEqual(before, after),
    `changed under revision ${after.revision}: ${listDifferences(before, after)}`,
  );
  say(!reaches(NEXT_PHASE, before.phase, after.phase), `phase ${before.phase} → ${after.phase}`);
  for (const key of ['application', 'version', 'runId', 'planDigest', 'startedAt', 'deadlineAt'] as const) {
    say(before[key] !== after[key], `${key} changed`);
  }
  for (const key of ['outcome', 'closedAt', 'acceptedBy', 'undoes', 'changed'] as const) {
    say(before[key] !== undefined && !isDeepStrictEqual(before[key], after[key]), `${key} changed`);
  }
  // Advice comes later.
  for (const key of ['kind', 'message', 'at'] as const) {
    say(
      before.stop !== undefined && before.stop[key] !== after.stop?.[key],
      `the ${key} of the stop changed`,
    );
  }
  for (const key of ['warnings', 'left', 'diagnostics'] as const) {
    say(!isPrefix(before[key] ?? [], after[key] ?? []), `${key} lost something`);
  }
  found.push(...findBackwardSteps(before, after));
  say(
    before.approvals.some((each, index) => !isSameOrVoid(each, after.approvals[index])),
    'an approval changed',
  );
  for (const { step } of before.compensations) {
    say(!after.compensations.some((each) => each.step === step), `the compensation of ${step} is gone`);
  }
  const checked = new Set(after.restoration?.checks.map(({ what }) => what));
  say(before.restoration?.checks.some(({ what }) => !checked.has(what)) ?? false, 'a check is gone');
  say(
    (after.waiting !== undefined) !== ['waiting', 'held', 'stuck'].includes(after.phase),
    `${after.phase}, and waits for ${after.waiting?.for}`,
  );
  return found;
}

function findBackwardSteps(before: Progress, after: Progress): string[] {
  return before.steps.flatMap((step, index) => {
    const now = after.steps[index];
    if (now?.name !== step.name) return [`step ${step.name} is gone`];
    const found: string[] = [];
    // A step that was begun again has gone through `running` once more.
    const isLegal = now.status === step.status || reaches(NEXT_STATUS, step.status, now.status);
    if (!isLegal) found.push(`${step.name}: ${step.status} → ${now.status}`);
    if (now.attempt < step.attempt) found.push(`${step.name}: attempt ${step.attempt} → ${now.attempt}`);
    if (step.startedAt !== undefined && now.startedAt !== step.startedAt)
      found.push(`${step.name}: started anew`);
    return found;
  });
}

function reaches<State extends string>(next: Record<State, State[]>, from: State, to: State): boolean {
  const seen = new Set<State>([from]);
  for (const state of seen) for (const each of next[state]) seen.add(each);
  return seen.has(to);
}

function isPrefix(before: unknown[], after: unknown[]): boolean {
  return isDeepStrictEqual(before, after.slice(0, before.length));
}

function isSameOrVoid(before: Approval, after: Approval | undefined): boolean {
  if (isDeepStrictEqual(before, after)) return true;
  const isVoided = before.answer === 'approved' && after?.answer === 'voided';
  return isVoided && after.gate === before.gate && after.by === before.by && after.at === before.at;
}

function listDifferences(before: Progress, after: Progress): string {
  const keys = Object.keys({ ...before, ...after }) as (keyof Progress)[];
  return keys.filter((key) => !isDeepStrictEqual(before[key], after[key])).join(', ');
}
