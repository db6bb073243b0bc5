/** What a rollout waits for, and the commands that answer. Pure. */
import { commandOf } from '../../contract/commands.js';
import type { Progress, Waiting } from '../../contract/progress.js';

export function answerCommands({ application }: Progress, waiting: Waiting): string[] {
  return waiting.answers.map((answer) => commandOf(answer, application, waiting));
}

/** Everything that an approval is bound to, for the person who answers. */
export function renderEvidence({ evidence, gate, digest, message }: Waiting): string[] {
  if (!evidence) return [message];
  const list = (title: string, lines: string[]) =>
    lines.length === 0 ? [] : [`${title}:`, ...lines.map((line) => `  - ${line}`)];
  return [
    `${gate}, digest ${digest}: ${message}`,
    ...list('covers', evidence.covers),
    ...list('would change', evidence.changes),
    ...list('warnings', evidence.warnings),
    ...list('results so far', evidence.results),
    ...list('the way back', evidence.compensations),
    ...(evidence.artifact ? [`all of it: ${evidence.artifact}`] : []),
  ];
}
