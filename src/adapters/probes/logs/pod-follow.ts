/** The log of one container as it comes, over its restarts, until the pod has gone. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from '../../../tools/kubernetes/client.js';
import { statusOfError } from '../../../tools/kubernetes/errors.js';
import type { Pod } from '../../../tools/kubernetes/kinds.js';
import { ContainerLog, type Place, type PodPart, readPod, startedContainer, uidOf } from './pod-log.js';

/** A connection that nothing comes through may be dead: it is made anew. */
const RENEW_MS = 30_000;
/** A log that has ended is that of a container which is started again, or whose pod goes. */
const LOOK_AGAIN_MS = 500;

/** @param place the log has been read up to there; from its beginning when left out */
export async function* followPod(
  cluster: Cluster,
  pod: Pod,
  { container, signal }: { container?: string; signal: AbortSignal },
  place: Place | undefined,
): AsyncGenerator<PodPart> {
  let here: Pod | undefined = pod;
  let at = place;
  while (here) {
    const renewed = AbortSignal.timeout(RENEW_MS);
    for await (const part of readOn(cluster, here, { container, until: renewed }, at)) {
      at = part.place;
      yield part;
    }
    if (!renewed.aborted) await sleep(LOOK_AGAIN_MS, undefined, { signal });
    here = await current(cluster, pod);
  }
  yield { uid: uidOf(pod), lines: [] };
}

/** What a restart has left to read comes first; then lines as they come, for as long as the connection is trusted. */
async function* readOn(
  cluster: Cluster,
  pod: Pod,
  { container: wanted, until }: { container: string | undefined; until: AbortSignal },
  place: Place | undefined,
): AsyncGenerator<PodPart> {
  const container = startedContainer(pod, wanted);
  if (!container) return;
  let at = place;
  if (place && place[0] < container.restarts) {
    for await (const part of readPod(cluster, pod, { container: wanted }, place)) {
      at = part.place;
      yield part;
    }
  }
  const log = new ContainerLog(cluster, pod, container.name, at, container.restarts);
  try {
    yield* log.parts({ follow: true }, until);
  } catch (error) {
    // 404: the pod has gone; 400: its container is about to be started again. What that means is seen by looking.
    if (statusOfError(error) !== 404 && statusOfError(error) !== 400) throw error;
  }
}

/** By a list, because the right to that is there already. */
async function current(cluster: Cluster, { metadata }: Pod): Promise<Pod | undefined> {
  const fieldSelector = `metadata.name=${metadata?.name}`;
  const { items } = await cluster.list('pods', metadata?.namespace ?? '', { fieldSelector });
  return items.find((pod) => pod.metadata?.uid === metadata?.uid);
}
