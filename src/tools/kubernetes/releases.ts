/**
 * What a release is on Kubernetes: what the pod template of a Deployment says. Its id is made from the template
 * itself, so that whoever changes it makes another release, and the template that comes back is the release that was.
 */
import { digestJson } from '../../plan/canonical.js';
import { invalid } from '../../platform/failures.js';
import type { Cluster } from './client.js';
import type { Deployment, Pod, PodTemplate, ReplicaSet } from './kinds.js';

/** Annotations of ours, on the pod template. */
export const ANNOTATIONS = {
  /** As the plan calls it; counts as long as the image is the one that was deployed with it. */
  version: 'headgate.dev/version',
  image: 'headgate.dev/image',
  /** `<run>/<step>`: the same image, deployed anew, is another release with new pods. */
  rollout: 'headgate.dev/rollout',
  /** A release that was started again is the release that it was. */
  restartedAt: 'headgate.dev/restarted-at',
} as const;

const NO_PART_OF_A_RELEASE = [ANNOTATIONS.restartedAt, 'kubectl.kubernetes.io/restartedAt'];
const HASH_LABEL = 'pod-template-hash';
const ID_DIGITS = 10;

/** `shop@3fa9c21b0d`: its Deployment, and what its template says. */
export function releaseIdOf(deployment: Deployment): string {
  return idOf(nameOf(deployment), templateOf(deployment));
}

export function idOf(deployment: string, template: PodTemplate): string {
  const { annotations, labels } = template.metadata ?? {};
  const said = {
    labels: without(labels, [HASH_LABEL]),
    annotations: without(annotations, NO_PART_OF_A_RELEASE),
    spec: template.spec,
  };
  return `${deployment}@${digestJson(said).slice(0, ID_DIGITS)}`;
}

function without(all: { [key: string]: string } | undefined, keys: string[]): { [key: string]: string } {
  return Object.fromEntries(Object.entries(all ?? {}).filter(([key]) => !keys.includes(key)));
}

export function nameOf({ metadata }: { metadata?: { name?: string } }): string {
  return metadata?.name ?? '';
}

/** @throws ApplicationFailure `Invalid`: the API server sends none without a template */
export function templateOf(deployment: Deployment): PodTemplate {
  if (deployment.spec) return deployment.spec.template;
  throw invalid(`Deployment ${nameOf(deployment)} has no pod template.`);
}

/** The container that runs the application. @throws ApplicationFailure `Invalid` when the plan has to name it */
export function containerOf(deployment: Deployment, named: string | undefined) {
  const containers = templateOf(deployment).spec?.containers ?? [];
  const names = containers.map(({ name }) => name).join(', ');
  const found = named === undefined ? containers[0] : containers.find(({ name }) => name === named);
  if (!found) {
    throw invalid(`Deployment ${nameOf(deployment)} has no container "${named}"; it has: ${names}.`);
  }
  if (named === undefined && containers.length > 1) {
    throw invalid(
      `Deployment ${nameOf(deployment)} has several containers: ${names}. Say in the plan which one runs the application: container: NAME`,
    );
  }
  return found;
}

/** What was deployed with it, else the tag of its image, else its label, else the start of the image's digest. */
export function versionOf(deployment: Deployment, container: string | undefined): string {
  const { image = '' } = containerOf(deployment, container);
  const { annotations, labels } = templateOf(deployment).metadata ?? {};
  const said = annotations?.[ANNOTATIONS.version];
  if (said !== undefined && annotations?.[ANNOTATIONS.image] === image) return said;
  const [reference = '', digest] = image.split('@');
  // A colon before the last slash is that of a port.
  const tag = /:([^/:]+)$/.exec(reference)?.[1];
  return tag ?? labels?.['app.kubernetes.io/version'] ?? digest?.slice(0, 'sha256:'.length + 12) ?? 'latest';
}

/** The ReplicaSets of a Deployment, and its pods. */
export interface Replicas {
  replicaSets: ReplicaSet[];
  pods: Pod[];
}

/** `namespace` of the Deployment. Pods that are being deleted are none any more. */
export async function readReplicas(
  cluster: Cluster,
  namespace: string,
  deployment: Deployment,
): Promise<Replicas> {
  const labelSelector = selectorOf(deployment);
  const [sets, pods] = await Promise.all([
    cluster.list('replicasets', namespace, { labelSelector }),
    cluster.list('pods', namespace, { labelSelector }),
  ]);
  const isOwned = ({ metadata }: ReplicaSet) =>
    metadata?.ownerReferences?.some(({ uid }) => uid === deployment.metadata?.uid) ?? false;
  return {
    replicaSets: sets.items.filter(isOwned),
    pods: pods.items.filter(({ metadata }) => metadata?.deletionTimestamp === undefined),
  };
}

/** The ReplicaSets whose template is that release: several when it was started again. */
export function setsOfRelease(deployment: string, id: string, { replicaSets }: Replicas): ReplicaSet[] {
  return replicaSets.filter(({ spec }) => spec?.template && idOf(deployment, spec.template) === id);
}

/** The pods of these ReplicaSets. */
export function podsOf(sets: ReplicaSet[], { pods }: Replicas): Pod[] {
  const uids = new Set(sets.map(({ metadata }) => metadata?.uid));
  return pods.filter(({ metadata }) => metadata?.ownerReferences?.some(({ uid }) => uids.has(uid)));
}

/** The pods of the release that `id` names, whichever Deployment it lives in. */
export async function podsOfRelease(cluster: Cluster, namespace: string, id: string): Promise<Pod[]> {
  const [name = ''] = id.split('@');
  const deployment = await cluster.find('deployments', namespace, name);
  if (!deployment) return [];
  const replicas = await readReplicas(cluster, namespace, deployment);
  return podsOf(setsOfRelease(name, id, replicas), replicas);
}

/** As the API takes it. */
export function selectorOf({ spec }: Deployment): string {
  const { matchLabels = {}, matchExpressions = [] } = spec?.selector ?? {};
  const words: { [operator: string]: (key: string, values: string) => string } = {
    In: (key, values) => `${key} in (${values})`,
    NotIn: (key, values) => `${key} notin (${values})`,
    Exists: (key) => key,
    DoesNotExist: (key) => `!${key}`,
  };
  return [
    ...Object.entries(matchLabels).map(([key, value]) => `${key}=${value}`),
    ...matchExpressions.map(
      ({ key, operator, values = [] }) => words[operator]?.(key, values.join(',')) ?? key,
    ),
  ].join(',');
}
