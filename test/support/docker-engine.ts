/**
 * A swarm manager as the docker command line sees it: the Engine API over HTTP, every request held against moby's
 * published description (test/fixtures/docker-openapi.json). How a service changes is swarmkit's way: an update keeps
 * the specification of before, even when it changes nothing; it begins a moment later; a rollback swaps the two.
 */
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { isDeepStrictEqual } from 'node:util';
import { encodeName, inWords, withoutNull } from './docker-requests.js';
import { serve } from './http-server.js';
import { createRequestCheck } from './openapi.js';

interface Spec {
  Name: string;
  Labels?: Record<string, string>;
  TaskTemplate: { ContainerSpec: { Image: string; Env?: string[] }; ForceUpdate?: number };
  Mode: { Replicated?: { Replicas?: number } };
  UpdateConfig?: { FailureAction?: string };
}

interface Service {
  ID: string;
  index: number;
  spec: Spec;
  previous?: Spec;
  /** How often somebody has looked since it was changed. */
  looks: number;
  /** Its tasks are replaced by this change. */
  replaces: boolean;
  way: 'update' | 'rollback' | 'automatic';
  /** Tasks that have come to an end, the newest first. */
  failed: { image: string; error: string }[];
}

interface Config {
  ID: string;
  Spec: { Name: string; Labels: Record<string, string> };
}

export interface DockerEngine {
  /** For DOCKER_HOST. */
  host: string;
  /** What was not as described; a test that ends with some has failed. */
  faults: string[];
  /** `POST /services/create` and so on, in order. */
  writes: string[];
  /** Images whose tasks end at once, and by what error. */
  broken: Map<string, string>;
  /** No update ever ends. */
  stuck: boolean;
  services(): { name: string; image: string; starts: number }[];
  configs(): string[];
  close(): Promise<void>;
}

/** The look at which it is in the middle of a change; before that it has not begun. */
const MIDDLE = 2;
const API = '1.47';

export async function startDockerEngine(): Promise<DockerEngine> {
  const engine = new Engine();
  const check = createRequestCheck('docker-openapi.json');
  const server = await serve((request, response, body) => {
    const { method = 'GET' } = request;
    const url = new URL(request.url ?? '/', 'http://engine');
    const path = url.pathname.replace(/^\/v[\d.]+/, '').replace(/^\/distribution\/(.*)\/json$/, encodeName);
    const sent = body.trim() === '' ? undefined : withoutNull(JSON.parse(body));
    const faults = check({ method, path, query: inWords(url.searchParams), body: sent });
    engine.faults.push(...faults.map((fault) => `${method} ${path}: ${fault}`));
    if (method !== 'GET' && method !== 'HEAD') engine.writes.push(`${method} ${path}`);
    response.setHeader('Api-Version', API);
    response.setHeader('Docker-Experimental', 'false');
    response.setHeader('Content-Type', 'application/json');
    engine.answer({ request, response, method, path, query: url.searchParams, body: sent });
  });
  return Object.assign(engine, {
    host: server.url.replace('http:', 'tcp:'),
    close: () => server.close(),
  });
}

type Reply = [value: unknown, status?: number];

interface Asked {
  request: IncomingMessage;
  response: ServerResponse;
  method: string;
  path: string;
  query: URLSearchParams;
  body: unknown;
}

class Engine {
  readonly faults: string[] = [];
  readonly writes: string[] = [];
  readonly broken = new Map<string, string>();
  stuck = false;
  readonly #services = new Map<string, Service>();
  readonly #configs = new Map<string, Config>();
  #count = 0;

  services(): { name: string; image: string; starts: number }[] {
    return [...this.#services.values()].map(({ spec }) => ({
      name: spec.Name,
      image: spec.TaskTemplate.ContainerSpec.Image,
      starts: spec.TaskTemplate.ForceUpdate ?? 0,
    }));
  }

  configs(): string[] {
    return [...this.#configs.values()].map(({ Spec }) => Spec.Name);
  }

  answer(asked: Asked): void {
    const { response, method, path } = asked;
    const [, sort = '', id = '', verb = ''] = path.split('/');
    const one = this.#find(decodeURIComponent(id));
    if (sort === '_ping') response.end(method === 'HEAD' ? undefined : 'OK');
    else if (verb === 'logs') this.#log(response, one);
    else {
      const [value, status = 200] = this.#reply(asked, sort, id, verb);
      response.writeHead(status).end(status === 204 ? undefined : JSON.stringify(value));
    }
  }

  #reply({ method, query, body }: Asked, sort: string, id: string, verb: string): Reply {
    const one = this.#find(decodeURIComponent(id));
    if (sort === 'info')
      return [{ Swarm: { ControlAvailable: true, LocalNodeState: 'active', NodeID: 'n1' } }];
    if (sort === 'distribution')
      return [{ Descriptor: { digest: digestOf(decodeURIComponent(id)) }, Platforms: [] }];
    if (sort === 'networks' && id === 'create') return [{ Id: 'net1' }, 201];
    if (sort === 'services' && id === 'create') return [this.#create(body as Spec), 201];
    if (sort === 'services' && id === '') return [this.#list(query)];
    if (sort === 'services' && verb === 'update' && one) return this.#update(one, query, body as Spec);
    if (sort === 'services' && one) return [this.#show(one)];
    if (sort === 'tasks') return [this.#tasks(query)];
    if (sort === 'configs' && id === 'create') return this.#createConfig(body as Config['Spec']);
    if (sort === 'configs') return this.#config(method, query, decodeURIComponent(id));
    if (['networks', 'secrets', 'nodes'].includes(sort) && id === '') return [[]];
    return [{ message: `${sort} ${id} not found` }, 404];
  }

  #find(id: string): Service | undefined {
    return [...this.#services.values()].find(({ ID, spec }) => ID === id || spec.Name === id);
  }

  #create(spec: Spec): { ID: string } {
    this.#count += 1;
    const ID = `service${this.#count}`;
    this.#services.set(ID, {
      ...{ ID, spec, index: this.#count, looks: 0 },
      ...{ replaces: false, way: 'update', failed: [] },
    });
    return { ID };
  }

  #update(service: Service, query: URLSearchParams, sent: Spec): Reply {
    if (query.get('version') !== String(service.index))
      return [{ message: 'rpc error: update out of sequence' }, 500];
    const isBack = query.get('rollback') === 'previous';
    if (isBack && !service.previous) return [{ message: 'service does not have a previous spec' }, 400];
    const next = isBack ? (service.previous ?? sent) : sent;
    this.#change(service, next, isBack ? 'rollback' : 'update');
    return [{ Warnings: null }];
  }

  #change(service: Service, spec: Spec, way: Service['way']): void {
    this.#count += 1;
    service.replaces = !isDeepStrictEqual(spec.TaskTemplate, service.spec.TaskTemplate);
    service.previous = service.spec;
    service.spec = spec;
    service.index = this.#count;
    service.looks = 0;
    service.way = way;
  }

  /** How far it is by now; what fails is paused or taken back, as its specification says. */
  #state(service: Service): { status?: { State: string; Message: string }; running: number } {
    const { spec, way, replaces } = service;
    const wanted = spec.Mode.Replicated?.Replicas ?? 1;
    const { looks } = service;
    const [begun, done] =
      way === 'update' ? ['updating', 'completed'] : ['rollback_started', 'rollback_completed'];
    const error = this.broken.get(spec.TaskTemplate.ContainerSpec.Image.split('@')[0] ?? '');
    if (!replaces && way === 'update') return { running: error ? 0 : wanted };
    // A rollback is told at once, an update when the orchestrator has come to it.
    if (looks < MIDDLE && way === 'update') return { running: wanted };
    if (looks <= MIDDLE || this.stuck)
      return { status: { State: begun ?? '', Message: '' }, running: wanted - 1 };
    if (error === undefined) return { status: { State: done ?? '', Message: `${done}` }, running: wanted };
    service.failed.unshift({ image: spec.TaskTemplate.ContainerSpec.Image, error });
    if (spec.UpdateConfig?.FailureAction !== 'rollback' || !service.previous) {
      const Message = 'update paused due to failure or early termination of task t1';
      return { status: { State: 'paused', Message }, running: wanted - 1 };
    }
    this.#change(service, service.previous, 'automatic');
    return {
      status: { State: 'rollback_started', Message: 'update rolled back due to failure' },
      running: wanted - 1,
    };
  }

  #show(service: Service): unknown {
    const { status, running } = this.#state(service);
    const { ID, index, spec, previous } = service;
    return {
      ...{ ID, Version: { Index: index }, Spec: spec, Endpoint: {} },
      ...(previous ? { PreviousSpec: previous } : {}),
      ...(status ? { UpdateStatus: status } : {}),
      ServiceStatus: { RunningTasks: running, DesiredTasks: spec.Mode.Replicated?.Replicas ?? 1 },
    };
  }

  #list(query: URLSearchParams): unknown[] {
    const labels = filterOf(query, 'label');
    const ofThem = [...this.#services.values()].filter(({ spec }) => hasLabels(spec.Labels, labels));
    const ids = [...filterOf(query, 'id'), ...filterOf(query, 'name')];
    const named =
      ids.length === 0
        ? ofThem
        : ofThem.filter(({ ID, spec }) => ids.some((id) => id === ID || spec.Name === id));
    // `docker stack services` asks so, at each look of the target.
    if (query.get('status') === 'true') for (const service of named) service.looks += 1;
    return named.map((service) => this.#show(service));
  }

  #tasks(query: URLSearchParams): unknown[] {
    const ids = filterOf(query, 'service');
    return [...this.#services.values()]
      .filter(({ ID, spec }) => ids.includes(ID) || ids.includes(spec.Name))
      .flatMap(({ ID, failed }) =>
        failed.map(({ image, error }, index) => ({
          ...{ ID: `task${index}`, ServiceID: ID, Slot: 1, NodeID: '', DesiredState: 'shutdown' },
          Spec: { ContainerSpec: { Image: image } },
          Status: { State: 'failed', Err: error, Timestamp: '2025-01-18T10:00:00Z' },
        })),
      );
  }

  #createConfig(spec: Config['Spec']): Reply {
    if (this.configs().includes(spec.Name))
      return [{ message: 'rpc error: code = AlreadyExists desc = config already exists' }, 409];
    this.#count += 1;
    const ID = `config${this.#count}`;
    this.#configs.set(ID, { ID, Spec: spec });
    return [{ ID }, 201];
  }

  #config(method: string, query: URLSearchParams, name: string): Reply {
    const all = [...this.#configs.values()];
    if (name === '') return [all.filter(({ Spec }) => hasLabels(Spec.Labels, filterOf(query, 'label')))];
    const found = all.find(({ ID, Spec }) => ID === name || Spec.Name === name);
    if (!found) return [{ message: `config ${name} not found` }, 404];
    if (method === 'GET') return [found];
    this.#configs.delete(found.ID);
    return [undefined, 204];
  }

  /** The multiplexed stream of a container without a terminal. */
  #log(response: ServerResponse, service: Service | undefined): void {
    const line = Buffer.from(`2025-01-18T10:00:00.000000001Z ${service?.spec.Name} listens\n`);
    const head = Buffer.alloc(8);
    head.writeUInt8(1, 0);
    head.writeUInt32BE(line.length, 4);
    response.setHeader('Content-Type', 'application/vnd.docker.multiplexed-stream');
    response.end(Buffer.concat([head, line]));
  }
}

function digestOf(text: string): string {
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}

function filterOf(query: URLSearchParams, key: string): string[] {
  const filters: Record<string, Record<string, boolean> | string[]> = JSON.parse(
    query.get('filters') ?? '{}',
  );
  const values = filters[key] ?? {};
  return Array.isArray(values) ? values : Object.keys(values);
}

function hasLabels(labels: Record<string, string> = {}, wanted: string[] = []): boolean {
  return wanted.every((one) => {
    const [key = '', value] = one.split('=');
    return key in labels && (value === undefined || labels[key] === value);
  });
}
