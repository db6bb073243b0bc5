/** Probes on a real control plane: a Deployment sampled and watched, and the log of its pods. */
import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { createKubernetesProbe } from '../../src/adapters/probes/kubernetes/index.js';
import { schema as kubernetesSchema } from '../../src/adapters/probes/kubernetes/schema.js';
import { createLogsProbe } from '../../src/adapters/probes/logs/index.js';
import { schema as logsSchema } from '../../src/adapters/probes/logs/schema.js';
import type { Followed } from '../../src/adapters/probes/probe.js';
import { type CheckedProbe, checked } from '../../src/adapters/probes/registry.js';
import type { Expectation, Json } from '../../src/plan/resolved.js';
import { runChild } from '../../src/platform/children.js';
import { createKubernetes } from '../../src/tools/kubernetes/client.js';
import { releaseIdOf } from '../../src/tools/kubernetes/releases.js';
import { describeProbe } from '../support/describe-probe.js';
import {
  kubernetesEnv,
  kubernetesIsMissing,
  type Namespace,
  openNamespace,
  openShop,
  shop,
} from '../support/kubernetes.js';
import { noHosts } from '../support/no-hosts.js';
import { subjectOf } from '../support/subject.js';
import { takeSample } from '../support/take-sample.js';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.js';
import { watchProbe } from '../support/watching.js';

const missing = kubernetesIsMissing();
const KUBECONFIG = kubernetesEnv().KUBECONFIG ?? '';

const probeOf = (kubeconfig: string) =>
  checked(
    kubernetesSchema,
    createKubernetesProbe({ kubernetes: createKubernetes({ KUBECONFIG: kubeconfig }) }),
  );
const logsOf = (kubeconfig: string) =>
  checked(
    logsSchema,
    createLogsProbe({
      ...noHosts,
      kubernetes: createKubernetes({ KUBECONFIG: kubeconfig }),
      runChild,
      commandsEnabled: false,
      now: Date.now,
    }),
  );

/** The same cluster behind a connection that a test cuts. */
interface Cut {
  kubeconfig: string;
  proxy: TcpProxy;
  close(): Promise<void>;
}

async function openCut(): Promise<Cut> {
  const text = await readFile(KUBECONFIG, 'utf8');
  const port = Number(/127\.0\.0\.1:(\d+)/.exec(text)?.[1]);
  const proxy = await startTcpProxy(port);
  const folder = await mkdtemp(join(tmpdir(), 'headgate-kube-'));
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(kubeconfig, text.replaceAll(`127.0.0.1:${port}`, `127.0.0.1:${proxy.port}`), {
    mode: 0o600,
  });
  return {
    kubeconfig,
    proxy,
    async close() {
      await proxy.close();
      await rm(folder, { recursive: true });
    },
  };
}

async function firstPod(namespace: Namespace): Promise<string> {
  const pods = await namespace.kubectl('get', 'pods', '-o', 'name');
  return pods.split('\n')[0] ?? '';
}

/** Readiness of one pod, as the simulated kubelet takes it. */
async function setReady(namespace: Namespace, pod: string, ready: boolean): Promise<void> {
  await namespace.kubectl('annotate', '--overwrite', pod, `lab/unready=${!ready}`);
}

const ALL_READY = [{ path: 'ready', gte: 3 }];

describe.skipIf(missing)('kubernetes', () => {
  const spaces: Namespace[] = [];
  const space = async (options: Parameters<typeof openShop>[0] = {}) => {
    const opened = await openShop(options);
    spaces.push(opened);
    return opened;
  };
  let cut: Cut;
  beforeAll(async () => {
    cut = await openCut();
  });
  afterAll(async () => {
    await Promise.all(spaces.map((each) => each.remove()));
    await cut?.close();
  });

  const config = ({ name }: Namespace) => ({ namespace: name, deployment: 'shop' });

  describeProbe('kubernetes', async () => {
    const namespace = await space();
    const silent = await openCut();
    await silent.proxy.setFault({ slowMs: 60_000 });
    return {
      probe: {
        ...probeOf(KUBECONFIG),
        sample: (request) =>
          probeOf(request.config.context === 'slow' ? silent.kubeconfig : KUBECONFIG).sample({
            ...request,
            config: { ...request.config, ...(request.config.context === 'slow' ? { context: 'lab' } : {}) },
          }),
      },
      subject: subjectOf('/'),
      good: { config: config(namespace), expect: ALL_READY },
      bad: {
        'no Deployment': { namespace: namespace.name, deployment: 'other' },
        'no namespace': { namespace: 'nowhere', deployment: 'shop' },
        'no context': { ...config(namespace), context: 'elsewhere' },
        'no container': { ...config(namespace), container: 'sidecar' },
      },
      hanging: { ...config(namespace), context: 'slow' },
      close: () => silent.close(),
    };
  });

  it('tells how a Deployment is, and why its pods do not run', async () => {
    const namespace = await space({ progressDeadlineSeconds: 2 });
    const probe = probeOf(KUBECONFIG);
    expect(await takeSample(probe, config(namespace))).toEqual({
      kind: 'sample',
      value: {
        desired: 3,
        ready: 3,
        available: 3,
        updated: 3,
        unavailable: 0,
        restarts: 0,
        waiting: [],
        generation: 1,
        image: 'registry/shop:v1.0.0',
        conditions: { Available: true, Progressing: true },
      },
    });
    await namespace.kubectl('set', 'image', 'deployment/shop', 'shop=registry/shop:nopull');
    await expect
      .poll(() => takeSample(probe, config(namespace)), { timeout: 15_000 })
      .toMatchObject({
        value: {
          waiting: ['ErrImagePull'],
          conditions: { Progressing: false },
          image: 'registry/shop:nopull',
        },
      });
  });

  it('looks at the Deployment that a release lives in, if one is named', async () => {
    const namespace = await space();
    const named = { namespace: namespace.name, deployment: 'other', release: 'shop@0123456789ab' };
    expect(await takeSample(probeOf(KUBECONFIG), named)).toMatchObject({ value: { ready: 3 } });
    const watching = watchProbe({
      probe: probeOf(KUBECONFIG),
      subject: subjectOf('/'),
      config: named,
      expect: ALL_READY,
    });
    await expect.poll(() => watching.tally()?.pass ?? 0, { timeout: 10_000 }).toBeGreaterThan(0);
    await watching.kill();
  });

  it('calls a Deployment that is not there a fail, and an API server that is not there an error', async () => {
    const namespace = await space();
    const found = await takeSample(probeOf(KUBECONFIG), { namespace: namespace.name, deployment: 'other' });
    expect(found).toEqual({ kind: 'fail', message: `there is no Deployment ${namespace.name}/other` });
    await cut.proxy.setFault('refuse');
    expect(await takeSample(probeOf(cut.kubeconfig), config(namespace))).toMatchObject({
      kind: 'error',
      message: expect.stringContaining('cannot be reached'),
    });
    await cut.proxy.setFault(undefined);
  });

  const watch = (namespace: Namespace, more: Partial<Parameters<typeof watchProbe>[0]> = {}) =>
    watchProbe({
      probe: probeOf(cut.kubeconfig),
      subject: subjectOf('/'),
      config: config(namespace),
      expect: ALL_READY,
      ...more,
    });
  const untilPassed = (watching: ReturnType<typeof watchProbe>) =>
    expect.poll(() => watching.tally()?.pass ?? 0, { timeout: 10_000, interval: 20 }).toBeGreaterThan(0);

  it('watched, ends the monitor within 1 s of a pod that is not ready', async () => {
    const namespace = await space();
    const latencies: number[] = [];
    for (let nth = 0; nth < 5; nth += 1) {
      const watching = watch(namespace);
      await untilPassed(watching);
      const pod = await firstPod(namespace);
      await setReady(namespace, pod, false);
      const saidAtMs = Date.now();
      const { state, atMs } = await watching.ended;
      expect(state.breach?.measurement.message).toBe('ready = 2, expected >= 3');
      latencies.push(atMs - saidAtMs);
      await setReady(namespace, pod, true);
      await namespace.kubectl('wait', '--for=jsonpath={.status.readyReplicas}=3', 'deployment/shop');
    }
    latencies.sort((a, b) => a - b);
    console.log(`annotated → result of the activity: median ${latencies[2]} ms, worst ${latencies[4]} ms`);
    expect(latencies[4]).toBeLessThan(1_000);
  });

  it('watched, ends the monitor when the Deployment is deleted', async () => {
    const namespace = await space();
    const watching = watch(namespace);
    await untilPassed(watching);
    await namespace.kubectl('delete', 'deployment/shop', '--wait=false');
    expect((await watching.ended).state.breach?.measurement.outcome).toBe('fail');
  });

  it('learns after a cut what happened meanwhile, though it is over', async () => {
    const namespace = await space();
    const watching = watch(namespace, { limits: { failureLimit: 0, intervalMs: 30_000 } });
    await untilPassed(watching);
    const opened = cut.proxy.opened();
    await cut.proxy.setFault('refuse');
    const pod = await firstPod(namespace);
    await setReady(namespace, pod, false);
    await namespace.kubectl('wait', '--for=jsonpath={.status.readyReplicas}=2', 'deployment/shop');
    await setReady(namespace, pod, true);
    await namespace.kubectl('wait', '--for=jsonpath={.status.readyReplicas}=3', 'deployment/shop');
    await cut.proxy.setFault(undefined);
    const { state, tally } = await watching.ended;
    expect(cut.proxy.opened()).toBeGreaterThan(opened);
    expect(state.breach?.measurement.message).toBe('ready = 2, expected >= 3');
    expect(tally.inconclusive).toBe(0);
  });

  it('goes on over a cut in which nothing happened, without a gap', async () => {
    const namespace = await space();
    const watching = watch(namespace, { forMs: 6_000 });
    await untilPassed(watching);
    cut.proxy.cutAll();
    const { tally } = await watching.ended;
    expect(tally).toMatchObject({ fail: 0, error: 0, inconclusive: 0 });
    expect(tally.pass).toBeGreaterThanOrEqual(5);
  });

  it('after the worker was killed, learns what happened while nobody watched', async () => {
    const namespace = await space();
    const watching = watch(namespace);
    await untilPassed(watching);
    await expect.poll(() => watching.tally()?.cursor, { timeout: 5_000 }).toBeDefined();
    const heartbeat = await watching.kill();
    const pod = await firstPod(namespace);
    await setReady(namespace, pod, false);
    await namespace.kubectl('wait', '--for=jsonpath={.status.readyReplicas}=2', 'deployment/shop');
    await setReady(namespace, pod, true);
    await namespace.kubectl('wait', '--for=jsonpath={.status.readyReplicas}=3', 'deployment/shop');
    const { state } = await watch(namespace, { heartbeat }).ended;
    expect(state.breach?.measurement.message).toBe('ready = 2, expected >= 3');
  });

  it('says that something may be lost when the API server has forgotten', async () => {
    const namespace = await space();
    const first = await watch(namespace, { forMs: 1_500 }).ended;
    const { followed } = first.state.tallies;
    if (!followed) throw new Error('nothing was watched');
    // Version 1 was compacted away, or is from before the API server kept what it tells.
    const state = {
      tallies: { followed: { ...followed, cursor: { deployments: '1', pods: '1', own: '1' } } },
    };
    // Where the store is out of reach it has forgotten that version long ago by itself.
    await compact().catch(() => {});
    const again = await watch(namespace, { state, forMs: 2_500, limits: { inconclusiveLimit: 10 } }).ended;
    expect(again.tally.inconclusive).toBe(1);
    expect(again.tally.pass).toBeGreaterThan(followed.pass);
  });

  it('watches a Deployment that comes only later', async () => {
    const namespace = await openNamespace();
    spaces.push(namespace);
    const watching = watch(namespace, { limits: { failureLimit: 100 }, forMs: 8_000 });
    await expect.poll(() => watching.tally()?.fail ?? 0, { timeout: 5_000 }).toBeGreaterThan(0);
    await namespace.apply(...shop());
    await untilPassed(watching);
    expect((await watching.ended).tally.last?.outcome).toBe('pass');
  });

  it('need no right that the Role of the example lacks', async () => {
    const namespace = await space();
    const role = await readFile(new URL('../../examples/kubernetes/rbac.yaml', import.meta.url), 'utf8');
    const manifests = parseAllDocuments(role.replaceAll('whatsapp-saas', 'shop')).map(
      (each) => each.toJS() as object,
    );
    await namespace.apply(...manifests);
    const token = (await namespace.kubectl('create', 'token', 'headgate')).trim();
    const folder = await mkdtemp(join(tmpdir(), 'headgate-kube-'));
    const kubeconfig = join(folder, 'kubeconfig');
    const admin = await readFile(KUBECONFIG, 'utf8');
    await writeFile(kubeconfig, admin.replace(/token: "[^"]*"/, `token: "${token}"`), { mode: 0o600 });
    const probes: [CheckedProbe, { [key: string]: Json }, Expectation[]][] = [
      [probeOf(kubeconfig), config(namespace), ALL_READY],
      [
        logsOf(kubeconfig),
        { pattern: 'never said', kubernetes: config(namespace) },
        [{ path: 'count', equals: 0 }],
      ],
    ];
    for (const [probe, options, expected] of probes) {
      await expect
        .poll(() => takeSample(probe, options), { timeout: 10_000 })
        .toMatchObject({ kind: 'sample' });
      const watching = watchProbe({
        probe,
        subject: subjectOf('/'),
        config: options,
        expect: expected,
        forMs: 2_500,
      });
      const { tally } = await watching.ended;
      expect(tally).toMatchObject({ fail: 0, error: 0, inconclusive: 0 });
      expect(tally.pass).toBeGreaterThanOrEqual(2);
    }
    await rm(folder, { recursive: true });
  });

  describe('logs of pods', () => {
    /** The simulated kubelet has one log for all pods. */
    const podLog = join(dirname(KUBECONFIG), 'pod.log');
    const say = (text: string) => appendFile(podLog, `${new Date().toISOString()} stdout F ${text}\n`);
    let mark = 0;
    const nextMark = () => {
      mark += 1;
      return `mark-${process.pid}-${Date.now()}-${mark}`;
    };
    const since = () => subjectOf('/', undefined, new Date(Date.now() - 5_000).toISOString());

    interface Following {
      count(): number;
      told: Followed[];
      stop(): Promise<void>;
    }

    function follow(
      probe: CheckedProbe,
      source: { [key: string]: Json },
      pattern: string,
      cursor?: Json,
    ): Following {
      const stop = new AbortController();
      const told: Followed[] = [];
      const reading = (async () => {
        const request = {
          config: { pattern, kubernetes: source, follow: true },
          subject: since(),
          expect: [],
        };
        for await (const each of probe.follow({ ...request, signal: stop.signal, cursor })) told.push(each);
      })().catch((error: unknown) => {
        if (!stop.signal.aborted) throw error;
      });
      return {
        told,
        count() {
          const { sample } = told.at(-1) ?? {};
          return sample?.kind === 'sample' ? Number((sample.value as { count: number }).count) : -1;
        },
        async stop() {
          stop.abort();
          await reading;
        },
      };
    }
    const untilCount = (following: Following, count: number) =>
      expect.poll(() => following.count(), { timeout: 15_000, interval: 10 }).toBe(count);

    it('are counted over all pods, and not read again', async () => {
      const namespace = await space({ replicas: 2 });
      const probe = logsOf(KUBECONFIG);
      const pattern = nextMark();
      const subject = since();
      const count = async () => takeSample(probe, { pattern, kubernetes: config(namespace) }, { subject });
      await say(pattern);
      expect(await count()).toMatchObject({ value: { count: 2, newest: expect.any(String) } });
      await say(pattern);
      await say('something else');
      expect(await count()).toMatchObject({ value: { count: 4 } });
      expect(await count()).toMatchObject({ value: { count: 4 } });
      // Another worker reads all of it, and finds the same.
      const other = { pattern, kubernetes: config(namespace) };
      expect(await takeSample(logsOf(KUBECONFIG), other, { subject })).toMatchObject({ value: { count: 4 } });
    });

    it('are those of one release, if it is named', async () => {
      const namespace = await space({ replicas: 1 });
      const live = releaseIdOf(await namespace.cluster.read('deployments', namespace.name, 'shop'));
      const pattern = nextMark();
      await say(pattern);
      const sample = (release: string) =>
        takeSample(
          logsOf(KUBECONFIG),
          { pattern, kubernetes: { ...config(namespace), release } },
          { subject: since() },
        );
      expect(await sample(live)).toMatchObject({ value: { count: 1 } });
      expect(await sample('shop@0000000000')).toMatchObject({
        kind: 'inconclusive',
        message: expect.stringContaining('no pod of shop@0000000000 has started'),
      });
    });

    it('are no evidence where nothing has started', async () => {
      const namespace = await openNamespace();
      spaces.push(namespace);
      const sample = () =>
        takeSample(logsOf(KUBECONFIG), { pattern: 'x', kubernetes: config(namespace) }, { subject: since() });
      expect(await sample()).toMatchObject({ kind: 'inconclusive' });
      await namespace.apply(...shop({ image: 'registry/shop:nopull' }));
      await expect.poll(sample).toMatchObject({ message: expect.stringContaining('has started') });
    });

    it('followed, end the monitor when the line comes', async () => {
      const namespace = await space({ replicas: 1 });
      const latencies: number[] = [];
      for (let nth = 0; nth < 5; nth += 1) {
        const pattern = nextMark();
        const watching = watchProbe({
          probe: logsOf(KUBECONFIG),
          subject: since(),
          config: { pattern, kubernetes: config(namespace) },
          expect: [{ path: 'count', equals: 0 }],
        });
        await untilPassed(watching);
        const saidAtMs = Date.now();
        await say(pattern);
        const { state, atMs } = await watching.ended;
        expect(state.breach?.measurement.message).toBe('count = 1, expected 0');
        latencies.push(atMs - saidAtMs);
      }
      latencies.sort((a, b) => a - b);
      console.log(
        `line in a pod → result of the activity: median ${latencies[2]} ms, worst ${latencies[4]} ms`,
      );
      expect(latencies[4]).toBeLessThan(1_000);
    });

    it('followed, lose nothing and count nothing twice over a cut, and follow pods that come later', async () => {
      const namespace = await space({ replicas: 1 });
      const pattern = nextMark();
      const first = follow(logsOf(cut.kubeconfig), config(namespace), pattern);
      await untilCount(first, 0);
      await say(pattern);
      await untilCount(first, 1);
      // Of the same moment as the last one.
      await say(`${pattern} ${pattern}`);
      await untilCount(first, 2);
      cut.proxy.cutAll();
      await expect.poll(() => first.told.at(-1)?.sample.kind, { timeout: 5_000 }).toBe('error');
      await first.stop();
      await say(pattern);
      const second = follow(logsOf(cut.kubeconfig), config(namespace), pattern, first.told.at(-1)?.cursor);
      await untilCount(second, 3);
      await say(pattern);
      await untilCount(second, 4);
      // The new pod has the same log, since before its time.
      await namespace.kubectl('scale', 'deployment/shop', '--replicas=2');
      await untilCount(second, 8);
      await second.stop();
      expect([...first.told, ...second.told].flatMap(({ gap }) => gap ?? [])).toEqual([]);
    });

    it('of a pod that has gone unread are a gap', async () => {
      const namespace = await space({ replicas: 1 });
      const pattern = nextMark();
      const first = follow(logsOf(KUBECONFIG), config(namespace), pattern);
      await untilCount(first, 0);
      await first.stop();
      await namespace.kubectl('delete', await firstPod(namespace), '--force', '--grace-period=0');
      await namespace.kubectl('rollout', 'status', 'deployment/shop', '--timeout=30s');
      const second = follow(logsOf(KUBECONFIG), config(namespace), pattern, first.told.at(-1)?.cursor);
      await untilCount(second, 0);
      await second.stop();
      expect(second.told[0]?.gap).toBe('a pod has gone whose log had not been read to its end');
    });
  });
});

/** What the API server does itself every five minutes: the store forgets what was before now. */
async function compact(): Promise<void> {
  const api = Number(/127\.0\.0\.1:(\d+)/.exec(await readFile(KUBECONFIG, 'utf8'))?.[1]);
  const etcd = `http://127.0.0.1:${api - 9}`;
  const post = async (path: string, body: object) => {
    const reply = await fetch(`${etcd}/v3/kv/${path}`, { method: 'POST', body: JSON.stringify(body) });
    if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`);
    return (await reply.json()) as { header: { revision: string } };
  };
  const { header } = await post('range', { key: Buffer.from('x').toString('base64') });
  await post('compaction', { revision: header.revision, physical: true });
}
