/** The current details in the Temporal UI: a checklist that says what it waits for, with the JSON to paste. Pure. */
import { commandOf } from '../contract/commands.js';
import { disarmProgress } from '../contract/plain-text.js';
import type { Diagnostics, Progress, StepProgress, StepStatus, Waiting } from '../contract/progress.js';
import { describeTaint } from '../contract/taint.js';
import { isTicked, tickOf } from './ticks.js';

/** More than this is no overview, and the UI has to load all of it. */
const LIMIT_BYTES = 20_000;

const BOX: Record<StepStatus, string> = {
  pending: '- [ ]',
  running: '- [ ] ▶',
  waiting: '- [ ] ⏸',
  succeeded: '- [x]',
  failed: '- [ ] ✗',
  undoing: '- [ ] ↩',
  undone: '- [x] ↩',
  kept: '- [x]',
  skipped: '- [ ] ⤼',
  undoFailed: '- [ ] ‼',
};

/** At most 20 KB: where it would be more, first the ticks that hold go, and then lines from the end. */
export function renderDetails(whole: Progress): string {
  const progress = disarmProgress(whole);
  for (const ticks of ['all', 'against'] as const) {
    const text = renderWith(progress, ticks).join('\n');
    if (countBytes(text) <= LIMIT_BYTES) return text;
  }
  return cutToFit(renderWith(progress, 'against'), progress);
}

type Ticks = 'all' | 'against';

function renderWith(progress: Progress, ticks: Ticks): string[] {
  return [
    ...headline(progress),
    ...(progress.waiting ? waitingLines(progress, progress.waiting) : []),
    ...(progress.ignored
      ? [
          `**Ignored** \`${progress.ignored.signal}\` at ${progress.ignored.at}:`,
          // As code: the UI would make other quotation marks of those to be typed.
          ...['```', progress.ignored.why, '```', ''],
        ]
      : []),
    ...checklist(progress, ticks),
    ...compensationLines(progress),
    ...list('Left as it is', progress.left),
    ...list('Diagnostics', (progress.diagnostics ?? []).map(describeDiagnostics)),
    ...list(
      'In force, before and after',
      (progress.changed ?? []).map(({ what, before, after }) => `${what}: ${before} → ${after}`),
    ),
    ...list('Warnings', progress.warnings),
  ];
}

function list(title: string, lines: string[]): string[] {
  return lines.length === 0 ? [] : ['', `**${title}**`, '', ...lines.map((line) => `- ${line}`)];
}

function describeDiagnostics({ stage, release, folder, files, missing }: Diagnostics): string {
  const not = missing.length === 0 ? '' : `; missing: ${missing.join('; ')}`;
  return `${release} (${stage}): \`${folder}\`, ${files.length} files${not}`;
}

function headline(progress: Progress): string[] {
  const { application, version, outcome, phase, stop, startedBy, undoes, source } = progress;
  const lines = [`**${application} ${version}**: ${outcome ?? phase}, started by ${startedBy}`, ''];
  if (source) lines.push(`Files: \`${source.git}@${source.commit.slice(0, 12)}\` (${source.ref})`, '');
  if (undoes) lines.push(`Takes back run \`${undoes}\``, '');
  if (stop) {
    const who = stop.by ? ` by ${stop.by}` : '';
    lines.push(
      `Turned round (${stop.kind}${who})${stop.step ? ` at ${stop.step}` : ''}: ${stop.message}`,
      '',
    );
    if (stop.advice && !progress.steps.some(({ name }) => name === stop.step)) {
      lines.push(...adviceLines(progress, '- '), '');
    }
  }
  if (progress.held)
    lines.push(`Held by ${progress.held.by} since ${progress.held.at}; \`resume\` goes on.`, '');
  return lines;
}

function waitingLines(progress: Progress, waiting: Waiting): string[] {
  const until = waiting.until ? ` (until ${waiting.until})` : '';
  const lines = [`### Waits: ${waiting.message}${until}`, ''];
  if (waiting.evidence) {
    lines.push(
      ...section('What would change', waiting.evidence.changes),
      ...section('Results so far', waiting.evidence.results),
      ...section('If it does not hold', waiting.evidence.compensations),
      ...section('Warnings', waiting.evidence.warnings),
    );
  }
  lines.push(...answerLines(progress, waiting), '');
  return lines;
}

function section(title: string, lines: string[]): string[] {
  // A list begins after an empty line, else the UI makes one paragraph of it.
  return lines.length === 0 ? [] : [`**${title}**`, '', ...lines.map((line) => `- ${line}`), ''];
}

function answerLines(progress: Progress, waiting: Waiting): string[] {
  if (waiting.gate && waiting.digest && waiting.signed) {
    const command = commandOf('approve', progress.application, waiting);
    return [`Answer: \`${command}\` (or \`reject\`); only signed answers count.`];
  }
  if (waiting.gate && waiting.digest) {
    const input = JSON.stringify({ gate: waiting.gate, digest: waiting.digest, by: 'YOUR NAME', reason: '' });
    return [
      `Answer: \`${commandOf('approve', progress.application, waiting)}\`, or send the signal \`approve\` (or \`reject\`) with`,
      '```json',
      input,
      '```',
    ];
  }
  return [
    'Answers:',
    '',
    ...waiting.answers.map((name) => {
      const command = commandOf(name, progress.application, waiting);
      return `- \`${command}\`, or the signal \`${name}\` with \`${answerJson(name, waiting)}\``;
    }),
  ];
}

function answerJson(name: string, waiting: Waiting): string {
  if (name === 'skip') return JSON.stringify({ step: waiting.step, by: 'YOUR NAME', reason: 'WHY' });
  return JSON.stringify({ by: 'YOUR NAME' });
}

function checklist(progress: Progress, ticks: Ticks): string[] {
  return progress.steps.flatMap((step) => {
    const summary = step.summary ? `: ${step.summary}` : '';
    return [
      `${BOX[step.status]} ${step.name} (${step.status})${summary}`,
      ...tickLines(progress, step, ticks),
      ...(step.tainted ?? []).map((taint) => `  - **Tainted** ${taint.at}: ${describeTaint(taint)}`),
      ...(progress.stop?.step === step.name ? adviceLines(progress, '  - ') : []),
    ];
  });
}

function tickLines(progress: Progress, step: StepProgress, ticks: Ticks): string[] {
  if (!isTicked(progress, step)) return [];
  const shown = (step.measurements ?? []).filter(({ outcome }) => ticks === 'all' || outcome !== 'pass');
  return shown.map((measurement) => `  - ${tickOf(measurement)}`);
}

function adviceLines({ stop }: Progress, before: string): string[] {
  return (stop?.advice ?? []).map((line) => `${before}**Advice**: ${line}`);
}

function compensationLines(progress: Progress): string[] {
  const failed = progress.compensations.filter(({ status }) => status === 'failed');
  if (failed.length === 0) return [];
  return [
    '',
    '### Left undone',
    '',
    ...failed.flatMap((c) => [
      `- **${c.item ?? c.step}**: found ${c.found ?? 'unknown'}, expected ${c.expected ?? 'as before'}${c.error ? ` (${c.error})` : ''}`,
      ...(c.command ? [`  - mend: \`${c.command}\``] : []),
    ]),
  ];
}

function cutToFit(lines: string[], { application, runId }: Progress): string {
  const more = (count: number) => `… ${count} more lines: \`headgate report ${application}/${runId}\``;
  let room = LIMIT_BYTES - countBytes(more(lines.length)) - 1;
  const fitting = lines.findIndex((line) => {
    room -= countBytes(line) + 1;
    return room < 0;
  });
  return [...lines.slice(0, fitting), more(lines.length - fitting)].join('\n');
}

/** In UTF-8; workflow code has no encoder. */
function countBytes(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
