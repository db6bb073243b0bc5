/** Where a call works, and what stands there: two slots behind one Service, of which its selector makes one live. */
import type { Release } from '../../../contract/activities.js';
import { drift, invalid } from '../../../platform/failures.js';
import type { Cluster } from '../../../tools/kubernetes/client.js';
import type { Deployment, Service } from '../../../tools/kubernetes/kinds.js';
import { nameOf, releaseIdOf, templateOf, versionOf } from '../../../tools/kubernetes/releases.js';
import type { TargetCall } from '../target.js';
import type { Config } from './schema.js';

export interface Place {
  cluster: Cluster;
  call: TargetCall<Config>;
}

export interface Scene {
  service: Service;
  /** The one whose pods the Service selects, whatever its name. */
  live: Deployment;
  /** The other one; it is made when a release is first prepared beside the live one. */
  idle?: Deployment;
}

type Labels = { [key: string]: string };

export function secondSlotOf({ deployment }: Config): string {
  return `${deployment}-green`;
}

export async function readScene({ cluster, call }: Place): Promise<Scene> {
  const { namespace, service, deployment } = call.config;
  const [front, first, second] = await Promise.all([
    cluster.read('services', namespace, service),
    cluster.read('deployments', namespace, deployment),
    cluster.find('deployments', namespace, secondSlotOf(call.config)),
  ]);
  const slots = second ? [first, second] : [first];
  const selected = slots.filter((slot) => isSelected(front, slot));
  const [live] = selected;
  if (!live || selected.length > 1) throw ambiguous(call.config, front, slots, selected);
  return { service: front, live, idle: slots.find((slot) => slot !== live) };
}

export function selectorOfService(service: Service): Labels {
  return service.spec?.selector ?? {};
}

function isSelected(service: Service, deployment: Deployment): boolean {
  const wanted = Object.entries(selectorOfService(service));
  const labels = templateOf(deployment).metadata?.labels ?? {};
  return wanted.length > 0 && wanted.every(([key, value]) => labels[key] === value);
}

function ambiguous(
  { namespace, service }: Config,
  front: Service,
  slots: Deployment[],
  selected: Deployment[],
) {
  const names = slots.map((slot) => `Deployment ${nameOf(slot)}`);
  const which =
    selected.length > 1 ? 'the pods of both' : names.length > 1 ? 'the pods of neither' : 'no pods of';
  return invalid(
    `Service ${service} selects ${showLabels(selectorOfService(front))}, ${which} ${names.join(' and ')}, so nobody can tell what is live. Make its selector match the labels of one: kubectl -n ${namespace} edit service ${service}`,
  );
}

export function showLabels(labels: Labels): string {
  const all = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return all.length === 0 ? 'nothing' : all.join(',');
}

export function releaseOf({ call }: Place, deployment: Deployment, url: string): Release {
  return { id: releaseIdOf(deployment), version: versionOf(deployment, call.config.container), url };
}

/** What our releases bear: one step of one run deploys one. */
export function markOf({ context, step }: TargetCall<Config>): string {
  return `${context.runId}/${step}`;
}

/** @throws ApplicationFailure `Invalid`: a paused Deployment takes a change and does nothing */
export function refusePaused({ call }: Place, deployment: Deployment): void {
  if (!deployment.spec?.paused) return;
  const name = nameOf(deployment);
  throw invalid(
    `Deployment ${name} is paused, so that nothing that is changed comes into force. To mend it: kubectl -n ${call.config.namespace} rollout resume deployment/${name}`,
  );
}

export function changedMeanwhile({ call }: Place, deployment: Deployment, expected: string) {
  const name = nameOf(deployment);
  const found = releaseIdOf(deployment);
  return drift(
    `${call.step}: Deployment ${name} is ${found} (${versionOf(deployment, call.config.container)}), expected ${expected}. Somebody else changed it meanwhile; who did shows: kubectl -n ${call.config.namespace} get deployment ${name} -o yaml --show-managed-fields`,
    { item: `Deployment ${name}`, found, expected },
  );
}
