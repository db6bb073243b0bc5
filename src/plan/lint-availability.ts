/** What a plan asks for that this version does not carry out: no fault of the plan, but a start is refused. */
import type { FaultInput } from './fault-list.js';
import type { Path } from './faults.js';
import type { PlanView } from './view.js';

export function listUnavailable({ stages }: PlanView): FaultInput[] {
  const found: FaultInput[] = [];
  for (const { kind, config } of stages.flatMap(({ steps }) => steps)) {
    if (kind !== 'approval') continue;
    for (const key of ['approvers', 'notInitiator']) {
      const wanted = config?.get(key);
      if (wanted && wanted.value !== false) found.push(needsIdentity(key, wanted.path));
    }
  }
  return found;
}

function needsIdentity(key: string, path: Path): FaultInput {
  return {
    code: 'needsIdentity',
    path,
    atKey: true,
    message: `${key} needs verified identities, and this version knows only names that people type.`,
    expected: `an approval without ${key}`,
    fix: `Remove ${key}; who answered is recorded, as unverified.`,
  };
}
