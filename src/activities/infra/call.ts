/** What the verbs of `infra` share: how a step's words become a call of terraform. */
import { join } from 'node:path';
import type { InfraFound, InfraInput } from '../../contract/activities.js';
import type { InfraStep } from '../../plan/resolved.js';
import type { ArtifactStore } from '../../platform/artifacts.js';
import { invalid } from '../../platform/failures.js';
import { PlanFileError, resolvePlanFile } from '../../platform/plan-files.js';
import type { References } from '../../platform/references.js';
import type {
  OpenPlan,
  Terraform,
  TerraformCall,
  TerraformProgress,
  Variables,
} from '../../tools/terraform/index.js';
import type { Clock } from '../clock.js';

export interface InfraDeps {
  terraform: Terraform;
  artifacts: Pick<ArtifactStore, 'write' | 'adopt' | 'cite'>;
  references: Pick<References, 'resolveText'>;
  clock: Pick<Clock, 'now'>;
}

export interface InfraWork {
  deps: InfraDeps;
  signal: AbortSignal;
  onProgress: (progress: TerraformProgress) => void;
}

export type InfraBaseInput = InfraInput & { base: InfraFound };
export type LookedPlan = Omit<OpenPlan, 'apply'>;

type Given = Pick<TerraformCall, 'refresh' | 'owner'> &
  Partial<Pick<TerraformCall, 'formerOwners' | 'recreatable' | 'onLog'>> & {
    variables: (string | Variables)[];
  };

export async function callOf(
  { deps: { references }, signal, onProgress }: InfraWork,
  input: InfraInput,
  { variables: layers, ...given }: Given,
): Promise<TerraformCall> {
  const { tool, directory, backendConfig, targets, abortGraceMs } = input.step.config;
  const resolve = (text: string) => references.resolveText(text, subjectOf(input));
  return {
    tool,
    directory: await placeOf(input, directory),
    folder: directory,
    backendKey: backendConfig,
    backendConfig: await mapValues(backendConfig, resolve),
    variables: await Promise.all(
      layers.map((layer) =>
        typeof layer === 'string'
          ? placeOf(input, join(directory, layer))
          : mapValues(layer, async (value) => (typeof value === 'string' ? resolve(value) : value)),
      ),
    ),
    targets,
    abortGraceMs,
    signal,
    onProgress,
    formerOwners: [],
    recreatable: [],
    ...given,
  };
}

/** A plan without its file: to be looked at only. */
export async function planWith(
  work: InfraWork,
  input: InfraInput,
  { undo = false, refresh = true },
): Promise<LookedPlan> {
  const call = await callOf(work, input, {
    variables: variables(input, { undo }),
    refresh,
    owner: owners(input).look,
  });
  return work.deps.terraform.withPlan(call, async ({ apply: _apply, ...plan }) => plan);
}

/** Variable files and values in the order in which they win, the last one last. */
export function variables({ step }: InfraInput, { undo }: { undo: boolean }): (string | Variables)[] {
  const { varFiles, vars, undo: back } = step.config;
  return [...varFiles, vars, ...(undo && back ? [...back.varFiles, back.vars] : [])];
}

/** As the plan writes them: `${secret:…}` stays what it is. */
export function undoVariables({ config: { undo } }: InfraStep): string {
  const vars = Object.entries(undo?.vars ?? {}).map(([name, value]) => `${name} = ${value}`);
  return [...(undo?.varFiles ?? []), ...vars].join(', ');
}

/** Whose killed attempts count for whom: one step of one rollout, act and undo apart. */
export function owners({ context, step }: InfraInput): { look: string; act: string; undo: string } {
  const owner = `${context.runId} ${step.name}`;
  return { look: `${owner} look`, act: `${owner} act`, undo: `${owner} undo` };
}

async function placeOf({ context, step }: InfraInput, path: string): Promise<string> {
  try {
    return await resolvePlanFile(context.directory, path);
  } catch (error) {
    throw error instanceof PlanFileError ? invalid(`${step.name}: ${error.message}`) : error;
  }
}

async function mapValues<T, U>(
  values: Record<string, T>,
  change: (value: T) => Promise<U>,
): Promise<Record<string, U>> {
  const entries = Object.entries(values).map(async ([key, value]) => [key, await change(value)] as const);
  return Object.fromEntries(await Promise.all(entries));
}

function subjectOf({ context, step }: InfraInput) {
  return { context, stage: step.stage, step: step.name };
}
