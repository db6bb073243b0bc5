/** Lines of `watch` where nothing can be drawn: one per change. Pure. */
import type { Line } from '../output.js';

/** Absent for a line that says nothing new to a reader. */
export function renderLine(line: Line, at: string): string | undefined {
  const words = describe(line);
  return words === undefined ? undefined : `${at.slice(11, 19)} ${words}`;
}

function describe({ type, stage, step, status, attempt, data }: Line): string | undefined {
  const name = step ? `${stage}/${step}` : '';
  const fields: Record<string, unknown> = typeof data === 'object' && data !== null ? { ...data } : {};
  const text = (key: string) => (typeof fields[key] === 'string' ? String(fields[key]) : '');
  switch (type) {
    case 'rollout':
      return describeRollout(status, fields);
    case 'step':
      return describeStep(name, status, attempt, text('summary'));
    case 'measurement':
      return status === 'pass' ? undefined : `${name} ${status}: ${text('probe')}: ${text('message')}`;
    case 'approval':
      return status === 'waiting'
        ? undefined
        : `${name} ${status} by ${text('by')}${text('reason') ? `: ${text('reason')}` : ''}`;
    case 'compensation':
      return status === 'undoing' ? `${name} undoing: ${text('description')}` : undefined;
    case 'outcome':
    case 'error':
      return undefined;
  }
}

/** That it is being taken back is said by its compensation, which knows what that means. */
function describeStep(
  name: string,
  status: string | undefined,
  attempt: number | undefined,
  summary: string,
): string | undefined {
  if (status === 'undoing') return undefined;
  const again = attempt && attempt > 1 ? ` (attempt ${attempt})` : '';
  return `${name} ${status}${again}${summary && status !== 'running' ? `: ${summary}` : ''}`;
}

function describeRollout(status: string | undefined, fields: Record<string, unknown>): string {
  const lines = [`rollout ${status}`];
  const { waiting, stop, ignored } = fields;
  if (isRecord(waiting)) {
    lines.push(`: ${String(waiting.message)}`);
    if (Array.isArray(waiting.commands))
      lines.push(...waiting.commands.map((command) => `\n           ${String(command)}`));
  } else if (isRecord(stop) && status === 'rollingBack') {
    lines.push(` (${String(stop.kind)}): ${String(stop.message)}`);
    for (const advice of asList(stop.advice)) lines.push(`\n           advice: ${String(advice)}`);
    for (const each of asList(fields.diagnostics)) {
      if (isRecord(each))
        lines.push(`\n           diagnostics of ${String(each.release)}: ${String(each.folder)}`);
    }
  }
  if (isRecord(ignored)) lines.push(`\n           ignored ${String(ignored.signal)}: ${String(ignored.why)}`);
  return lines.join('');
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
