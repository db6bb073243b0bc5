/** `plan`: everything that can be known before a rollout; offline from the file alone, else also what is there now. */
import { writeFile } from 'node:fs/promises';
import type { Preview } from '../../contract/inputs.js';
import { sortByPlace } from '../../plan/fault-list.js';
import { loadPlan } from '../../platform/load-plan.js';
import type { Context } from '../context.js';
import { faulty, requirePlan, showFaults, withClient } from '../loading.js';
import { paintIf } from '../render/paint.js';
import { renderPreview } from '../render/preview.js';

export interface PlanOptions {
  offline?: boolean;
  var?: Record<string, string>;
  /** Writes plan and preview there, as JSON. */
  out?: string;
}

export async function plan(context: Context, file: string, options: PlanOptions): Promise<number> {
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
  if (options.out) await writeOut(options.out, { plan: loaded.plan, outline: loaded.outline });
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
  if (options.out) await writeOut(options.out, { plan: resolved, preview });
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
  path: string,
  content: { plan?: unknown; preview?: Preview; outline?: unknown },
): Promise<void> {
  await writeFile(path, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
}
