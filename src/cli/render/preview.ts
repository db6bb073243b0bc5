/** The live part of `plan`: what is there, what would change, how it would be taken back. Pure. */
import type { Preview, PreviewStep } from '../../contract/inputs.js';
import { formatDuration } from '../../plan/duration.js';
import { showSource } from '../../plan/git-url.js';
import type { ResolvedPlan } from '../../plan/resolved.js';
import type { Paint } from './paint.js';

const EFFECTS: Record<string, string> = {
  idempotent: 'repeating is harmless',
  detectable: 'after a crash it is looked at whether it happened',
  neither: 'after a crash a person is asked',
  none: 'changes nothing',
};

export function renderPreview(plan: ResolvedPlan, preview: Preview, paint: Paint): string[] {
  const overrides = Object.entries(plan.overrides).map(([name, value]) => `${name}=${value}`);
  return [
    paint.bold(`${plan.application} ${plan.version}`),
    ...(plan.source ? [`  files ${showSource(plan.source)}`] : []),
    `  plan ${plan.digest.slice(0, 12)}, deadline ${formatDuration(plan.deadlineMs)}${overrides.length > 0 ? `, overrides ${overrides.join(', ')}` : ''}`,
    ...preview.steps.flatMap((step) => renderStep(step, paint)),
    ...preview.budgets.flatMap(({ stage, result }) => [
      paint.bold(`  connection budget of ${stage}`),
      ...result.lines.map((line) => `    ${line}`),
      ...result.warnings.map((line) => `    ${paint.yellow(line)}`),
      ...(result.fault ? [`    ${paint.red(result.fault)}`] : []),
    ]),
  ];
}

function renderStep({ name, kind, look, error }: PreviewStep, paint: Paint): string[] {
  const title = `  ${paint.bold(name)} (${kind})`;
  if (error !== undefined) return [title, `    ${paint.red(error)}`];
  if (!look) return [title];
  const took = look.estimateMs === undefined ? '' : `, about ${formatDuration(look.estimateMs)}`;
  return [
    title,
    ...look.changes.map((line) => `    ${line}`),
    ...look.warnings.map((line) => `    ${paint.yellow(line)}`),
    ...(look.effect === 'none'
      ? []
      : [`    ${paint.dim(`${EFFECTS[look.effect]}${took}; undo: ${look.undo ?? 'cannot be taken back'}`)}`]),
  ];
}
