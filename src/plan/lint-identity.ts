/** Who may approve can only be said of names that somebody has proven. */
import type { PlanView } from './view.js';

export function lintIdentity({ stages, faults }: PlanView): void {
  for (const { kind, config } of stages.flatMap(({ steps }) => steps)) {
    if (kind !== 'approval' || config?.has('identity')) continue;
    for (const key of ['approvers', 'notInitiator']) {
      const wanted = config?.get(key);
      if (!wanted || wanted.value === false) continue;
      faults.add({
        code: 'needsIdentity',
        path: wanted.path,
        atKey: true,
        message: `${key} needs verified identities: a name that people type proves nothing.`,
        expected: `identity: ssh beside ${key}`,
        fix: `Add identity: ssh, and list who may sign in the worker's HEADGATE_ALLOWED_SIGNERS; or remove ${key}.`,
      });
    }
  }
}
