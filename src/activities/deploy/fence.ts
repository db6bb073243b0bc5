/** Is what is live still what was deployed? How many copies of it run does not matter. */
import type { Release, RolloutContext } from '../../contract/activities.js';
import type { DeployStep } from '../../plan/resolved.js';
import type { Reading } from '../fences.js';
import { type BindDeps, bindTarget, nameOf } from './bind.js';

export async function readRelease(
  deps: BindDeps,
  { context, step, made }: { context: RolloutContext; step: DeployStep; made: Release },
  signal: AbortSignal,
): Promise<Reading> {
  const target = await bindTarget(deps, { context, step }, signal);
  const { live } = await target.status();
  if (live.version === made.version && identityOf(live) === identityOf(made)) return undefined;
  return {
    what: `live release of ${step.name}`,
    expected: nameOf(made),
    found: nameOf(live),
    now: { kind: 'release', release: live },
  };
}

function identityOf({ id, unscaled }: Release): string {
  return unscaled ?? id;
}
