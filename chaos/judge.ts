/** What has to hold after a run (design §3), as seen from outside: things, processes, locks. Pure. */
import type { Progress } from '../src/contract/progress.js';
import type { Struck } from './inject.js';
import type { Seen } from './items/item.js';
import { NOBODY } from './malformed.js';
import type { LeftOpen } from './operator.js';
import type { FaultName, Schedule } from './schedule.js';

export type End = 'promoted' | 'restored' | 'refused' | 'accepted as left' | 'open';

export interface Case {
  schedule: Schedule;
  struck: Struck[];
  temporalStatus: string;
  progress: Progress | undefined;
  /** Of every thing, at the end. */
  seen: ReadonlyMap<string, Seen>;
  leftOpen: LeftOpen[];
  /** Steps that a person has let stand on the way back. */
  kept: ReadonlySet<string>;
}

/** What no rollout can bring back by itself: it has to say so, and to wait. */
const NOT_OURS: FaultName[] = [
  'secret changed by a colleague',
  'file changed by a colleague',
  'infrastructure changed by a colleague',
  'branch pushed to by a colleague',
  'release deployed by a colleague',
  'file cannot be written',
];

export function endOf({ temporalStatus, progress }: Pick<Case, 'temporalStatus' | 'progress'>): End {
  if (temporalStatus === 'RUNNING') return 'open';
  const outcome = progress?.outcome;
  if (outcome === 'promoted' || outcome === 'refused') return outcome;
  return outcome === 'rolledBack' ? 'restored' : 'accepted as left';
}

/** @returns what did not hold, a line each; none when all held */
export function judge(run: Case): string[] {
  const end = endOf(run);
  const { progress } = run;
  if (!progress) return ['the rollout has no progress'];
  if (end === 'open') return [`still open: it waits for ${progress.waiting?.message ?? 'nothing it names'}`];
  return [
    ...judgeClose(run, end),
    ...judgeThings(run, end),
    ...run.leftOpen.flatMap((left) => judgeLeft(run, left)),
    ...judgeAnswers(progress),
  ];
}

/** The workflow ends as its outcome says. */
function judgeClose({ temporalStatus, progress }: Case, end: End): string[] {
  const closings: Record<End, string[]> = {
    promoted: ['COMPLETED'],
    refused: ['COMPLETED'],
    restored: progress?.stop?.kind === 'cancel' ? ['CANCELLED'] : ['COMPLETED'],
    'accepted as left': ['FAILED'],
    open: [],
  };
  const faults = closings[end].includes(temporalStatus)
    ? []
    : [`${end}, but the workflow is ${temporalStatus} (outcome ${progress?.outcome ?? 'none'})`];
  if (end === 'accepted as left' && !progress?.acceptedBy)
    faults.push('rollbackIncomplete without an accept');
  if (progress?.waiting) faults.push(`closed, and waits for ${progress.waiting.message}`);
  return faults;
}

function judgeThings(run: Case, end: End): string[] {
  return [...run.seen].flatMap(([step, seen]) => {
    const faults = seen.lost === undefined ? [] : [`${step}: ${seen.lost}. ${seen.what}`];
    const why = end === 'promoted' ? notTarget(run, step, seen) : notBefore(run, end, step, seen);
    return why === undefined ? faults : [...faults, `${end}, but ${step} is not: ${why}. ${seen.what}`];
  });
}

function notTarget(run: Case, step: string, { standing }: Seen): string | undefined {
  if (standing === 'target') return undefined;
  return standing === 'theirs' && wasMeddledWith(run, step) ? undefined : `it is ${standing}`;
}

function notBefore(run: Case, end: End, step: string, seen: Seen): string | undefined {
  const { standing, isAsBefore } = seen;
  if (isAsBefore) return undefined;
  // What a colleague has changed can only be put back as far as it was ours.
  const meddled = wasMeddledWith(run, step) || sourceWasMeddledWith(run, step);
  if (meddled && (standing === 'before' || standing === 'theirs')) return undefined;
  if (standing === 'target' && isKept(run, step)) return undefined;
  // What a release has in force follows what was kept.
  if (step.endsWith('/deploy') && standing === 'before' && sourceIsKept(run, step)) return undefined;
  const isNamed = end === 'accepted as left' && failedSteps(run).has(step);
  return isNamed ? undefined : `it is ${standing}, and not as before`;
}

function failedSteps({ progress }: Case): Set<string> {
  const failed = progress?.compensations.filter(({ status }) => status === 'failed') ?? [];
  return new Set(failed.map(({ step }) => step));
}

/** Marked in the plan, or answered so. */
function isKept({ schedule, kept }: Case, name: string): boolean {
  if (kept.has(name) || name.endsWith('/reboot')) return true;
  const [stage, kind] = name.split('/');
  const steps = schedule.stages.find((each) => each.name === stage)?.steps ?? [];
  return steps.some((step) => step.kind === kind && 'onRollback' in step && step.onRollback === 'keep');
}

function sourceIsKept(run: Case, deploy: string): boolean {
  return sourcesOf(deploy).some((step) => isKept(run, step));
}

function sourceWasMeddledWith(run: Case, step: string): boolean {
  return step.endsWith('/deploy') && sourcesOf(step).some((source) => wasMeddledWith(run, source));
}

function sourcesOf(deploy: string): string[] {
  const [stage] = deploy.split('/');
  return [`${stage}/secret`, `${stage}/config`];
}

const THINGS: Partial<Record<FaultName, string>> = {
  'secret changed by a colleague': 'secret',
  'file changed by a colleague': 'config',
  'infrastructure changed by a colleague': 'infra',
  'branch pushed to by a colleague': 'git',
  'release deployed by a colleague': 'deploy',
};

function wasMeddledWith({ struck }: Case, step: string): boolean {
  return struck.some(({ fault, failed }) => !failed && `${fault.stage}/${THINGS[fault.name]}` === step);
}

function isApplying({ standing, what }: Seen): boolean {
  return standing === 'broken' && what.includes('.lock.info');
}

function wasAway({ struck }: Case, step: string): boolean {
  return struck.some(
    ({ fault }) => fault.name === 'file cannot be written' && `${fault.stage}/config` === step,
  );
}

/** It stays open only for what is not ours to bring back, and names what differs and nothing else. */
function judgeLeft(run: Case, { waiting, named, seen }: LeftOpen): string[] {
  const faults = run.struck.some(({ fault }) => NOT_OURS.includes(fault.name))
    ? []
    : [`left open although nobody had changed anything: ${waiting.message}`];
  for (const { step, text } of named) {
    const found = seen.get(step);
    if (!found) faults.push(`named as left, and nothing of the plan: ${text}`);
    // What the rollout found may have been a colleague's, or a folder that was away for a while.
    else if (found.isAsBefore && !wasMeddledWith(run, step) && !wasAway(run, step))
      faults.push(`named as left, and is as before: ${text}. ${found.what}`);
    if (!/"command":"[^"]/.test(text)) faults.push(`named as left without a command: ${text}`);
  }
  if (!waiting.answers.includes('retry') || !waiting.answers.includes('accept')) {
    faults.push(`left open without retry and accept: ${waiting.answers.join(', ')}`);
  }
  const names = new Set(named.map(({ step }) => step));
  for (const [step, found] of seen) {
    // A colleague may be in the middle of an apply.
    if (names.has(step) || (isApplying(found) && wasMeddledWith(run, step))) continue;
    const why = notBefore(run, 'restored', step, found);
    if (why !== undefined) faults.push(`left open without naming ${step}: ${why}. ${found.what}`);
  }
  return faults;
}

function judgeAnswers({ approvals, stop, acceptedBy }: Progress): string[] {
  const by = [...approvals.map((approval) => approval.by), stop?.by, acceptedBy];
  return by.includes(NOBODY) ? [`an answer of ${NOBODY} was taken`] : [];
}
