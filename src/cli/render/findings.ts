/** The findings of `doctor`. Pure. */
import type { Finding } from '../../contract/activities.js';
import type { Paint } from './paint.js';

export function renderFindings(findings: Finding[], paint: Paint): string[] {
  const width = Math.max(...findings.map(({ what }) => what.length));
  return findings.flatMap(({ what, status, detail, fix }) => [
    `${mark(status, paint)} ${what.padEnd(width)}  ${detail}`,
    ...(fix ? [`  ${' '.repeat(width)}  ${paint.cyan(fix)}`] : []),
  ]);
}

function mark(status: Finding['status'], paint: Paint): string {
  if (status === 'ok') return paint.green('✓');
  return status === 'warning' ? paint.yellow('!') : paint.red('✗');
}
