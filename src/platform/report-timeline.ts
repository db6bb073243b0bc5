/** What happened when, in one list: steps, approvals, what ended it early, the way back. Pure. */
import type { Approval, Compensation, Progress, StepProgress } from '../contract/progress.js';
import { describeTaint } from '../contract/taint.js';

export interface Happening {
  /** ISO 8601. */
  at: string;
  what: string;
}

/** Oldest first; what happened at the same moment keeps the order of the plan. */
export function timelineOf(progress: Progress): Happening[] {
  const { application, version, startedBy, startedAt, closedAt, outcome, waiting, held } = progress;
  const happenings = [
    { at: startedAt, what: `${application} ${version} started by ${startedBy}` },
    ...progress.steps.flatMap((step) => happeningsOf(step, progress)),
    ...progress.approvals.map(describeApproval),
    ...describeStop(progress),
    ...progress.compensations.flatMap(describeCompensation),
    ...(held ? [{ at: held.at, what: `held by ${held.by}` }] : []),
    ...(waiting ? [{ at: waiting.since, what: `waits: ${waiting.message}` }] : []),
    ...(closedAt ? [{ at: closedAt, what: `closed: ${outcome ?? 'without an outcome'}` }] : []),
  ];
  return happenings.sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
}

/** The end of a step that was taken back since is the end of its way back, of which its compensation tells. */
function happeningsOf(step: StepProgress, { compensations }: Progress): Happening[] {
  const { name, status, attempt, startedAt, endedAt, summary, tainted = [] } = step;
  if (!startedAt) return [];
  const times = attempt > 1 ? ` (${attempt} attempts)` : '';
  const begun = [
    { at: startedAt, what: `${name} begins${times}` },
    ...tainted.map((taint) => ({ at: taint.at, what: `${name} is tainted: ${describeTaint(taint)}` })),
  ];
  const isTakenBack = compensations.some((each) => each.step === name && each.at !== undefined);
  if (!endedAt || isTakenBack) return begun;
  return [...begun, { at: endedAt, what: `${name} ${status}${summary ? `: ${summary}` : ''}` }];
}

function describeApproval({ gate, answer, by, verified, at, reason }: Approval): Happening {
  const why = reason ? `: ${reason}` : '';
  return { at, what: `${gate} ${answer} by ${by}${verified ? '' : ' (unverified)'}${why}` };
}

function describeStop({ stop }: Progress): Happening[] {
  if (!stop) return [];
  const by = stop.by ? ` by ${stop.by}` : '';
  const step = stop.step ? ` at ${stop.step}` : '';
  return [{ at: stop.at, what: `turned round (${stop.kind}${by})${step}: ${stop.message}` }];
}

const ENDS: Partial<Record<Compensation['status'], string>> = {
  undone: 'taken back',
  kept: 'kept as it is, not taken back',
  failed: 'could not be taken back',
  notNeeded: 'had nothing to take back',
};

function describeCompensation({ step, status, description, at }: Compensation): Happening[] {
  const end = ENDS[status];
  return at === undefined || end === undefined ? [] : [{ at, what: `${step} ${end}: ${description}` }];
}
