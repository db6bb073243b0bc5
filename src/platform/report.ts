/** The report of a rollout in Markdown: what was done, what was measured, what was taken back. Pure. */
import { disarmProgress } from '../contract/plain-text.js';
import type {
  Approval,
  Compensation,
  Diagnostics,
  Measurement,
  Progress,
  StepProgress,
} from '../contract/progress.js';
import { describeTaint } from '../contract/taint.js';
import { showSource } from '../plan/git-url.js';
import { timelineOf } from './report-timeline.js';

const MARKS: Record<Measurement['outcome'], string> = {
  pass: '✅',
  fail: '❌',
  inconclusive: '❔',
  error: '⚠️',
};

export function renderReportMarkdown(whole: Progress): string {
  const progress = disarmProgress(whole);
  return `${[
    ...headline(progress),
    ...stopLines(progress),
    ...timelineTable(progress),
    ...changedTable(progress),
    ...restorationTable(progress),
    ...stepTable(progress),
    ...checklistLines(progress),
    ...measurementLines(progress),
    ...taintLines(progress),
    ...approvalLines(progress.approvals),
    ...compensationLines(progress.compensations),
    ...diagnosticsLines(progress.diagnostics ?? []),
    ...listLines('Kept, and left as it is', progress.left),
    ...listLines('Warnings', progress.warnings),
  ].join('\n')}\n`;
}

function headline(progress: Progress): string[] {
  const { application, version, runId, outcome, phase, startedBy, startedAt, closedAt, undoes } = progress;
  const overrides = Object.entries(progress.overrides).map(([name, value]) => `${name}=${value}`);
  return [
    `# ${application} ${version}: ${outcome ?? `not closed (${phase})`}`,
    '',
    `- rollout: \`${application}/${runId}\``,
    ...(undoes ? [`- takes back: \`${undoes}\``] : []),
    `- started by: ${startedBy} (unverified), ${startedAt}`,
    `- ${closedAt ? `closed: ${closedAt}, after ${formatSpan(startedAt, closedAt)}` : `deadline: ${progress.deadlineAt}`}`,
    `- plan: sha256 \`${progress.planDigest}\``,
    ...(progress.source ? [`- files: ${showSource(progress.source)}`] : []),
    ...(overrides.length > 0 ? [`- overrides: ${overrides.join(', ')}`] : []),
    ...(progress.acceptedBy ? [`- accepted as it is by: ${progress.acceptedBy}`] : []),
    '',
  ];
}

function stopLines({ stop }: Progress): string[] {
  if (!stop) return [];
  const by = stop.by ? `, by ${stop.by}` : '';
  const step = stop.step ? ` at ${stop.step}` : '';
  return [
    '## Why it turned round',
    '',
    `**${stop.kind}**${step}${by}, ${stop.at}: ${stop.message}`,
    '',
    ...(stop.advice ? [...stop.advice.map((line) => `- advice: ${line}`), ''] : []),
  ];
}

function timelineTable(progress: Progress): string[] {
  const rows = timelineOf(progress).map(
    ({ at, what }) => `| ${at} | ${formatSpan(progress.startedAt, at)} | ${cell(what)} |`,
  );
  return ['## Timeline', '', '| when | after | what |', '|---|---|---|', ...rows, ''];
}

function changedTable({ changed = [] }: Progress): string[] {
  if (changed.length === 0) return [];
  const rows = changed.map(
    ({ what, before, after }) => `| ${cell(what)} | ${cell(before)} | ${cell(after)} |`,
  );
  return ['## Before and after', '', '| in force | before | after |', '|---|---|---|', ...rows, ''];
}

function stepTable({ steps }: Progress): string[] {
  const rows = steps.map(({ name, kind, status, attempt, startedAt, endedAt, summary }) => {
    const took = startedAt && endedAt ? formatSpan(startedAt, endedAt) : '';
    return `| ${name} | ${kind} | ${status} | ${attempt > 1 ? attempt : ''} | ${took} | ${cell(summary ?? '')} |`;
  });
  return [
    '## Steps',
    '',
    '| step | kind | status | attempt | took | result |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
  ];
}

/** Each `check` is one: every tick with its measurement. */
function checklistLines({ steps }: Progress): string[] {
  return steps
    .filter(({ kind, measurements }) => kind === 'check' && measurements?.length)
    .flatMap((step) => [`## Checklist ${step.name}`, '', ...tickLines(step), '']);
}

function measurementLines({ steps }: Progress): string[] {
  const measured = steps.filter(({ kind, measurements }) => kind !== 'check' && measurements?.length);
  if (measured.length === 0) return [];
  const blocks = measured.flatMap((step) => [`### ${step.name}`, '', ...tickLines(step), '']);
  return ['## Measurements', '', ...blocks];
}

function taintLines({ steps }: Progress): string[] {
  const lines = steps.flatMap(({ name, tainted = [] }) =>
    tainted.map((taint) => `${name}: ${describeTaint(taint)} (${taint.at})`),
  );
  return listLines('Changed by somebody else while it was watched', lines);
}

function tickLines({ measurements = [] }: StepProgress): string[] {
  return measurements.map(
    ({ probe, outcome, message, at }) => `- ${MARKS[outcome]} **${probe}**: ${message} (${at})`,
  );
}

function approvalLines(approvals: Approval[]): string[] {
  if (approvals.length === 0) return [];
  const lines = approvals.map(({ gate, digest, answer, by, verified, at, reason }) => {
    const why = reason ? `: ${reason}` : '';
    return `- ${gate} \`${digest}\`: ${answer} by ${by}${verified ? '' : ' (unverified)'}, ${at}${why}`;
  });
  return ['## Approvals', '', ...lines, ''];
}

function compensationLines(compensations: Compensation[]): string[] {
  if (compensations.length === 0) return [];
  const lines = compensations.flatMap(({ step, status, description, at, ...left }) => [
    `- ${step} (${status}${at ? `, ${at}` : ''}): ${description}`,
    ...(status === 'failed'
      ? [
          `  - ${left.item ?? step}: found ${left.found ?? 'unknown'}, expected ${left.expected ?? 'as before'}${left.error ? ` (${left.error})` : ''}`,
          ...(left.command ? [`  - mend: \`${left.command}\``] : []),
        ]
      : []),
  ]);
  return ['## Compensations', '', ...lines, ''];
}

function restorationTable({ restoration }: Progress): string[] {
  if (!restoration || restoration.checks.length === 0) return [];
  const rows = restoration.checks.map(
    ({ what, expected, found, ok }) =>
      `| ${ok ? '✅' : '❌'} | ${cell(what)} | ${cell(expected)} | ${cell(found)} |`,
  );
  return ['## Restored, as measured', '', '| | what | expected | found |', '|---|---|---|---|', ...rows, ''];
}

/** What was secured of a failed release, for whoever looks into it. */
function diagnosticsLines(diagnostics: Diagnostics[]): string[] {
  if (diagnostics.length === 0) return [];
  const lines = diagnostics.flatMap(({ stage, release, folder, manifestSha256, files, missing }) => [
    `- ${release} (${stage}): \`${folder}\`, its \`manifest.json\` has sha256 \`${manifestSha256}\``,
    ...files.map((name) => `  - \`${name}\``),
    ...missing.map((line) => `  - missing: ${line}`),
  ]);
  return ['## Diagnostics', '', ...lines, ''];
}

function listLines(title: string, lines: string[]): string[] {
  return lines.length === 0 ? [] : [`## ${title}`, '', ...lines.map((line) => `- ${line}`), ''];
}

/** `1 h 2 min`, `3 min 4 s`, `5.6 s`. */
export function formatSpan(from: string, to: string): string {
  const seconds = Math.max(0, (Date.parse(to) - Date.parse(from)) / 1000);
  if (seconds < 60) return `${Math.round(seconds * 10) / 10} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
