/** Changes of a Deployment: each is one patch that holds only if nobody has changed it since it was read. */

import { invalid } from '../../../platform/failures.js';
import type { JsonPatch } from '../../../tools/kubernetes/client.js';
import { isConflict } from '../../../tools/kubernetes/errors.js';
import type { Deployment, PodTemplate } from '../../../tools/kubernetes/kinds.js';
import {
  ANNOTATIONS,
  containerOf,
  nameOf,
  templateOf,
  versionOf,
} from '../../../tools/kubernetes/releases.js';
import { markOf, type Place } from './place.js';

/** The status of a busy Deployment is written several times a second, and every writing is a new version. */
const MOST_CONFLICTS = 10;

export interface Change {
  template?: PodTemplate;
  replicas?: number;
  /** Of the Deployment itself. */
  annotations?: { [key: string]: string };
}

/** @throws KubernetesError 409 when it has been changed since it was read */
export function changeDeployment(
  { cluster, call }: Place,
  deployment: Deployment,
  { template, replicas, annotations = {} }: Change,
): Promise<Deployment> {
  const { resourceVersion, annotations: present } = deployment.metadata ?? {};
  const patch: JsonPatch = [
    { op: 'replace', path: '/metadata/resourceVersion', value: resourceVersion },
    { op: 'add', path: '/metadata/annotations', value: { ...present, ...annotations } },
  ];
  if (template) patch.push({ op: 'replace', path: '/spec/template', value: template });
  if (replicas !== undefined) patch.push({ op: 'replace', path: '/spec/replicas', value: replicas });
  return cluster.patch('deployments', call.config.namespace, nameOf(deployment), patch);
}

/** Reads and decides anew when somebody was quicker: what changed may be no more than a status. */
export async function untilWritten<T>(readAndWrite: () => Promise<T>): Promise<T> {
  for (let conflicts = 1; ; conflicts += 1) {
    try {
      return await readAndWrite();
    } catch (error) {
      if (!isConflict(error) || conflicts === MOST_CONFLICTS) throw error;
    }
  }
}

/** `before` with the image, the version and the mark of this rollout. */
export function templateOfRelease(
  { call }: Place,
  before: Deployment,
  from = templateOf(before),
): PodTemplate {
  const template = structuredClone(from);
  const { container } = call.config;
  const { name } = containerOf(before, container);
  const image = imageOf(call.image, call.context.version, before, container);
  for (const each of template.spec?.containers ?? []) if (each.name === name) each.image = image;
  return withAnnotations(template, {
    [ANNOTATIONS.version]: call.context.version,
    [ANNOTATIONS.image]: image,
    [ANNOTATIONS.rollout]: markOf(call),
  });
}

/** Without an image the same one is deployed anew, which must not pass for another version. */
function imageOf(
  named: string | undefined,
  version: string,
  before: Deployment,
  container: string | undefined,
): string {
  if (named !== undefined) return named;
  const { image = '' } = containerOf(before, container);
  if (versionOf(before, container) === version) return image;
  throw invalid(
    `The plan names no image, and Deployment ${nameOf(before)} runs ${image}, which is not ${version}. Add to the deploy step: image: REPOSITORY:${version}`,
  );
}

export function withAnnotations(template: PodTemplate, annotations: { [key: string]: string }): PodTemplate {
  const { metadata } = template;
  return {
    ...template,
    metadata: { ...metadata, annotations: { ...metadata?.annotations, ...annotations } },
  };
}
