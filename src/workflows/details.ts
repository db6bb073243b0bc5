/** The current details in the Temporal UI: a checklist that says what it waits for, with the JSON to paste. Pure. */
import type { Progress, StepStatus, Waiting } from '../contract/progress.js';

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

export function renderDetails(progress: Progress): string {
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
    ...checklist(progress),
    ...compensationLines(progress),
    ...(progress.warnings.length > 0
      ? ['', '**Warnings**', '', ...progress.warnings.map((line) => `- ${line}`)]
      : []),
  ].join('\n');
}

function headline(progress: Progress): string[] {
  const { application, version, outcome, phase, stop, startedBy } = progress;
  const lines = [`**${application} ${version}**: ${outcome ?? phase}, started by ${startedBy}`, ''];
  if (stop) {
    const who = stop.by ? ` by ${stop.by}` : '';
    lines.push(
      `Turned round (${stop.kind}${who})${stop.step ? ` at ${stop.step}` : ''}: ${stop.message}`,
      '',
    );
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
  if (waiting.gate && waiting.digest) {
    const input = JSON.stringify({ gate: waiting.gate, digest: waiting.digest, by: 'YOUR NAME', reason: '' });
    return [
      `Answer: \`headgate approve ${progress.application} ${waiting.gate} --digest ${waiting.digest}\`, or send the signal \`approve\` (or \`reject\`) with`,
      '```json',
      input,
      '```',
    ];
  }
  return [
    'Answers:',
    '',
    ...waiting.answers.map((name) => {
      const step = name === 'skip' ? ` ${waiting.step} --reason TEXT` : '';
      return `- \`headgate ${name} ${progress.application}${step}\`, or the signal \`${name}\` with \`${answerJson(name, waiting)}\``;
    }),
  ];
}

function answerJson(name: string, waiting: Waiting): string {
  if (name === 'skip') return JSON.stringify({ step: waiting.step, by: 'YOUR NAME', reason: 'WHY' });
  return JSON.stringify({ by: 'YOUR NAME' });
}

function checklist(progress: Progress): string[] {
  return progress.steps.map((step) => {
    const summary = step.summary ? `: ${step.summary}` : '';
    return `${BOX[step.status]} ${step.name} (${step.status})${summary}`;
  });
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
