/**
 * The log of the pods of a Deployment. The kubelet gives each line its time, and takes no other cursor; so a container
 * is read on from the second of the line that was read last, and what comes before that very line is known. When it
 * is not there any more, the log has been rotated.
 */
import type { Json } from '../../../plan/resolved.js';
import type { Cluster, ConnectKubernetes, WatchQuery } from '../../../tools/kubernetes/client.js';
import type { Pod, ReplicaSet } from '../../../tools/kubernetes/kinds.js';
import { selectorOf, setsOfRelease } from '../../../tools/kubernetes/releases.js';
import { isObject } from '../endpoint.js';
import { Merge } from '../merge.js';
import { followPod } from './pod-follow.js';
import { type Place, type PodPart, readPod, startedContainer, uidOf } from './pod-log.js';
import type { Config } from './schema.js';
import { type LogBatch, type LogFrom, type LogSource, LogUnread } from './source.js';

export type PodsConfig = NonNullable<Config['kubernetes']>;

/** Of more pods the places are not kept: to begin again is then a gap. */
const MOST_PLACES = 40;
/** A connection that nothing comes through may be dead: it is made anew. */
const WATCH_SECONDS = 30;

export function createPodSource(connect: ConnectKubernetes, config: PodsConfig): LogSource {
  return {
    async *batches(from) {
      const left = new AbortController();
      try {
        const signal = AbortSignal.any([from.signal, left.signal]);
        const cluster = await connect(config.context, signal);
        yield* new Pods(cluster, config, { ...from, signal }).batches();
      } finally {
        left.abort();
      }
    },
  };
}

class Pods {
  readonly #cluster: Cluster;
  readonly #config: PodsConfig;
  readonly #from: LogFrom;
  /** By uid, shortened. */
  readonly #places = new Map<string, Place>();
  readonly #followed = new Set<string>();
  #selector = '';
  /** Uids of ReplicaSets that match the selector, and whether they are read. */
  #sets = new Map<string, boolean>();

  constructor(cluster: Cluster, config: PodsConfig, from: LogFrom) {
    this.#cluster = cluster;
    this.#config = config;
    this.#from = from;
  }

  async *batches(): AsyncGenerator<LogBatch> {
    const { pods, resourceVersion } = await this.#list();
    const known = placesOf(this.#from.cursor);
    const gone = known && [...known.keys()].some((uid) => !pods.some((pod) => uidOf(pod) === uid));
    for (const [uid, place] of known ?? []) this.#places.set(uid, place);
    let gap = gone ? 'a pod has gone whose log had not been read to its end' : undefined;
    if (isObject(this.#from.cursor) && this.#from.cursor.more === true) {
      gap ??= `there are more than ${MOST_PLACES} pods, and where each was read to is not kept`;
    }
    if (gone)
      for (const uid of known.keys()) if (!pods.some((pod) => uidOf(pod) === uid)) this.#places.delete(uid);
    for (const pod of pods) yield* this.#batchesOf(this.#readPod(pod));
    yield { lines: [], cursor: this.#cursor(), caughtUp: true, ...(gap === undefined ? {} : { gap }) };
    if (this.#from.follow) yield* this.#follow(pods, resourceVersion);
  }

  #readPod(pod: Pod): AsyncGenerator<PodPart> {
    const { container, previous } = this.#config;
    const query = { container, previous, sinceMs: this.#from.sinceMs };
    return readPod(this.#cluster, pod, query, this.#places.get(uidOf(pod)));
  }

  async *#batchesOf(parts: AsyncIterable<PodPart>): AsyncGenerator<LogBatch> {
    for await (const part of parts) yield this.#take(part, false);
  }

  /** Places count only with the lines that they stand after: they are noted as those are handed on. */
  #take({ uid, lines, place, gap }: PodPart, caughtUp: boolean): LogBatch {
    if (place) this.#places.set(uid, place);
    else this.#places.delete(uid);
    return { lines, cursor: this.#cursor(), caughtUp, ...(gap === undefined ? {} : { gap }) };
  }

  async *#follow(pods: Pod[], resourceVersion: string): AsyncGenerator<LogBatch> {
    const merge = new Merge<PodPart | Pod>();
    const add = (pod: Pod) => {
      if (this.#followed.has(uidOf(pod)) || !startedContainer(pod, this.#config.container)) return;
      this.#followed.add(uidOf(pod));
      const query = { container: this.#config.container, signal: this.#from.signal };
      merge.add(followPod(this.#cluster, pod, query, this.#places.get(uidOf(pod))));
    };
    pods.forEach(add);
    merge.add(this.#watchPods(resourceVersion));
    for await (const item of merge) {
      if ('metadata' in item) add(item);
      else if ('uid' in item) yield this.#take(item, true);
    }
  }

  /** Pods that come later. */
  async *#watchPods(listed: string): AsyncGenerator<Pod> {
    const { namespace } = this.#config;
    let resourceVersion = listed;
    for (;;) {
      const query: WatchQuery = {
        labelSelector: this.#selector,
        resourceVersion,
        timeoutSeconds: WATCH_SECONDS,
      };
      const until = AbortSignal.timeout((WATCH_SECONDS + 5) * 1000);
      for await (const { type, object } of this.#cluster.watch('pods', namespace, query, until)) {
        resourceVersion = object.metadata?.resourceVersion ?? resourceVersion;
        if ((type === 'ADDED' || type === 'MODIFIED') && (await this.#isOurs(object))) yield object;
      }
    }
  }

  async #list(): Promise<{ pods: Pod[]; resourceVersion: string }> {
    const { namespace, release } = this.#config;
    await this.#findSets();
    const listed = await this.#cluster.list('pods', namespace, { labelSelector: this.#selector });
    const pods = listed.items.filter((pod) => this.#setOf(pod) === true);
    if (!pods.some((pod) => startedContainer(pod, this.#config.container))) {
      const which = release ?? `${namespace}/${this.#config.deployment}`;
      throw new LogUnread('inconclusive', `no pod of ${which} has started, so that there is no log to read`);
    }
    return { pods, resourceVersion: listed.resourceVersion };
  }

  /** The ReplicaSets of the Deployment; with a release, of the Deployment that it lives in, those that are the release. */
  async #findSets(): Promise<void> {
    const { namespace, release, deployment: named } = this.#config;
    const [name = named] = release?.split('@') ?? [];
    const deployment = await this.#cluster.find('deployments', namespace, name);
    if (!deployment) {
      throw new LogUnread(
        'inconclusive',
        `there is no Deployment ${namespace}/${name} at ${this.#cluster.name}`,
      );
    }
    this.#selector = selectorOf(deployment);
    const { items } = await this.#cluster.list('replicasets', namespace, { labelSelector: this.#selector });
    const owned = items.filter((set) => isOwnedBy(set, deployment.metadata?.uid));
    const ours =
      release === undefined ? owned : setsOfRelease(name, release, { replicaSets: owned, pods: [] });
    this.#sets = new Map(items.map((set) => [set.metadata?.uid ?? '', ours.includes(set)]));
  }

  async #isOurs(pod: Pod): Promise<boolean> {
    // A release that is started again gets another ReplicaSet.
    if (this.#setOf(pod) === undefined) await this.#findSets();
    return this.#setOf(pod) ?? false;
  }

  /** Whether its ReplicaSet is one of those that are read; undefined when nobody knows it. */
  #setOf(pod: Pod): boolean | undefined {
    const owners = pod.metadata?.ownerReferences ?? [];
    return owners.map(({ uid }) => this.#sets.get(uid)).find((isOurs) => isOurs !== undefined);
  }

  #cursor(): Json {
    const places = [...this.#places].slice(-MOST_PLACES);
    const more = this.#places.size > MOST_PLACES;
    return {
      pods: Object.fromEntries(places.map(([uid, place]) => [uid, [...place]])),
      ...(more ? { more } : {}),
    };
  }
}

function isOwnedBy({ metadata }: ReplicaSet, uid: string | undefined): boolean {
  return metadata?.ownerReferences?.some((owner) => owner.uid === uid) ?? false;
}

function placesOf(cursor: Json | undefined): Map<string, Place> | undefined {
  if (!isObject(cursor) || !isObject(cursor.pods)) return undefined;
  const places = Object.entries(cursor.pods).flatMap(([uid, place]): [string, Place][] => {
    const [restarts, time, same] = Array.isArray(place) ? place : [];
    const isPlace = typeof restarts === 'number' && typeof time === 'string' && typeof same === 'number';
    return isPlace ? [[uid, [restarts, time, same]]] : [];
  });
  return new Map(places);
}
