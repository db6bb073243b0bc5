/** `plan`: everything that can be known before a rollout; offline from the file alone, else also what is there now. */
import { writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Preview } from '../../contract/inputs.js';
import { sortByPlace } from '../../plan/fault-list.js';
import { type PrintablePlan, printPlan } from '../../plan/print.js';
import { loadPlan } from '../../platform/load-plan.js';
import { type Context, usage } from '../context.js';
import { faulty, requirePlan, showFaults, withClient } from '../loading.js';
import { paintIf } from '../render/paint.js';
import { renderPreview } from '../render/preview.js';

export interface PlanOptions {
  offline?: boolean;
  var?: Record<string, string>;
  /** Writes there: a plan file where it ends in .yaml or .yml, else plan and preview as JSON. */
  out?: string;
}

export async function plan(context: Context, file: string, options: PlanOptions): Promise<number> {
  if (options.out !== undefined && resolve(options.out) === resolve(file)) {
    throw usage(
      `${options.out} is the plan itself: its variables and comments would be lost. Give --out another name.`,
    );
  }
  return options.offline ? planOffline(context, file, options) : planLive(context, file, options);
}

/** What belongs to the machine that rolls out (its files) only warns here. */
async function planOffline({ output }: Context, file: string, options: PlanOptions): Promise<number> {
  const loaded = await loadPlan(file, options.var ?? {});
  showFaults(output, loaded.faults, 'fault');
  const warnings = sortByPlace([...loaded.warnings, ...loaded.missing]);
  showFaults(output, warnings, 'warning');
  if (loaded.faults.length > 0) throw faulty(loaded.faults.length);
  for (const { name, kind } of loaded.outline) output.print(`${name.padEnd(28)} ${kind}`);
  const refused = loaded.missing.length;
  if (refused > 0) {
    output.note(`The plan is right; a start would be refused for the ${refused} warnings of it above.`);
  }
  if (loaded.source) output.note(`Its files are in ${loaded.source.git}, which is not asked offline.`);
  output.line({
    type: 'rollout',
    status: 'planned',
    data: {
      steps: loaded.outline,
      warnings: loaded.warnings,
      missingFiles: loaded.missing,
      digest: loaded.plan?.digest,
    },
  });
  const { plan: whole, draft, source } = loaded;
  if (draft)
    await writeOut(output, file, options, { ...draft, source }, { plan: whole, outline: loaded.outline });
  return 0;
}

async function planLive(context: Context, file: string, options: PlanOptions): Promise<number> {
  const { output } = context;
  const { plan: resolved } = await requirePlan(context, file, options.var ?? {});
  const preview = await withClient((headgate) => headgate.preview(resolved));
  for (const line of renderPreview(resolved, preview, paintIf(output.color))) output.print(line);
  output.line({
    type: 'rollout',
    application: resolved.application,
    status: 'planned',
    data: { digest: resolved.digest, overrides: resolved.overrides },
  });
  for (const step of preview.steps) {
    const [stage = '', id = ''] = step.name.split('/');
    output.line({
      type: 'step',
      application: resolved.application,
      stage,
      step: id,
      status: step.error === undefined ? 'pending' : 'failed',
      data: step,
    });
  }
  await writeOut(output, file, options, resolved, { plan: resolved, preview });
  const faults = [
    ...preview.steps.flatMap(({ name, error }) => (error === undefined ? [] : [`${name}: ${error}`])),
    ...preview.budgets.flatMap(({ stage, result }) => (result.fault ? [`${stage}: ${result.fault}`] : [])),
  ];
  for (const fault of faults) {
    output.line({ type: 'error', status: 'fault', data: { code: 'preview', message: fault } });
  }
  return faults.length === 0 ? 0 : 2;
}

async function writeOut(
  output: Context['output'],
  file: string,
  { out, var: overrides = {} }: PlanOptions,
  plan: PrintablePlan,
  content: { plan?: unknown; preview?: Preview; outline?: unknown },
): Promise<void> {
  if (out === undefined) return;
  const isPlan = /\.ya?ml$/i.test(out);
  const text = isPlan
    ? `${headOf(file, overrides)}${printPlan(plan)}`
    : `${JSON.stringify(content, null, 2)}\n`;
  await writeFile(out, text, { mode: 0o600 });
  const folder = dirname(resolve(file));
  if (!isPlan || plan.source || dirname(resolve(out)) === folder) return;
  output.note(
    `${out} names its files relative to its own folder: put it into ${folder} before it is started.`,
  );
}

function headOf(file: string, overrides: Record<string, string>): string {
  const given = Object.entries(overrides).map(
    ([name, value]) => ` --var ${JSON.stringify(`${name}=${value}`)}`,
  );
  return `# Written by headgate plan ${JSON.stringify(file)}${given.join('')}\n`;
}
