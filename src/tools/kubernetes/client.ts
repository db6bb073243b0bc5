/**
 * A cluster as we need it. Who we are there is the business of the official client library; what is asked goes and
 * comes as plain JSON, because the library's generated calls drop every field that their version does not know.
 */
import type { KubernetesCall, KubernetesVerb } from './errors.js';
import { describeNonsense, describeReply, statusOfError } from './errors.js';
import { type Kind, type Kinds, pathOf } from './kinds.js';
import { type Access, createKubeConfigs } from './kubeconfig.js';
import { isObject, type KubernetesRequest, readObject, requestJson, requestLines } from './transport.js';

export interface ListQuery {
  labelSelector?: string;
  fieldSelector?: string;
  /** With `Exact` what was there at that version. @throws KubernetesError 410 when that has been forgotten */
  resourceVersion?: string;
  resourceVersionMatch?: 'Exact';
}

export interface WatchQuery extends Pick<ListQuery, 'labelSelector' | 'fieldSelector'> {
  /** Of the list that it goes on from; without it what is there comes first, as ADDED. */
  resourceVersion?: string;
  /** The API server ends it then. */
  timeoutSeconds?: number;
}

export interface LogQuery {
  container?: string;
  /** Of the process before the one that runs now. */
  previous?: boolean;
  follow?: boolean;
  /** Each line begins with its time and a space. */
  timestamps?: boolean;
  tailLines?: number;
  /** RFC 3339. */
  sinceTime?: string;
}

export interface WatchEvent<K extends Kind> {
  /** A bookmark bears nothing but the resourceVersion to go on from. */
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  object: Kinds[K];
}

/**
 * All of them end with the reason of the signal that it was connected for.
 * @throws ApplicationFailure `Invalid` where repeating does not help (403, 404, 422), else KubernetesError
 */
export interface Cluster {
  /** Context and address, for people. */
  name: string;
  read<K extends Kind>(kind: K, namespace: string, name: string): Promise<Kinds[K]>;
  /** undefined when there is none. */
  find<K extends Kind>(kind: K, namespace: string, name: string): Promise<Kinds[K] | undefined>;
  list<K extends Kind>(
    kind: K,
    namespace: string,
    query?: ListQuery,
  ): Promise<{ items: Kinds[K][]; resourceVersion: string }>;
  create<K extends Kind>(kind: K, namespace: string, body: Kinds[K]): Promise<Kinds[K]>;
  /** A list is a JSON patch, an object a strategic merge patch. */
  patch<K extends Kind>(
    kind: K,
    namespace: string,
    name: string,
    patch: JsonPatch | object,
  ): Promise<Kinds[K]>;
  /** Until the server ends it, which it does every few minutes, or `until` is aborted. @throws KubernetesError 410 when it has to begin anew */
  watch<K extends Kind>(
    kind: K,
    namespace: string,
    query?: WatchQuery,
    until?: AbortSignal,
  ): AsyncGenerator<WatchEvent<K>>;
  /** Lines, without their ends, until the log ends or `until` is aborted; what is longer than 64 K characters is cut. */
  log(namespace: string, pod: string, query?: LogQuery, until?: AbortSignal): AsyncGenerator<string>;
}

export type JsonPatch = { op: 'test' | 'add' | 'replace' | 'remove'; path: string; value?: unknown }[];

/** `context` is one of the worker's kubeconfig; without it the current one. */
export type ConnectKubernetes = (context: string | undefined, signal: AbortSignal) => Promise<Cluster>;

const PAGE = 500;
const LONGEST_LOG_LINE = 64 * 1024;
const LONGEST_EVENT = 8 * 1024 * 1024;

/** @param env of the worker: KUBECONFIG, else ~/.kube/config, else what a pod is given */
export function createKubernetes(env: NodeJS.ProcessEnv): ConnectKubernetes {
  const open = createKubeConfigs(env);
  return async (context, signal) => {
    signal.throwIfAborted();
    return clusterOf(await open(context), signal);
  };
}

function clusterOf(access: Access, signal: AbortSignal): Cluster {
  const asked = (
    verb: KubernetesVerb,
    kind: Kind,
    namespace: string,
    name?: string,
  ): Pick<KubernetesRequest, 'call' | 'path' | 'signal'> & { call: KubernetesCall } => ({
    call: { verb, kind, namespace, name, cluster: access.cluster },
    path: pathOf(kind, namespace, name),
    signal,
  });
  const one = async <K extends Kind>(request: KubernetesRequest): Promise<Kinds[K]> => {
    const found = await requestJson<Kinds[K]>(access, request);
    if (isObject(found.metadata)) return found;
    throw describeNonsense(request.call, 'an object without metadata');
  };
  const read: Cluster['read'] = (kind, namespace, name) =>
    one({ ...asked('get', kind, namespace, name), method: 'GET' });
  return {
    name: access.cluster,
    read,
    find: (kind, namespace, name) =>
      read(kind, namespace, name).catch((error: unknown) => {
        if (statusOfError(error) === 404) return undefined;
        throw error;
      }),
    list: (kind, namespace, query) => listAll(access, asked('list', kind, namespace), { ...query }),
    create: (kind, namespace, body) =>
      one({
        ...asked('create', kind, namespace, body.metadata?.name),
        path: pathOf(kind, namespace),
        method: 'POST',
        contentType: 'application/json',
        body,
      }),
    patch: (kind, namespace, name, body) =>
      one({
        ...asked('patch', kind, namespace, name),
        method: 'PATCH',
        contentType: Array.isArray(body)
          ? 'application/json-patch+json'
          : 'application/strategic-merge-patch+json',
        body,
      }),
    watch: (kind, namespace, query, until) =>
      watch(access, asked('watch', kind, namespace), { ...query }, until),
    log(namespace, pod, query = {}, until) {
      const { call, path } = asked('get', 'pods', namespace, pod);
      return requestLines(
        access,
        {
          call: { ...call, subresource: 'log' },
          path: `${path}/log`,
          method: 'GET',
          query: textsOf({ ...query }),
          signal,
        },
        { longestLine: LONGEST_LOG_LINE, until },
      );
    },
  };
}

type Asked = Pick<KubernetesRequest, 'call' | 'path' | 'signal'>;

async function listAll<K extends Kind>(
  access: Access,
  asked: Asked,
  query: { [key: string]: string | undefined },
): Promise<{ items: Kinds[K][]; resourceVersion: string }> {
  const items: Kinds[K][] = [];
  const { resourceVersion: _version, resourceVersionMatch: _match, ...laterPage } = query;
  const seen = new Set<string>();
  let next: string | undefined;
  for (;;) {
    const page: { items: Kinds[K][]; metadata: { continue?: string; resourceVersion: string } } =
      await requestJson(access, {
        ...asked,
        method: 'GET',
        // The later pages are of the version of the first.
        query:
          next === undefined
            ? { ...query, limit: String(PAGE) }
            : { ...laterPage, limit: String(PAGE), continue: next },
      });
    if (!isObject(page.metadata) || !Array.isArray(page.items) || !page.items.every(isObject)) {
      throw describeNonsense(asked.call, 'no list of objects');
    }
    items.push(...page.items);
    next = page.metadata.continue || undefined;
    if (next !== undefined && seen.has(next)) throw describeNonsense(asked.call, 'the same page once more');
    if (next !== undefined) seen.add(next);
    if (next === undefined) return { items, resourceVersion: page.metadata.resourceVersion };
  }
}

async function* watch<K extends Kind>(
  access: Access,
  asked: Asked,
  query: WatchQuery,
  until: AbortSignal | undefined,
): AsyncGenerator<WatchEvent<K>> {
  const lines = requestLines(
    access,
    {
      ...asked,
      method: 'GET',
      query: { ...textsOf({ ...query }), watch: 'true', allowWatchBookmarks: 'true' },
    },
    { longestLine: LONGEST_EVENT, until },
  );
  for await (const line of lines) {
    const event = readEvent<K>(asked.call, line);
    // It has begun well, so that its failure comes as one of its events.
    if (event.type === 'ERROR')
      throw describeReply(asked.call, { status: event.object.code, ...event.object });
    yield event;
  }
}

function readEvent<K extends Kind>(call: KubernetesCall, line: string): WatchEvent<K> | ErrorEvent {
  const event = readObject(call, line);
  if (typeof event.type === 'string' && isObject(event.object)) return event as unknown as WatchEvent<K>;
  throw describeNonsense(call, 'no event of a watch');
}

interface ErrorEvent {
  type: 'ERROR';
  object: ErrorStatus;
}

interface ErrorStatus {
  code: number;
  reason?: string;
  message?: string;
}

function textsOf(query: { [key: string]: string | number | boolean | undefined }) {
  const entries = Object.entries(query).map(([key, value]) => [
    key,
    value === undefined ? value : String(value),
  ]);
  return Object.fromEntries(entries) as { [key: string]: string | undefined };
}
