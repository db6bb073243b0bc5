/** What the API server answers, and what it does not, in the words of people; watches and logs. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { createKubernetes } from '../../src/tools/kubernetes/client.js';
import { waitForFact } from '../../src/tools/kubernetes/waiting.js';
import { kubernetesEnv, kubernetesIsMissing, type Namespace, openShop } from '../support/kubernetes.js';

const never = new AbortController().signal;

describe.skipIf(kubernetesIsMissing())('the API server', () => {
  let folder: string;
  let namespace: Namespace;
  let silent: Server | undefined;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'headgate-kubernetes-'));
    namespace = await openShop();
  });
  afterEach(() => silent?.close());
  afterAll(async () => {
    await namespace.remove();
    await rm(folder, { recursive: true, force: true });
  });

  /** The kubeconfig of the control plane, changed. */
  const kubeconfig = async (change: { cluster?: object; user?: object }) => {
    const config = parse(await readFile(kubernetesEnv().KUBECONFIG ?? '', 'utf8'));
    Object.assign(config.clusters[0].cluster, change.cluster);
    if (change.user) config.users[0].user = change.user;
    const file = join(folder, `${Math.random().toString(36).slice(2)}.yaml`);
    await writeFile(file, stringify(config));
    return { KUBECONFIG: file };
  };
  const readShop = async (env: NodeJS.ProcessEnv, signal = never) =>
    (await createKubernetes(env)(undefined, signal)).read('deployments', namespace.name, 'shop');

  it('names what is not there, and how to see what is', async () => {
    await expect(namespace.cluster.read('deployments', namespace.name, 'shoo')).rejects.toThrow(
      /^get deployments \S+\/shoo at .*: there is no such thing: deployments\.apps "shoo" not found\. Check namespace, name and context in the plan; what is there shows: kubectl -n \S+ get deployments$/,
    );
    expect(await namespace.cluster.find('deployments', namespace.name, 'shoo')).toBeUndefined();
  });

  it('does not know a token: repeated, because it may be renewed, and the token is not said', async () => {
    const refusal = readShop(await kubeconfig({ user: { token: 'geheim-123' } }));
    await expect(refusal).rejects.toMatchObject({ name: 'KubernetesError', status: 401 });
    await expect(refusal).rejects.toThrow(
      /credentials for this cluster are unknown or have expired\. Renew them/,
    );
    await expect(refusal).rejects.not.toThrow(/geheim/);
  });

  it('is not there', async () => {
    const refusal = readShop(await kubeconfig({ cluster: { server: 'https://127.0.0.1:1' } }));
    await expect(refusal).rejects.toThrow(
      /at \S+ \(https:\/\/127\.0\.0\.1:1\): the API server cannot be reached \(ECONNREFUSED\)/,
    );
    await expect(refusal).rejects.toMatchObject({ name: 'KubernetesError', status: undefined });
  });

  it('does not answer in time', { timeout: 20_000 }, async () => {
    silent = createServer(() => {}).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent?.once('listening', resolve));
    const address = silent.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const env = await kubeconfig({ cluster: { server: `https://127.0.0.1:${port}` } });
    await expect(readShop(env)).rejects.toThrow(/did not answer in time/);
    const reason = new Error('enough');
    const abort = new AbortController();
    const waiting = readShop(env, abort.signal);
    waiting.catch(() => undefined);
    abort.abort(reason);
    await expect(waiting).rejects.toBe(reason);
  });

  it('shows a certificate that nobody vouches for', async () => {
    const env = await kubeconfig({ cluster: { 'certificate-authority': undefined } });
    await expect(readShop(env)).rejects.toThrow(
      /certificate of the API server is not trusted .*certificate-authority/,
    );
  });

  it('is named by a context that there is', async () => {
    const connect = createKubernetes(kubernetesEnv());
    await expect(connect('elsewhere', never)).rejects.toThrow(/has no context "elsewhere"; it has: /);
    await expect(createKubernetes({ KUBECONFIG: '/nowhere/config' })(undefined, never)).rejects.toThrow(
      /kubeconfig cannot be read: .*Name it in KUBECONFIG of the worker/,
    );
  });

  it('is asked with what the kubeconfig says now: it is read again when it has changed', async () => {
    const env = await kubeconfig({ user: { token: 'old' } });
    const connect = createKubernetes(env);
    const read = async () => (await connect(undefined, never)).read('deployments', namespace.name, 'shop');
    await expect(read()).rejects.toMatchObject({ status: 401 });
    await writeFile(env.KUBECONFIG, await readFile(kubernetesEnv().KUBECONFIG ?? '', 'utf8'));
    expect((await read()).metadata?.name).toBe('shop');
  });

  it('refuses a patch that was made for another version of the object', async () => {
    const stale = [
      { op: 'replace' as const, path: '/metadata/resourceVersion', value: '1' },
      { op: 'replace' as const, path: '/spec/replicas', value: 1 },
    ];
    await expect(namespace.cluster.patch('deployments', namespace.name, 'shop', stale)).rejects.toMatchObject(
      { name: 'KubernetesError', status: 409 },
    );
  });

  it('lists page by page', async () => {
    const labels = { many: 'yes' };
    const make = (index: number) =>
      namespace.cluster.create('endpointslices', namespace.name, {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        addressType: 'IPv4',
        metadata: { name: `many-${index}`, labels },
        endpoints: [],
      });
    await Promise.all(Array.from({ length: 501 }, (_, index) => make(index)));
    const { items } = await namespace.cluster.list('endpointslices', namespace.name, {
      labelSelector: 'many=yes',
    });
    expect(new Set(items.map(({ metadata }) => metadata?.name)).size).toBe(501);
  });

  it('tells changes as they come, and a reader who has had enough is let go', async () => {
    const end = new AbortController();
    const types: string[] = [];
    const watching = (async () => {
      const events = namespace.cluster.watch(
        'pods',
        namespace.name,
        { labelSelector: 'app=shop' },
        end.signal,
      );
      for await (const { type } of events) {
        if (type === 'BOOKMARK') continue;
        types.push(type);
        if (type === 'MODIFIED') end.abort();
        if (types.length === 3) await namespace.kubectl('label', 'pods', '-l', 'app=shop', 'seen=yes');
      }
    })();
    await watching;
    expect(types.slice(0, 4)).toEqual(['ADDED', 'ADDED', 'ADDED', 'MODIFIED']);
  });

  it('wakes who waits for a fact, long before the next look is due', async () => {
    const { cluster, name } = namespace;
    let looks = 0;
    const labelled = waitForFact(
      { cluster, namespace: name, signal: never },
      [{ kind: 'deployments', fieldSelector: 'metadata.name=shop' }],
      async () => {
        looks += 1;
        const { metadata } = await cluster.read('deployments', name, 'shop');
        return metadata?.labels?.woken;
      },
    );
    await namespace.kubectl('label', 'deployment', 'shop', 'woken=yes');
    const labelledAt = performance.now();
    expect(await labelled).toBe('yes');
    expect(performance.now() - labelledAt).toBeLessThan(1_000);
    expect(looks).toBeLessThan(6);
  });
});
