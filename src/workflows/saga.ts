/**
 * The way back. Order: traffic to the warm old release at once; then what failed tells what it can, and is stopped;
 * then state, in reverse; then every release that started from undone state is started again; then all of it is
 * measured.
 * It runs shielded from cancellation. One undo that fails does not stop the others; afterwards the rollout
 * stays open, names what is left, and waits for `retry` or `accept`.
 */
import { ApplicationFailure, patched } from '@temporalio/workflow';
import type { UndoResult } from '../contract/activities.js';
import { FAILURES } from '../contract/messages.js';
import type { Compensation, StopReason } from '../contract/progress.js';
import { outcomeLines } from './notice-lines.js';
import { clip } from './progress.js';
import type { Run, SagaEntry } from './run.js';
import { type RestorationCheck, verbsOf } from './steps/index.js';
import { describeError, now, rootCause } from './stop.js';

/** @returns true when all was restored, false when a person accepted what is left */
export async function takeBack(run: Run, stop: StopReason): Promise<boolean> {
  run.progress.stop = stop;
  run.progress.held = undefined;
  run.enterPhase('rollingBack');
  run.keep();
  run.tell('rollback', `${stop.kind}: ${stop.message}`, outcomeLines(run.progress));
  const entries = [...run.saga].reverse();
  for (;;) {
    await undoAll(run, entries);
    const left = entries.filter(({ compensation }) => compensation.status === 'failed');
    if (left.length === 0) return true;
    if (!(await askForHelp(run, left))) return false;
    for (const { compensation } of left) compensation.status = 'undoing';
  }
}

async function undoAll(run: Run, entries: SagaEntry[]): Promise<void> {
  const reverting: SagaEntry[] = [];
  for (const entry of entries) {
    if (await isReverted(run, entry)) reverting.push(entry);
  }
  await inPhase(run, reverting, 'traffic', (entry) => undoOf(entry)?.traffic?.(run, entry.step, entry.look));
  if (run.isWhole) await secureAll(run, reverting);
  await inPhase(run, reverting, 'stop', (entry) => undoOf(entry)?.stop?.(run, entry.step, entry.look));
  const before = new Set(reverting.filter(({ done }) => done.has('state')));
  await inPhase(run, reverting, 'state', (entry) => undoOf(entry)?.state?.(run, entry.step, entry.look));
  const undoneNow = reverting.filter(
    (entry) => entry.done.has('state') && !before.has(entry) && !isOver(entry),
  );
  reverting.push(...reopenStartedFrom(run, entries, undoneNow));
  // Of all entries: a retry goes through what failed only, and has to know what was undone before it.
  const undone = new Set(entries.filter(({ done }) => done.has('state')).map(({ step }) => step.name));
  await inPhase(run, reverting, 'restart', (entry) =>
    undoOf(entry)?.restart?.(run, entry.step, entry.look, undone),
  );
  await measureRestoration(run, reverting);
}

/**
 * Started again before what it starts from was undone, in an earlier round: it may have been started in between by
 * whatever keeps it running. It is started anew.
 * @returns those that were restored already, and have to be measured anew, too
 */
function reopenStartedFrom(run: Run, entries: SagaEntry[], undoneNow: SagaEntry[]): SagaEntry[] {
  const names = undoneNow.map(({ step }) => step.name);
  const early = entries.filter(
    ({ step, compensation, done }) =>
      step.kind === 'deploy' &&
      step.config.startsFrom.some((name) => names.includes(name)) &&
      done.has('restart') &&
      ['undone', 'undoing'].includes(compensation.status),
  );
  // A run that was begun by a worker without this has no place for its commands.
  if (early.length === 0 || !patched('restart-late')) return [];
  for (const { done } of early) done.delete('restart');
  const reopened = early.filter(({ compensation }) => compensation.status === 'undone');
  for (const { step, compensation } of reopened) {
    compensation.status = 'undoing';
    run.markStep(step.name, 'undoing');
  }
  return reopened;
}

/** Once: what failed is there to tell of itself only until it is stopped. */
async function secureAll(run: Run, entries: SagaEntry[]): Promise<void> {
  for (const entry of entries) {
    if (entry.done.has('secure')) continue;
    entry.done.add('secure');
    await undoOf(entry)?.secure?.(run, entry.step, entry.look);
  }
}

function undoOf({ step }: Pick<SagaEntry, 'step'>) {
  return verbsOf(step).undo;
}

/** What the plan says of a step's effect on the way back; `ask` asks once. */
async function isReverted(run: Run, entry: SagaEntry): Promise<boolean> {
  const { step, compensation } = entry;
  if (['undone', 'kept', 'notNeeded'].includes(compensation.status)) return false;
  if (step.onRollback === 'keep' || (step.onRollback === 'ask' && (await isKeptByAnswer(run, entry)))) {
    compensation.status = 'kept';
    compensation.at = now();
    const asked = step.onRollback === 'keep' ? '' : `${step.name} is kept, as answered: not done was `;
    run.progress.left.push(`${asked}${compensation.description}`);
    run.endStep(step.name, 'kept');
    return false;
  }
  compensation.status = 'undoing';
  run.markStep(step.name, 'undoing');
  return true;
}

async function isKeptByAnswer(run: Run, { step, compensation, done }: SagaEntry): Promise<boolean> {
  if (done.has('asked')) return false;
  done.add('asked');
  const message = `${step.name} asks before it is taken back (${compensation.description}): retry takes it back, skip keeps it`;
  run.tell('waiting', message, [], { answers: ['retry', 'skip'], step: step.name });
  const answer = await run.ask({ for: 'decision', step: step.name, message, answers: ['retry', 'skip'] });
  return answer.name === 'skip';
}

/** One phase over all entries; what failed in it is left out of the later ones, and the others go on. */
async function inPhase(
  run: Run,
  entries: SagaEntry[],
  phase: string,
  undo: (entry: SagaEntry) => Promise<UndoResult> | undefined,
): Promise<void> {
  for (const entry of entries) {
    if (entry.done.has(phase) || isOver(entry)) continue;
    try {
      const result = await undo(entry);
      if (result) run.note(entry.step.name, result.summary);
      if (result?.untouched) entry.compensation.status = 'notNeeded';
      entry.done.add(phase);
    } catch (error) {
      fail(run, entry, error);
    }
  }
}

/** Failed, or found to have changed nothing: what is there then is somebody else's, and is not measured as ours. */
function isOver({ compensation }: SagaEntry): boolean {
  return compensation.status === 'failed' || compensation.status === 'notNeeded';
}

async function measureRestoration(run: Run, entries: SagaEntry[]): Promise<void> {
  const checks: RestorationCheck[] = [];
  for (const entry of entries) {
    if (entry.compensation.status === 'notNeeded') run.endStep(entry.step.name, 'undone');
    if (isOver(entry)) continue;
    try {
      const measured = (await undoOf(entry)?.measure(run, entry.step, entry.look)) ?? [];
      checks.push(...measured);
      const against = measured.filter(({ ok }) => !ok);
      if (against.length === 0) succeed(run, entry);
      else failMeasured(run, entry, against);
    } catch (error) {
      fail(run, entry, error);
    }
  }
  const earlier = run.progress.restoration?.checks ?? [];
  const measuredNow = new Set(checks.map(({ what }) => what));
  run.progress.restoration = { checks: [...earlier.filter(({ what }) => !measuredNow.has(what)), ...checks] };
  run.changed();
}

function succeed(run: Run, { step, compensation }: SagaEntry): void {
  Object.assign(compensation, { status: 'undone', at: now() } satisfies Partial<Compensation>);
  for (const key of ['item', 'found', 'expected', 'command', 'error'] as const) delete compensation[key];
  run.endStep(step.name, 'undone');
}

function failMeasured(run: Run, entry: SagaEntry, against: RestorationCheck[]): void {
  for (const phase of ['traffic', 'stop', 'state', 'restart']) entry.done.delete(phase);
  Object.assign(entry.compensation, {
    status: 'failed',
    item: against.map(({ what }) => what).join(', '),
    found: against.map(({ found }) => found).join(', '),
    expected: against.map(({ expected }) => expected).join(', '),
    command: commandOf(run, entry),
    at: now(),
  } satisfies Partial<Compensation>);
  run.endStep(entry.step.name, 'undoFailed');
}

/** A failure may carry what a person needs: { item, found, expected, command }. */
function fail(run: Run, entry: SagaEntry, error: unknown): void {
  const cause = rootCause(error);
  const detail = cause instanceof ApplicationFailure ? cause.details?.[0] : undefined;
  Object.assign(entry.compensation, {
    status: 'failed',
    item: entry.step.name,
    found: clip(`not known, for it could not be undone: ${describeError(error)}`),
    expected: entry.compensation.description,
    command: commandOf(run, entry),
    ...(isDetail(detail) ? detail : {}),
    error: describeError(error),
    at: now(),
  });
  run.endStep(entry.step.name, 'undoFailed', describeError(error));
}

function commandOf(run: Run, { step, look }: SagaEntry): string | undefined {
  const deed = { runId: run.deedsRunId, version: run.context.version, isGone: run.gone.has(step.name) };
  return undoOf({ step })?.mend(step, look, deed);
}

function isDetail(value: unknown): value is Partial<Compensation> {
  return typeof value === 'object' && value !== null && 'item' in value;
}

/** @returns true for `retry`, false for `accept` */
async function askForHelp(run: Run, left: SagaEntry[]): Promise<boolean> {
  const items = left.map(({ compensation }) => compensation.item ?? compensation.step);
  const message = `not restored: ${items.join(', ')}. retry undoes again, accept closes it as rollbackIncomplete`;
  run.tell(
    'rollbackIncomplete',
    message,
    left.flatMap(({ compensation: c }) => [
      `${c.item ?? c.step}: found ${c.found ?? 'unknown'}, expected ${c.expected ?? 'as before'}`,
      ...(c.command ? [`mend: ${c.command}`] : []),
    ]),
    { answers: ['retry', 'accept'] },
  );
  const answer = await run.ask({
    for: 'undo',
    step: left[0]?.step.name ?? '',
    message,
    answers: ['retry', 'accept'],
  });
  if (answer.name === 'retry') return true;
  run.progress.acceptedBy = answer.by;
  run.progress.left.push(...items);
  return false;
}

export function incomplete(message: string): ApplicationFailure {
  return ApplicationFailure.nonRetryable(message, FAILURES.incomplete);
}
