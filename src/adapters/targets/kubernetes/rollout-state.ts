/** How far a Deployment has come with its pod template, from what it and its pods say. Pure. */
import type { Deployment, Pod } from '../../../tools/kubernetes/kinds.js';

/** `Progressing` is kept with this reason when a rollout has come to its end, whatever its pods do afterwards. */
const COMPLETE = 'NewReplicaSetAvailable';
/** By then it has been started three times. */
const CERTAIN_RESTARTS = 3;

export type RolloutState =
  | { kind: 'complete' }
  /** `trouble` is the same as long as the trouble is; `line` says how far it is. */
  | { kind: 'underWay'; line: string; trouble?: Trouble }
  | { kind: 'failed'; why: string };

/** What a pod, or the Deployment, cannot get over. */
export interface Trouble {
  /** `pod shop-x is in ImagePullBackOff: …`. */
  line: string;
  /** What shows more of it. */
  command: string;
  /** Waiting does not mend it. */
  isCertain: boolean;
  /** It may mend itself as long as this takes: nodes are made, quota is freed. */
  isPatient: boolean;
}

/** As `kubectl rollout status` has it. `pods` are those of the template. */
export function stateOf(deployment: Deployment, pods: Pod[]): RolloutState {
  const { metadata, spec, status } = deployment;
  const wanted = spec?.replicas ?? 1;
  const updated = status?.updatedReplicas ?? 0;
  const total = status?.replicas ?? 0;
  const available = status?.availableReplicas ?? 0;
  // Of the Deployment's own figures none is about the new pods alone.
  const ready = pods.filter(isReady).length;
  const line = `${ready} of ${wanted} new pods ready${total > updated ? `, ${total - updated} old ones left` : ''}`;
  if ((status?.observedGeneration ?? 0) < (metadata?.generation ?? 0)) return { kind: 'underWay', line };
  if (updated === wanted && total === updated && available === updated) return { kind: 'complete' };
  const trouble = troubleOf(deployment, pods);
  const progressing = conditionOf(deployment, 'Progressing');
  if (progressing?.reason === 'ProgressDeadlineExceeded') {
    return {
      kind: 'failed',
      why: `it did not get on within its progressDeadlineSeconds (${spec?.progressDeadlineSeconds}): ${line}${describe(trouble)}`,
    };
  }
  if (trouble?.isCertain) return { kind: 'failed', why: `${line}${describe(trouble)}` };
  return { kind: 'underWay', line: `${line}${trouble ? `; ${trouble.line}` : ''}`, trouble };
}

export function describe(trouble: Trouble | undefined): string {
  return trouble ? `; ${trouble.line}. Look: ${trouble.command}` : '';
}

/**
 * Undefined when the last change of the Deployment has come to its end. Always the same text: what was not up before
 * a rollout is, after it has been taken back, as it was, however far it has come this time.
 */
export function unsettledOf(deployment: Deployment): string | undefined {
  const { metadata, status } = deployment;
  const text = `the rollout of ${metadata?.name} has not come to its end`;
  if ((status?.observedGeneration ?? 0) < (metadata?.generation ?? 0)) return text;
  const progressing = conditionOf(deployment, 'Progressing');
  if (progressing?.reason === COMPLETE && progressing.status === 'True') return undefined;
  return stateOf(deployment, []).kind === 'complete' ? undefined : text;
}

function isReady({ status }: Pod): boolean {
  return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;
}

function conditionOf({ status }: Deployment, type: string) {
  return status?.conditions?.find((condition) => condition.type === type);
}

function troubleOf(deployment: Deployment, pods: Pod[]): Trouble | undefined {
  const found = pods.flatMap((pod) => troubleOfPod(pod) ?? []);
  const worst =
    found.find(({ isCertain }) => isCertain) ?? found.find(({ isPatient }) => !isPatient) ?? found[0];
  if (worst) return worst;
  const failure = conditionOf(deployment, 'ReplicaFailure');
  if (failure?.status !== 'True') return undefined;
  const { name, namespace } = deployment.metadata ?? {};
  return {
    line: `pods cannot be made, ${failure.reason}: ${failure.message}`,
    command: `kubectl -n ${namespace} describe deployment ${name}`,
    isCertain: false,
    isPatient: true,
  };
}

/** Reasons that no waiting mends. */
const HOPELESS = new Set(['InvalidImageName', 'ErrImageNeverPull']);
/** Reasons of a container that waits because of something, and not because it is about to start. */
const STUCK = new Set([
  'CrashLoopBackOff',
  'ErrImagePull',
  'ImagePullBackOff',
  'ImageInspectError',
  'RegistryUnavailable',
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  ...HOPELESS,
]);

function troubleOfPod(pod: Pod): Trouble | undefined {
  const { name, namespace } = pod.metadata ?? {};
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  for (const { name: container, state, restartCount } of statuses) {
    const { reason = '', message } = state?.waiting ?? {};
    if (!STUCK.has(reason)) continue;
    const isCrash = reason === 'CrashLoopBackOff';
    return {
      line: `pod ${name} is in ${reason}${message ? `: ${message}` : ''}`,
      command: isCrash
        ? `kubectl -n ${namespace} logs ${name} -c ${container} --previous`
        : `kubectl -n ${namespace} describe pod ${name}`,
      isCertain: HOPELESS.has(reason) || (isCrash && restartCount >= CERTAIN_RESTARTS),
      isPatient: false,
    };
  }
  const scheduled = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status !== 'False' || scheduled.reason !== 'Unschedulable') return undefined;
  return {
    line: `pod ${name} finds no node: ${scheduled.message ?? 'Unschedulable'}`,
    command: `kubectl -n ${namespace} describe pod ${name}`,
    isCertain: false,
    isPatient: true,
  };
}
