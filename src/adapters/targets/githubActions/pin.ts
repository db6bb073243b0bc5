/** Which commit is deployed: the one that was looked at, and that an approval covers. */
import { drift } from '../../../platform/failures.js';
import type { TargetCall } from '../target.js';
import { deployOf, shortRef } from './deed.js';
import type { WorkflowRuns } from './runs.js';
import type { Config } from './schema.js';

type Call = Pick<TargetCall<Config>, 'config' | 'context' | 'step'>;

/** The commit of the version's tag. A branch moves, by an earlier step of the same plan too, and is no pin. */
export async function pinOf(call: Call, runs: WorkflowRuns): Promise<string | undefined> {
  const { version } = call.context;
  const { ref } = deployOf(call, version);
  return shortRef(ref) === version ? runs.commitOf(ref) : undefined;
}

/** @throws ApplicationFailure `Drift` */
export function requireSame(
  { step, context }: Pick<Call, 'step' | 'context'>,
  expected: string,
  found = 'nothing that can be read',
): void {
  if (found === expected) return;
  throw drift(
    `${step}: ${context.version} is ${found} on GitHub, and ${expected} was looked at. Somebody has moved the tag meanwhile, and it is not deployed. Find out who, and start again.`,
    { item: `commit of ${context.version}`, found, expected },
  );
}
