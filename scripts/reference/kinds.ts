/** Everything that has a page: step kinds, probes, targets, notifiers, as the plan file knows them. */
import type { z } from 'zod';
import { PROBE_KINDS } from '../../src/plan/probe-schema.js';
import { NOTIFIER_KINDS } from '../../src/plan/schema.js';
import { STEP_KINDS, TARGET_KINDS } from '../../src/plan/step-schema.js';

export type Sort = 'steps' | 'probes' | 'targets' | 'notifiers';

export const KINDS: Record<Sort, Record<string, z.ZodType>> = {
  steps: STEP_KINDS,
  probes: PROBE_KINDS,
  targets: TARGET_KINDS,
  notifiers: NOTIFIER_KINDS,
};

export interface Kind {
  sort: Sort;
  name: string;
  schema: z.ZodType;
}

export function listKinds(): Kind[] {
  return (Object.keys(KINDS) as Sort[]).flatMap((sort) =>
    Object.entries(KINDS[sort]).map(([name, schema]) => ({ sort, name, schema })),
  );
}
