/** What a rollout of the benchmark changes: a Deployment behind a Service in a namespace of its own, and a worker. */
import { randomUUID } from 'node:crypto';
import { appendFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  AppsV1Api,
  CoreV1Api,
  KubeConfig,
  PatchStrategy,
  setHeaderOptions,
  Watch,
} from '@kubernetes/client-node';
import { stringify } from 'yaml';
import { LOOPBACK, listen } from '../sandbox/ports.js';
import { Headgate, type RolloutState } from '../src/client.js';
import { toCanonicalJson } from '../src/plan/canonical.js';
import { loadPlan } from '../src/platform/load-plan.js';
import { until } from '../test/support/product.js';
import { startServer } from './server.js';
import type { Session } from './session.js';
import { startWorker } from './worker.js';

const NAME = 'shop';
const REPLICAS = 2;
const PATIENCE_MS = 90_000;

export interface RestorationWorld {
  namespace: string;
  deployment: string;
  healthUrl: string;
  metricsUrl: string;
  logFile: string;
  /** Epoch ms of the first answer that was sick since the last reset. */
  sickAnswerAt: number | undefined;
  reset(): Promise<void>;
  /** One deploy and a monitor with one probe; returns its name. */
  startRollout(probe: string, interval: string): Promise<string>;
  /** Promoted, and its monitor has taken a sample. */
  untilWatched(rollout: string): Promise<void>;
  waitFor(ms: number): Promise<void>;
  turnSick(): void;
  takeMetricsDown(): Promise<void>;
  logFailure(): Promise<void>;
  makePodUnready(): Promise<void>;
  /** Epoch ms at which a watch has seen the live Service lead to where it led before the rollout. */
  untilRestored(): Promise<number>;
  untilClosed(rollout: string): Promise<void>;
  /** Reads the Service and switches its selector there and back, as often; ms each. */
  timeBareSwitches(count: number): Promise<number[]>;
}

export async function openWorld(session: Session, kubeconfig: string): Promise<RestorationWorld> {
  const kube = new KubeConfig();
  kube.loadFromFile(kubeconfig);
  const core = kube.makeApiClient(CoreV1Api);
  const namespace = `headgate-bench-${randomUUID().slice(0, 8)}`;
  session.own(async () => core.deleteNamespace({ name: namespace }));
  await core.createNamespace({ body: { metadata: { name: namespace } } });
  await createApplication(kube, namespace);
  const { address } = await startServer(session);
  process.env.TEMPORAL_ADDRESS = address;
  await startWorker(session, { TEMPORAL_ADDRESS: address, KUBECONFIG: kubeconfig });
  const headgate = await Headgate.connect();
  session.own(() => headgate.close());
  const endpoints = await openEndpoints(session);
  const service = await watchService(session, kube, namespace);
  const logFile = join(session.folder, 'shop.log');
  let version = 0;

  return {
    namespace,
    deployment: NAME,
    healthUrl: endpoints.healthUrl,
    metricsUrl: endpoints.metricsUrl,
    logFile,
    get sickAnswerAt() {
      return endpoints.sickAnswerAt;
    },
    async reset() {
      await endpoints.reset();
      await writeFile(logFile, '');
    },
    async startRollout(probe, interval) {
      version += 1;
      const file = join(session.folder, 'rollout.yaml');
      await writeFile(file, planText({ namespace, version: `v${version + 1}`, probe, interval }));
      const { plan, faults } = await loadPlan(file, {});
      if (!plan) throw new Error(`the benchmark's own plan has faults: ${stringify(faults)}`);
      const { application, runId } = await headgate.start(plan, 'bench');
      return `${application}/${runId}`;
    },
    untilWatched: (rollout) => untilState(headgate, rollout, isWatched),
    waitFor: (ms) => sleep(ms),
    turnSick: () => endpoints.turnSick(),
    takeMetricsDown: () => endpoints.takeMetricsDown(),
    logFailure: () => appendFile(logFile, `${new Date().toISOString()} too many connections\n`),
    makePodUnready: () => makePodUnready(core, namespace),
    untilRestored: () => service.untilBack(),
    untilClosed: (rollout) =>
      untilState(headgate, rollout, ({ temporalStatus }) => temporalStatus !== 'RUNNING'),
    timeBareSwitches: (count) => timeBareSwitches(core, namespace, service, count),
  };
}

function planText(given: { namespace: string; version: string; probe: string; interval: string }): string {
  const { namespace, version, probe, interval } = given;
  return `apiVersion: headgate/v1
application: bench
version: ${version}
probes:
  fact: ${probe}
stages:
  - name: production
    steps:
      - deploy:
          kubernetes: { namespace: ${namespace}, deployment: ${NAME}, service: ${NAME}, url: "http://${LOOPBACK}" }
          image: ${LOOPBACK}:1/${NAME}:${version}
          strategy: blueGreen
      - monitor: { for: 30m, interval: ${interval}, probes: [fact] }
`;
}

async function createApplication(kube: KubeConfig, namespace: string): Promise<void> {
  const labels = { app: NAME };
  const container = { name: NAME, image: `${LOOPBACK}:1/${NAME}:v1` };
  await kube.makeApiClient(AppsV1Api).createNamespacedDeployment({
    namespace,
    body: {
      metadata: { name: NAME },
      spec: {
        replicas: REPLICAS,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [container] } },
      },
    },
  });
  await kube.makeApiClient(CoreV1Api).createNamespacedService({
    namespace,
    body: { metadata: { name: NAME }, spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] } },
  });
}

interface Endpoints {
  healthUrl: string;
  metricsUrl: string;
  readonly sickAnswerAt: number | undefined;
  reset(): Promise<void>;
  turnSick(): void;
  takeMetricsDown(): Promise<void>;
}

/** What is measured, and a Prometheus that knows one figure. */
async function openEndpoints(session: Session): Promise<Endpoints> {
  let isSick = false;
  let sickAnswerAt: number | undefined;
  const health = createServer((_request, response) => {
    response.statusCode = isSick ? 500 : 200;
    response.end('{}', () => {
      if (isSick) sickAnswerAt ??= Date.now();
    });
  });
  const healthPort = await listen(health, 0);
  session.own(async () => closeServer(health));
  let metrics: Server | undefined = openMetrics();
  const metricsPort = await listen(metrics, 0);
  session.own(async () => closeServer(metrics));
  return {
    healthUrl: `http://${LOOPBACK}:${healthPort}`,
    metricsUrl: `http://${LOOPBACK}:${metricsPort}`,
    get sickAnswerAt() {
      return sickAnswerAt;
    },
    async reset() {
      isSick = false;
      sickAnswerAt = undefined;
      if (metrics) return;
      metrics = openMetrics();
      await listen(metrics, metricsPort);
    },
    turnSick() {
      isSick = true;
    },
    async takeMetricsDown() {
      await closeServer(metrics);
      metrics = undefined;
    },
  };
}

function openMetrics(): Server {
  return createServer((_request, response) => {
    const result = [{ metric: {}, value: [Date.now() / 1000, '0'] }];
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ status: 'success', data: { resultType: 'vector', result } }));
  });
}

async function closeServer(server: Server | undefined): Promise<void> {
  if (!server?.listening) return;
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
}

interface ServiceWatch {
  /** Resolves when the selector is, after it has been another one, what it was at first. */
  untilBack(): Promise<number>;
  /** Resolves with the next event. */
  untilChanged(): Promise<number>;
}

async function watchService(session: Session, kube: KubeConfig, namespace: string): Promise<ServiceWatch> {
  let first: string | undefined;
  let latest: string | undefined;
  const waiting = new Set<{ isIt: () => boolean; resolve: (at: number) => void }>();
  const onEvent = (_phase: string, service: { spec?: { selector?: Record<string, string> } }) => {
    const at = Date.now();
    latest = toCanonicalJson(service.spec?.selector ?? {});
    first ??= latest;
    for (const each of waiting) {
      if (!each.isIt()) continue;
      waiting.delete(each);
      each.resolve(at);
    }
  };
  const path = `/api/v1/namespaces/${namespace}/services`;
  const watch = await new Watch(kube).watch(
    path,
    { fieldSelector: `metadata.name=${NAME}` },
    onEvent,
    () => {},
  );
  session.own(async () => watch.abort());
  const wait = (isIt: () => boolean) =>
    new Promise<number>((resolve, reject) => {
      const entry = { isIt, resolve };
      waiting.add(entry);
      setTimeout(() => {
        if (waiting.delete(entry)) reject(new Error(`the Service did not change within ${PATIENCE_MS} ms`));
      }, PATIENCE_MS).unref();
    });
  await until(
    async () => first !== undefined,
    PATIENCE_MS,
    async () => 'the Service was never seen',
  );
  return { untilBack: () => wait(() => latest === first), untilChanged: () => wait(() => true) };
}

async function makePodUnready(core: CoreV1Api, namespace: string): Promise<void> {
  const labelSelector = `app=${NAME}-green`;
  const { items } = await core.listNamespacedPod({ namespace, labelSelector });
  const name = items[0]?.metadata?.name;
  if (!name) throw new Error('no pod of the new release');
  const now = new Date().toISOString();
  const condition = { type: 'Ready', status: 'False', lastTransitionTime: now, reason: 'Bench' };
  // A kubelet would set it back at its next look; by then it has been seen.
  await core.patchNamespacedPodStatus(
    { name, namespace, body: { status: { conditions: [condition] } } },
    setHeaderOptions('Content-Type', PatchStrategy.StrategicMergePatch),
  );
}

async function timeBareSwitches(
  core: CoreV1Api,
  namespace: string,
  service: ServiceWatch,
  count: number,
): Promise<number[]> {
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    const seen = service.untilChanged();
    const startedAt = Date.now();
    const { metadata } = await core.readNamespacedService({ name: NAME, namespace });
    await core.patchNamespacedService(
      {
        name: NAME,
        namespace,
        body: {
          metadata: { resourceVersion: metadata?.resourceVersion },
          spec: { selector: { slot: String(index) } },
        },
      },
      setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
    );
    times.push((await seen) - startedAt);
  }
  return times;
}

function isWatched({ pending }: RolloutState): boolean {
  return pending.some(({ name, heartbeat }) => name === 'sampleProbes' && takenOf(heartbeat) > 0);
}

function takenOf(heartbeat: unknown): number {
  const beat = heartbeat as { state?: { tallies?: Record<string, { taken: number }> } } | undefined;
  return beat?.state?.tallies?.fact?.taken ?? 0;
}

async function untilState(
  headgate: Headgate,
  rollout: string,
  isIt: (state: RolloutState) => boolean,
): Promise<void> {
  let latest: RolloutState | undefined;
  await until(
    async () => {
      latest = await headgate.describe(rollout);
      return isIt(latest);
    },
    PATIENCE_MS,
    async () => {
      const steps = latest?.progress?.steps.map(
        ({ name, status, summary }) => `${name} ${status}: ${summary}`,
      );
      return `${rollout}: ${JSON.stringify([steps, latest?.progress?.stop, latest?.progress?.waiting, latest?.pending])}`;
    },
  );
}
