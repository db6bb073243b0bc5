/**
 * `reboot`: restarts an RDS instance whose static parameters wait for it. A change of such a parameter is in force
 * only after the restart, whoever applied it; a restart cannot be taken back.
 */
import type { HeadgateActivities } from '../../contract/activities.js';
import { withHeartbeat } from '../heartbeat.js';
import { lookReboot, type RebootDeps } from './look.js';
import { rebootInstance } from './run.js';

export type { RebootDeps } from './look.js';

export function createRebootActivities(deps: RebootDeps) {
  return {
    lookReboot: (input) =>
      withHeartbeat(
        () => undefined,
        (signal) => lookReboot(deps, input, signal),
      ),
    rebootInstance: (input) => rebootInstance(deps, input),
  } satisfies Pick<HeadgateActivities, 'lookReboot' | 'rebootInstance'>;
}
