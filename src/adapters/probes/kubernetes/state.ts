/** What a Deployment and its pods say together. Pure. */
import type { Deployment, Pod } from '../../../tools/kubernetes/kinds.js';
import type { Sample } from '../probe.js';
import type { Config } from './schema.js';

export interface State {
  /** Undefined when there is none. */
  deployment: Deployment | undefined;
  pods: Pod[];
}

/**
 * `{ desired, ready, available, updated, unavailable }` are the controller's own figures, and `inconclusive` as long as
 * it has not seen the newest change. `restarts` is the sum over the pods that are there, `waiting` why containers do
 * not run (CrashLoopBackOff). A condition that is unknown is left out. No Deployment is a `fail`: the cluster has
 * answered, and nothing serves.
 */
export function describeState({ deployment, pods }: State, config: Config): Sample {
  const { namespace, deployment: name, container } = config;
  if (!deployment) return { kind: 'fail', message: `there is no Deployment ${namespace}/${name}` };
  const { metadata, spec, status } = deployment;
  const generation = metadata?.generation ?? 0;
  if ((status?.observedGeneration ?? 0) < generation) {
    const message = `the cluster has not looked at the newest change of ${namespace}/${name} yet (generation ${generation})`;
    return { kind: 'inconclusive', message };
  }
  const containers = spec?.template.spec?.containers ?? [];
  const shown = container === undefined ? containers[0] : containers.find((each) => each.name === container);
  if (!shown) {
    const names = containers.map((each) => each.name).join(', ');
    return {
      kind: 'error',
      message: `${namespace}/${name} has no container "${container}"; it has: ${names}`,
    };
  }
  const statuses = pods.flatMap((pod) => [
    ...(pod.status?.initContainerStatuses ?? []),
    ...(pod.status?.containerStatuses ?? []),
  ]);
  const counted = statuses.filter((each) => container === undefined || each.name === container);
  const waiting = statuses.flatMap(({ state }) => state?.waiting?.reason ?? []);
  const counts = {
    desired: spec?.replicas ?? 1,
    ready: status?.readyReplicas ?? 0,
    available: status?.availableReplicas ?? 0,
    updated: status?.updatedReplicas ?? 0,
    unavailable: status?.unavailableReplicas ?? 0,
    restarts: counted.reduce((sum, { restartCount }) => sum + restartCount, 0),
  };
  const wrong = Object.entries(counts).find(([, count]) => !Number.isSafeInteger(count) || count < 0);
  if (wrong) {
    const message = `${namespace}/${name} has ${wrong[0]} = ${String(wrong[1])}, which is no count`;
    return { kind: 'inconclusive', message };
  }
  return {
    kind: 'sample',
    value: {
      ...counts,
      waiting: [...new Set(waiting)].sort(),
      generation,
      image: shown.image ?? '',
      conditions: conditionsOf(deployment),
    },
  };
}

function conditionsOf({ status }: Deployment): { [type: string]: boolean } {
  const told = (status?.conditions ?? []).filter(
    ({ type }) => type === 'Available' || type === 'Progressing',
  );
  const known = told.filter((condition) => condition.status === 'True' || condition.status === 'False');
  return Object.fromEntries(known.map((condition) => [condition.type, condition.status === 'True']));
}
