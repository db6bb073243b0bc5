/**
 * Verified identities. A signed answer waits here until an activity has said whose it is; until then it counts for
 * nothing. People are told apart by name and by key: one key under two names is one person, and so is one name with
 * two keys.
 */
import { CancellationScope, condition, workflowInfo } from '@temporalio/workflow';
import { toMarkdown } from '../contract/plain-text.js';
import type { Evidence } from '../contract/progress.js';
import type { SignedAnswer } from '../contract/signed-text.js';
import type { ApprovalStep } from '../plan/resolved.js';
import { quick } from './activity-options.js';
import type { Answer, Run } from './run.js';
import { describeError, now, refused } from './stop.js';

/** A signed start that lay about is none of today's. */
const START_VALID_MS = 2 * 60_000;

/** Before anything is touched: does the worker know signers, and who has started it? */
export async function identifyInitiator(run: Run): Promise<void> {
  const gates = run.plan.stages.flatMap(({ steps }) => steps).filter(isSigned);
  if (gates.length === 0) return;
  const { signedStart: signed } = run.input;
  const wanted = gates.find(({ config }) => config.notInitiator);
  if (wanted && !signed) {
    throw refused(
      `${wanted.name} takes no approval of the initiator, so the start has to be signed: headgate start … --by NAME --key FILE`,
    );
  }
  if (signed) requireFresh(signed.at);
  const { key } = await quick('who has started it').verifyStart(
    signed
      ? {
          signed: {
            ...signed,
            application: run.plan.application,
            version: run.plan.version,
            planDigest: run.plan.digest,
            by: run.input.startedBy,
          },
        }
      : {},
  );
  if (key !== undefined) run.initiator = { by: run.input.startedBy, key };
}

function isSigned(step: { kind: string }): step is ApprovalStep {
  return step.kind === 'approval' && (step as ApprovalStep).config.identity !== undefined;
}

function requireFresh(at: string): void {
  const ageMs = workflowInfo().startTime.getTime() - Date.parse(at);
  if (Math.abs(ageMs) <= START_VALID_MS) return;
  throw refused(
    `The start was signed at ${at}, which is not within ${START_VALID_MS / 60_000} min of its start. Start it again; mind the client's clock.`,
  );
}

/** Verifies signed answers, one after the other, until the scope that it runs in is cancelled. */
export async function verifyAsTheyCome(run: Run, step: ApprovalStep, evidence: Evidence): Promise<void> {
  for (;;) {
    await condition(() => run.answers.some(isOpen));
    const answer = run.answers.find(isOpen);
    if (answer) await verify(run, step, evidence, answer);
  }
}

/** Has been given its verdict, or needs none. */
export function counts({ signature, key }: Answer): boolean {
  return signature === undefined || key !== undefined;
}

function isOpen({ signature, key, why }: Answer): boolean {
  return signature !== undefined && key === undefined && why === undefined;
}

async function verify(run: Run, step: ApprovalStep, evidence: Evidence, answer: Answer): Promise<void> {
  const { name, by, reason, signature = '' } = answer;
  const signed: SignedAnswer = {
    answer: name === 'reject' ? 'reject' : 'approve',
    application: run.context.application,
    runId: run.context.runId,
    gate: evidence.gate,
    evidenceSha256: evidence.sha256 ?? '',
    by,
    reason,
  };
  let why: string | undefined;
  try {
    const verdict = await quick(`who signed as ${toMarkdown(by)}`).verifyAnswer({
      answer: signed,
      signature,
    });
    if ('key' in verdict) why = whyNot(run, step, by, verdict.key);
    else why = `the signature is none of ${by} for this run, gate and evidence: ${verdict.why}`;
    if (why === undefined && 'key' in verdict) answer.key = verdict.key;
  } catch (error) {
    if (CancellationScope.current().consideredCancelled) throw error;
    why = `it could not be verified: ${describeError(error)}`;
  }
  if (why !== undefined) {
    answer.why = why;
    run.progress.ignored = { signal: name, at: now(), why };
  }
  run.changed();
}

/** Whose signature it is is known; may he answer here? */
function whyNot(run: Run, { config }: ApprovalStep, by: string, key: string): string | undefined {
  if (config.approvers && !config.approvers.includes(by)) {
    return `${by} is none of the approvers: ${config.approvers.join(', ')}`;
  }
  if (config.notInitiator && (run.initiator?.by === by || run.initiator?.key === key)) {
    return `${by} has started it, and somebody else has to approve`;
  }
  return undefined;
}

/** How many different people these are: answers that share a name or a key, however many steps apart, are one's. */
export function countPeople(answers: Answer[]): number {
  let people: Set<string>[] = [];
  for (const { by, key } of answers) {
    const marks = [`name ${by}`, ...(key === undefined ? [] : [`key ${key}`])];
    const same = people.filter((known) => marks.some((mark) => known.has(mark)));
    const merged = new Set([...marks, ...same.flatMap((known) => [...known])]);
    people = [...people.filter((known) => !same.includes(known)), merged];
  }
  return people.length;
}
