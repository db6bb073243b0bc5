/** What a Deployment was before. */
import type { Deployment, PodTemplate } from '../../../tools/kubernetes/kinds.js';
import { nameOf, readReplicas, setsOfRelease } from '../../../tools/kubernetes/releases.js';
import type { Place } from './place.js';

/** From the ReplicaSets that the Deployment keeps (`revisionHistoryLimit`). */
export async function templateFromHistory(
  { cluster, call }: Place,
  deployment: Deployment,
  id: string,
): Promise<PodTemplate | undefined> {
  const replicas = await readReplicas(cluster, call.config.namespace, deployment);
  const template = setsOfRelease(nameOf(deployment), id, replicas)[0]?.spec?.template;
  if (!template) return undefined;
  const { 'pod-template-hash': _, ...labels } = template.metadata?.labels ?? {};
  return { ...template, metadata: { ...template.metadata, labels } };
}
