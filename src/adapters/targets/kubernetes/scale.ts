/** How many pods a Deployment has, and how many more while they are replaced. Pure. */
import type { Scale } from '../../../contract/activities.js';
import type { Deployment } from '../../../tools/kubernetes/kinds.js';

export function replicasOf({ spec }: Deployment): number {
  return spec?.replicas ?? 1;
}

/** Kubernetes rounds a share of the replicas up; 25 % when nothing is said. */
export function scaleOf(deployment: Deployment): Scale {
  const replicas = replicasOf(deployment);
  const { type, rollingUpdate } = deployment.spec?.strategy ?? {};
  if (type === 'Recreate') return { replicas, surge: 0 };
  const { maxSurge = '25%' } = rollingUpdate ?? {};
  const share = /^(\d+)%$/.exec(String(maxSurge));
  const surge = share ? Math.ceil((replicas * Number(share[1])) / 100) : Number(maxSurge);
  return { replicas, surge };
}
