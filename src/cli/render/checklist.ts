/** A rollout as a checklist: steps, what the running one does, what it waits for, the command that answers. Pure. */
import type { RolloutState } from '../../client.js';
import type { MeasurementOutcome, Progress, StepProgress, StepStatus } from '../../contract/progress.js';
import { describeTaint } from '../../contract/taint.js';
import { formatSpan } from '../../platform/report.js';
import { describeLive } from './live.js';
import { fitTo, type Paint } from './paint.js';
import { answerCommands } from './waiting.js';

const MARKS: Record<StepStatus, string> = {
  pending: '·',
  running: '▶',
  waiting: '⏸',
  succeeded: '✓',
  failed: '✗',
  undoing: '↩',
  undone: '↩',
  kept: '=',
  skipped: '⤼',
  undoFailed: '‼',
};

const TICKS: Record<MeasurementOutcome, string> = { pass: '✓', fail: '✗', inconclusive: '?', error: '‼' };

export interface ChecklistOptions {
  paint: Paint;
  columns: number;
  nowMs: number;
}

export function renderChecklist(state: RolloutState, options: ChecklistOptions): string[] {
  const { progress } = state;
  const lines = progress
    ? [
        ...headline(state, progress, options),
        ...steps(state, progress, options),
        ...reasons(progress, options.paint),
        ...waiting(progress, options.paint),
      ]
    : [
        `${state.application} ${state.version}  ${state.temporalStatus.toLowerCase()}, started by ${state.startedBy} at ${state.startedAt.toISOString()}`,
        '  no step has ended yet, and no worker answers',
      ];
  return lines.map((line) => fitTo(line, options.columns));
}

function headline(state: RolloutState, progress: Progress, { paint, nowMs }: ChecklistOptions): string[] {
  const { application, version, outcome, phase, startedBy, runId, startedAt, closedAt } = progress;
  const word = outcome ?? (state.temporalStatus === 'RUNNING' ? phase : state.temporalStatus.toLowerCase());
  const good = outcome === undefined || outcome === 'promoted';
  const span = formatSpan(startedAt, closedAt ?? new Date(nowMs).toISOString());
  const stale =
    state.source === 'memo' && state.temporalStatus === 'RUNNING'
      ? [paint.yellow('  as of the last step that ended: no worker answers (headgate worker)')]
      : [];
  return [
    `${paint.bold(`${application} ${version}`)}  ${(good ? paint.green : paint.red)(word)}  ${span}  by ${startedBy}  ${paint.dim(`${application}/${runId}`)}`,
    ...stale,
  ];
}

function steps(state: RolloutState, progress: Progress, options: ChecklistOptions): string[] {
  const stages = [...new Set(progress.steps.map(({ stage }) => stage))];
  const width = Math.max(...progress.steps.map(({ id }) => id.length));
  return stages.flatMap((stage) => [
    `  ${stage}`,
    ...progress.steps
      .filter((step) => step.stage === stage)
      .flatMap((step) => [
        stepLine(state, step, width, options),
        ...ticks(progress, step, options.paint),
        ...taints(step, options.paint),
      ]),
  ]);
}

function stepLine(state: RolloutState, step: StepProgress, width: number, options: ChecklistOptions): string {
  const { paint, nowMs } = options;
  const active = step.status === 'running' || step.status === 'undoing';
  const live = active && state.progress?.phase !== 'waiting' ? describeLive(state.pending, nowMs) : undefined;
  const ended = step.endedAt ?? (active ? new Date(nowMs).toISOString() : undefined);
  const took = step.startedAt && ended ? ` ${paint.dim(formatSpan(step.startedAt, ended))}` : '';
  const attempt = step.attempt > 1 ? ` (attempt ${step.attempt})` : '';
  const words = live ?? step.summary ?? '';
  return `   ${mark(step.status, paint)} ${step.id.padEnd(width)}${attempt}${took}${words ? `  ${words}` : ''}`;
}

/** Of a check each probe is a line, and so it is of the step that the rollout turned round at. */
function ticks({ stop }: Progress, { kind, name, measurements = [] }: StepProgress, paint: Paint): string[] {
  if (kind !== 'check' && stop?.step !== name) return [];
  return measurements.map(({ probe, outcome, message }) => {
    const tick = TICKS[outcome];
    const colour = outcome === 'pass' ? paint.green : outcome === 'fail' ? paint.red : paint.yellow;
    return `       ${colour(tick)} ${probe}: ${message}`;
  });
}

function taints({ tainted = [] }: StepProgress, paint: Paint): string[] {
  return tainted.map((taint) =>
    paint.yellow(`       tainted ${taint.at.slice(11, 19)} ${describeTaint(taint)}`),
  );
}

function mark(status: StepStatus, paint: Paint): string {
  if (status === 'succeeded') return paint.green(MARKS[status]);
  if (status === 'failed' || status === 'undoFailed') return paint.red(MARKS[status]);
  if (status === 'pending') return paint.dim(MARKS[status]);
  return paint.yellow(MARKS[status]);
}

function reasons(progress: Progress, paint: Paint): string[] {
  const { stop, ignored, compensations, outcome, diagnostics = [], undoes } = progress;
  const failed = compensations.filter(({ status }) => status === 'failed');
  return [
    ...(undoes ? [`  takes back ${undoes}`] : []),
    ...(stop
      ? [paint.red(`  turned round (${stop.kind}${stop.step ? ` at ${stop.step}` : ''}): ${stop.message}`)]
      : []),
    ...(stop?.advice ?? []).map((line) => paint.yellow(`    advice: ${line}`)),
    ...diagnostics.map(
      ({ release, folder, missing }) =>
        `    diagnostics of ${release}: ${folder}${missing.length > 0 ? ` (${missing.length} missing)` : ''}`,
    ),
    ...failed.flatMap(({ item, step, found, expected, command }) => [
      paint.red(`  left: ${item ?? step}: found ${found ?? 'unknown'}, expected ${expected ?? 'as before'}`),
      ...(command ? [`    mend: ${command}`] : []),
    ]),
    ...(ignored && outcome === undefined
      ? [paint.yellow(`  ignored ${ignored.signal}: ${ignored.why}`)]
      : []),
  ];
}

function waiting(progress: Progress, paint: Paint): string[] {
  if (!progress.waiting) return [];
  const { message, until } = progress.waiting;
  return [
    paint.yellow(`  waits: ${message}${until ? ` (until ${until})` : ''}`),
    ...answerCommands(progress, progress.waiting).map((command) => `    ${paint.cyan(command)}`),
  ];
}
