/**
 * A Deployment and its pods, watched. The cursor is how far both have been: the API server still knows for some
 * minutes what was then, and tells everything that has happened since. When it has forgotten, that is a gap.
 *
 * The Deployment is read by its name and not by a list, so that the worker needs no right to list all of them.
 */
import type { Json } from '../../../plan/resolved.js';
import type { Cluster, ConnectKubernetes, WatchEvent, WatchQuery } from '../../../tools/kubernetes/client.js';
import { isExpired } from '../../../tools/kubernetes/errors.js';
import type { Deployment, Pod } from '../../../tools/kubernetes/kinds.js';
import { selectorOf } from '../../../tools/kubernetes/releases.js';
import { isObject } from '../endpoint.js';
import { Merge } from '../merge.js';
import type { Followed, FollowRequest } from '../probe.js';
import type { Config } from './schema.js';
import { describeState } from './state.js';

type Watched = 'deployments' | 'pods';

/** Versions that the two watches have come to (empty: from what is there on), and the one of the Deployment itself. */
type Place = { [Kind in Watched | 'own']: string };

type Event =
  | { kind: 'deployments'; event: WatchEvent<'deployments'> }
  | { kind: 'pods'; event: WatchEvent<'pods'> };

/** A connection that nothing comes through may be dead: it is made anew, and nothing is lost by it. */
const WATCH_SECONDS = 30;
const LATE_MS = 5_000;

export async function* followState(
  connect: ConnectKubernetes,
  { config, cursor, signal }: FollowRequest<Config>,
): AsyncGenerator<Followed> {
  const left = new AbortController();
  const last: { cursor?: Json } = { cursor };
  try {
    const cluster = await connect(config.context, AbortSignal.any([signal, left.signal]));
    for await (const followed of followAll(cluster, config, placeOf(cursor))) {
      last.cursor = followed.cursor;
      yield followed;
    }
  } catch (error) {
    signal.throwIfAborted();
    const message = error instanceof Error ? error.message : String(error);
    yield { sample: { kind: 'error', message }, ...last };
  } finally {
    left.abort();
  }
}

async function* followAll(
  cluster: Cluster,
  config: Config,
  known: Place | undefined,
): AsyncGenerator<Followed> {
  let place = known;
  let gap: string | undefined;
  for (;;) {
    try {
      const watched = await WatchedState.open(cluster, config, place);
      if (watched.isKnown) yield watched.tell(gap);
      gap = undefined;
      yield* watched.changes();
      // It is another Deployment now, and was just told.
      place = undefined;
    } catch (error) {
      if (!isExpired(error)) throw error;
      gap = `the API server has forgotten what happened since: ${error instanceof Error ? error.message : ''}`;
      place = undefined;
    }
  }
}

class WatchedState {
  readonly #cluster: Cluster;
  readonly #config: Config;
  readonly #place: Place;
  readonly #pods: Map<string, Pod>;
  readonly #selector: string | undefined;
  #deployment: Deployment | undefined;
  #isKnown: boolean;
  #told = '';

  private constructor(
    cluster: Cluster,
    config: Config,
    place: Place,
    state: { deployment?: Deployment; pods: Pod[]; isKnown: boolean },
  ) {
    this.#cluster = cluster;
    this.#config = config;
    this.#place = place;
    this.#deployment = state.deployment;
    this.#selector = state.deployment && selectorOf(state.deployment);
    this.#pods = new Map(state.pods.map((pod) => [pod.metadata?.uid ?? '', pod]));
    this.#isKnown = state.isKnown;
  }

  /**
   * As it was at the place; as it is now without one. A Deployment that has changed since is not known before its
   * watch has told of the first change: how it was before has been told before.
   * @throws KubernetesError 410 when nobody knows any more
   */
  static async open(cluster: Cluster, config: Config, place?: Place): Promise<WatchedState> {
    const { namespace, deployment: name } = config;
    const deployment = await cluster.find('deployments', namespace, name);
    const own = deployment?.metadata?.resourceVersion ?? '';
    if (!deployment) {
      return new WatchedState(
        cluster,
        config,
        { deployments: '', pods: '', own },
        { pods: [], isKnown: true },
      );
    }
    const at = place && { resourceVersion: place.pods, resourceVersionMatch: 'Exact' as const };
    const query = { labelSelector: selectorOf(deployment), ...(place?.pods ? at : {}) };
    const { items: pods, resourceVersion } = await cluster.list('pods', namespace, query);
    const from = { deployments: place?.deployments ?? own, pods: resourceVersion, own: place?.own ?? own };
    return new WatchedState(cluster, config, from, { deployment, pods, isKnown: from.own === own });
  }

  /** What was at the place has been found. */
  get isKnown(): boolean {
    return this.#isKnown;
  }

  tell(gap?: string): Followed {
    const sample = describeState(
      { deployment: this.#deployment, pods: [...this.#pods.values()] },
      this.#config,
    );
    this.#told = JSON.stringify(sample);
    return { sample, cursor: { ...this.#place }, ...(gap === undefined ? {} : { gap }) };
  }

  /** Until the Deployment is another one, whose pods have to be looked for anew. */
  async *changes(): AsyncGenerator<Followed> {
    const selector = this.#selector;
    const merge = new Merge<Event>();
    const stop = new AbortController();
    merge.add(
      this.#watch('deployments', { fieldSelector: `metadata.name=${this.#config.deployment}` }, stop.signal),
    );
    if (selector !== undefined) merge.add(this.#watch('pods', { labelSelector: selector }, stop.signal));
    try {
      for await (const event of merge) {
        this.#take(event);
        if (!this.#isKnown) continue;
        const isBookmark = event.event.type === 'BOOKMARK';
        const before = this.#told;
        const told = this.tell();
        if (isBookmark || this.#told !== before) yield told;
        if (this.#deployment && selectorOf(this.#deployment) !== selector) return;
      }
    } finally {
      stop.abort();
    }
  }

  #take({ kind, event }: Event): void {
    this.#place[kind] = event.object.metadata?.resourceVersion ?? this.#place[kind];
    if (event.type === 'BOOKMARK') return;
    const isGone = event.type === 'DELETED';
    if (kind === 'deployments') {
      this.#isKnown = true;
      this.#place.own = isGone ? '' : (event.object.metadata?.resourceVersion ?? '');
    }
    if (kind === 'deployments') this.#deployment = isGone ? undefined : event.object;
    else if (isGone) this.#pods.delete(event.object.metadata?.uid ?? '');
    else this.#pods.set(event.object.metadata?.uid ?? '', event.object);
  }

  async *#watch(kind: 'deployments' | 'pods', which: WatchQuery, stop: AbortSignal): AsyncGenerator<Event> {
    let resourceVersion: string | undefined = this.#place[kind] || undefined;
    while (!stop.aborted) {
      const query: WatchQuery = { ...which, resourceVersion, timeoutSeconds: WATCH_SECONDS };
      const until = AbortSignal.any([stop, AbortSignal.timeout(WATCH_SECONDS * 1_000 + LATE_MS)]);
      const events = this.#cluster.watch<Watched>(kind, this.#config.namespace, query, until);
      for await (const event of events) {
        resourceVersion = event.object.metadata?.resourceVersion ?? resourceVersion;
        yield { kind, event } as Event;
      }
    }
  }
}

function placeOf(cursor: Json | undefined): Place | undefined {
  if (!isObject(cursor)) return undefined;
  const { deployments, pods, own } = cursor;
  const isPlace = typeof deployments === 'string' && typeof pods === 'string' && typeof own === 'string';
  // Before there was a Deployment there was nothing to go on from.
  return isPlace && deployments !== '' ? { deployments, pods, own } : undefined;
}
