/** The kinds that we read and change, as the API server sends them. */
import type {
  V1Deployment,
  V1EndpointSlice,
  V1Pod,
  V1ReplicaSet,
  V1Service,
  V2HorizontalPodAutoscaler,
} from '@kubernetes/client-node';
import { invalid } from '../../platform/failures.js';

/**
 * The library types what its own generated calls make of an answer; these pass through no model, because a model
 * drops every field that it does not know, and what we write back would lack it. So a time is the text that was sent.
 */
export type Wire<T> = T extends Date
  ? string
  : T extends (infer Item)[]
    ? Wire<Item>[]
    : T extends object
      ? { [Key in keyof T]: Wire<T[Key]> }
      : T;

export interface Kinds {
  deployments: Wire<V1Deployment>;
  replicasets: Wire<V1ReplicaSet>;
  pods: Wire<V1Pod>;
  services: Wire<V1Service>;
  endpointslices: Wire<V1EndpointSlice>;
  horizontalpodautoscalers: Wire<V2HorizontalPodAutoscaler>;
}

export type Kind = keyof Kinds;
export type Deployment = Kinds['deployments'];
export type ReplicaSet = Kinds['replicasets'];
export type Pod = Kinds['pods'];
export type Service = Kinds['services'];
export type Autoscaler = Kinds['horizontalpodautoscalers'];
export type PodTemplate = NonNullable<Deployment['spec']>['template'];

/** Group and version of each kind; the core group is empty. */
export const GROUPS: { [K in Kind]: { group: string; version: string } } = {
  deployments: { group: 'apps', version: 'v1' },
  replicasets: { group: 'apps', version: 'v1' },
  pods: { group: '', version: 'v1' },
  services: { group: '', version: 'v1' },
  endpointslices: { group: 'discovery.k8s.io', version: 'v1' },
  horizontalpodautoscalers: { group: 'autoscaling', version: 'v2' },
};

export function pathOf(kind: Kind, namespace: string, name?: string): string {
  const { group, version } = GROUPS[kind];
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  const collection = `${root}/namespaces/${segment(namespace)}/${kind}`;
  return name === undefined ? collection : `${collection}/${segment(name)}`;
}

/** Dots alone would lead out of the namespace that the plan names. */
function segment(name: string): string {
  if (/^\.{0,2}$/.test(name)) throw invalid(`"${name}" is no name of Kubernetes. Correct it in the plan.`);
  return encodeURIComponent(name);
}
