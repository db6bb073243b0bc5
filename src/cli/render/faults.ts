/** Faults of a plan, as text and as lines of `--json`. Pure. */
import type { PlanFault } from '../../plan/faults.js';
import type { Line } from '../output.js';
import type { Paint } from './paint.js';

export function renderFault(fault: PlanFault, kind: 'fault' | 'warning', paint: Paint): string {
  const place = `${fault.file}:${fault.line}:${fault.column}`;
  const found = fault.found === undefined ? '' : `, found ${fault.found}`;
  const mark = kind === 'fault' ? paint.red('fault') : paint.yellow('warning');
  return [
    `${paint.bold(place)} ${mark} ${fault.message}`,
    ...(fault.path ? [`  at ${fault.path}`] : []),
    `  expected ${fault.expected}${found}`,
    `  ${paint.cyan(fault.fix)}`,
  ].join('\n');
}

export function faultLine(fault: PlanFault): Line {
  return { type: 'error', status: 'fault', data: { ...fault } };
}
