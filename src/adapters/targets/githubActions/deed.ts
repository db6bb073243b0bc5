/** What is dispatched, and the texts by which its run is found again. Pure. */
import { z } from 'zod';
import type { TargetCall } from '../target.js';
import type { Config } from './schema.js';

export type Purpose = 'deploy' | 'rollback' | 'restart';

export interface Deed {
  purpose: Purpose;
  /** Branch or tag. */
  ref: string;
  inputs: Record<string, string>;
}

type Call = Pick<TargetCall<Config>, 'config' | 'context' | 'step'>;

/** The first dispatch of `version`. */
export function deployOf({ config }: Call, version: string): Deed {
  return { purpose: 'deploy', ref: config.ref ?? version, inputs: { ...config.inputs } };
}

/** `version` as it was before: what the plan says of the way back. */
export function rollbackOf({ config }: Call, version: string): Deed {
  const { ref = version, inputs } = config.rollback ?? {};
  return { purpose: 'rollback', ref, inputs: { ...config.inputs, ...inputs } };
}

/** What is live once more, so that it reads its configuration anew. */
export function restartOf(call: Call, version: string): Deed {
  const deed = version === call.context.version ? deployOf(call, version) : rollbackOf(call, version);
  return { ...deed, purpose: 'restart' };
}

/** Begins the mark of every run of this step, or of those with one purpose. */
export function markOf({ context, step }: Call, purpose?: Purpose): string {
  const own = `${context.runId}:${step}:`;
  return purpose === undefined ? own : `${own}${purpose}:`;
}

/** `refs/tags/v1.0.1` and `v1.0.1` are one ref to a run. */
export function shortRef(ref: string): string {
  return ref.replace(/^refs\/(heads|tags)\//, '');
}

const keptSchema = z.object({
  purpose: z.enum(['deploy', 'rollback', 'restart']),
  /** No other dispatch has it. */
  mark: z.string(),
  /** Epoch ms of the dispatch. */
  atMs: z.number(),
  /** Once it is known. */
  run: z.int().optional(),
});

/** What an attempt leaves to the next one. */
export type Kept = z.infer<typeof keptSchema>;

export function readKept(recalled: unknown, purpose: Purpose): Kept | undefined {
  const { data } = keptSchema.safeParse(recalled);
  return data?.purpose === purpose ? data : undefined;
}
