/**
 * Kubernetes: a Deployment behind a Service, by the API server. Nothing is kept but what the objects themselves say,
 * so that every call finds out where an earlier one has come to.
 */
import type { Release } from '../../../contract/activities.js';
import { invalid } from '../../../platform/failures.js';
import type { ConnectKubernetes } from '../../../tools/kubernetes/client.js';
import type { Target, TargetCall } from '../target.js';
import {
  prepareBlueGreen,
  promoteBlueGreen,
  recreateBlueGreen,
  restoreBlueGreen,
  retireBlueGreen,
  statusOfBlueGreen,
} from './blue-green.js';
import { readLogs } from './logs.js';
import type { Place } from './place.js';
import { restartSlot } from './restart.js';
import { promoteRolling, restoreRolling, statusOfRolling } from './rolling.js';
import { type Config, traits } from './schema.js';

export interface KubernetesTargetDeps {
  kubernetes: ConnectKubernetes;
}

export function createKubernetesTarget({ kubernetes }: KubernetesTargetDeps): Target<Config> {
  const at = async (call: TargetCall<Config>): Promise<Place> => {
    const signal = call.signal;
    signal.throwIfAborted();
    return { call, cluster: await kubernetes(call.config.context, signal) };
  };
  const isRolling = ({ strategy }: TargetCall<Config>) => strategy === 'rolling';
  return {
    kind: 'kubernetes',
    effect: () => 'detectable',
    staged: (_config, strategy) => traits.staged({ strategy }),
    status: async (call) => (isRolling(call) ? statusOfRolling : statusOfBlueGreen)(await at(call)),
    async prepare(call) {
      if (isRolling(call)) throw nothingBeside();
      return prepareBlueGreen(await at(call));
    },
    promote: async (call, release) =>
      (isRolling(call) ? promoteRolling : promoteBlueGreen)(await at(call), release),
    restore: async (call, release) =>
      (isRolling(call) ? restoreRolling : restoreBlueGreen)(await at(call), release),
    async retire(call, release) {
      if (!isRolling(call)) await retireBlueGreen(await at(call), release);
    },
    restart: async (call, release) => restartSlot(await at(call), release),
    async recreate(call, release: Release) {
      if (isRolling(call)) throw nothingBeside();
      return recreateBlueGreen(await at(call), release);
    },
    logs: async (call, release, which) => readLogs(await at(call), release, which),
  };
}

function nothingBeside() {
  return invalid(
    'With strategy rolling nothing stands beside the live release. For that: strategy: blueGreen',
  );
}
