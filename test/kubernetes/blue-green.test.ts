/** `blueGreen` on a control plane: two slots, one Service, and everybody else who has a hand in them. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createKubernetesTarget } from '../../src/adapters/targets/kubernetes/index.js';
import { schema } from '../../src/adapters/targets/kubernetes/schema.js';
import { checked } from '../../src/adapters/targets/registry.js';
import type { Release } from '../../src/contract/activities.js';
import { type ConnectKubernetes, createKubernetes } from '../../src/tools/kubernetes/client.js';
import {
  kubernetesEnv,
  kubernetesIsMissing,
  type Namespace,
  openShop,
  type ShopOptions,
  shopConfig,
} from '../support/kubernetes.js';
import { beforePatch, Killed, killedAt } from '../support/kubernetes-faults.js';
import { waitFor } from '../support/processes.js';
import { targetCall } from '../support/target-call.js';

const NEW = 'registry/shop:v1.0.1';
const connect = createKubernetes(kubernetesEnv());

describe.skipIf(kubernetesIsMissing())('blueGreen', () => {
  let namespace: Namespace;
  const open = async (options: ShopOptions = {}) => {
    namespace = await openShop(options);
  };
  beforeEach(() => open());
  afterEach(() => namespace.remove());

  const callOf = (change: Parameters<typeof targetCall>[2] = {}) =>
    targetCall('/nowhere', shopConfig(namespace.name), { strategy: 'blueGreen', image: NEW, ...change });
  const bind = (call = callOf(), through: ConnectKubernetes = connect) =>
    checked(schema, createKubernetesTarget({ kubernetes: through })).bind(call);
  const another = (version: string, image: string) => {
    const call = callOf({ image });
    return bind({ ...call, context: { ...call.context, runId: `run-${version}`, version } });
  };
  const get = (kind: string, name: string, path: string) =>
    namespace.kubectl('get', kind, name, '-o', `jsonpath=${path}`);
  /** Names of the pods that are ready behind a Service. */
  const behind = async (service: string) => {
    const { items } = await namespace.cluster.list('endpointslices', namespace.name, {
      labelSelector: `kubernetes.io/service-name=${service}`,
    });
    const endpoints = items.flatMap((slice) => slice.endpoints ?? []);
    return endpoints.flatMap(({ conditions, targetRef }) =>
      conditions?.ready ? [targetRef?.name?.replace(/-[^-]+-[^-]+$/, '') ?? ''] : [],
    );
  };
  const autoscale = (replicas: number) =>
    namespace.apply({
      apiVersion: 'autoscaling/v2',
      kind: 'HorizontalPodAutoscaler',
      metadata: { name: 'shop' },
      spec: {
        minReplicas: replicas,
        maxReplicas: 9,
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'shop' },
      },
    });
  const scaled = () => get('hpa', 'shop', '{.spec.scaleTargetRef.name}');
  const promoted = async (): Promise<{ bound: ReturnType<typeof bind>; old: Release; fresh: Release }> => {
    const bound = bind();
    const { live: old } = await bound.status();
    const fresh = await bound.prepare();
    await bound.promote(fresh);
    return { bound, old, fresh };
  };

  it('shows the candidate at a preview of its own, and live traffic sees nothing of it', async () => {
    const bound = bind();
    const candidate = await bound.prepare();
    expect(candidate.url).toBe(`http://shop-preview.${namespace.name}.svc`);
    await waitFor(async () => (await behind('shop-preview')).length === 3, 'three endpoints of the preview');
    expect(await behind('shop-preview')).toEqual(['shop-green', 'shop-green', 'shop-green']);
    expect(await behind('shop')).toEqual(['shop', 'shop', 'shop']);
    expect(await get('deployment', 'shop', '{.status.readyReplicas}')).toBe('3');
  });

  it('switches all endpoints at once and keeps the old pods; settled, it has none left', async () => {
    const { bound, old, fresh } = await promoted();
    expect(await behind('shop')).toEqual(['shop-green', 'shop-green', 'shop-green']);
    expect(await get('deployment', 'shop', '{.status.readyReplicas}')).toBe('3');
    expect((await bound.status()).live).toMatchObject({ id: fresh.id, url: 'http://shop.example' });
    await bound.retire(old);
    expect(await get('deployment', 'shop', '{.status.replicas}')).toBe('');
    expect((await bound.status()).candidate).toBeNull();
  });

  it('puts the next release into the first slot again, and tells by the selector what is live', async () => {
    const { old, bound } = await promoted();
    await bound.retire(old);
    const next = another('v1.0.2', 'registry/shop:v1.0.2');
    const candidate = await next.prepare();
    await next.promote(candidate);
    const { live } = await next.status();
    expect([live.version, live.id.split('@')[0]]).toEqual(['v1.0.2', 'shop']);
    expect(await get('service', 'shop', '{.spec.selector}')).toBe('{"app":"shop"}');
    expect(await behind('shop')).toEqual(['shop', 'shop', 'shop']);
  });

  it('makes a retired release anew from what its slot has kept', async () => {
    const { bound, old } = await promoted();
    await bound.retire(old);
    const again = await bound.recreate(old);
    expect(again.id).toBe(old.id);
    await bound.promote(again);
    expect((await bound.status()).live).toEqual(old);
    await expect(bound.recreate({ ...old, id: 'shop@0000000000' })).rejects.toThrow(
      /in no slot and in no history/,
    );
  });

  it('takes the same image for a new release', async () => {
    const bound = bind(callOf({ image: 'registry/shop:v1.0.0' }));
    const { live } = await bound.status();
    const candidate = await bound.prepare();
    expect([candidate.version, candidate.id === live.id]).toEqual(['v1.0.1', false]);
  });

  it('leaves what is live alone when the candidate does not come up, and stops it', async () => {
    const bound = bind(callOf({ image: 'registry/shop:crash' }));
    const { live } = await bound.status();
    await expect(bound.prepare()).rejects.toThrow(
      /shop-green@\w+ does not come up: .* is in CrashLoopBackOff/,
    );
    expect(await behind('shop')).toEqual(['shop', 'shop', 'shop']);
    const { candidate } = await bound.status();
    if (!candidate) throw new Error('nothing stands there');
    await bound.retire(candidate);
    expect(await bound.status()).toMatchObject({ live, candidate: null, unsettled: undefined });
  });

  it('does not switch to endpoints that are not ready, and says which are missing', async () => {
    const bound = bind();
    const candidate = await bound.prepare();
    const pod =
      (await namespace.kubectl('get', 'pods', '-l', 'app=shop-green', '-o', 'name')).split('\n')[0] ?? '';
    await namespace.kubectl('annotate', pod, 'lab/unready=true');
    await waitFor(async () => (await behind('shop-preview')).length === 2, 'a pod that is not ready');
    const abort = new AbortController();
    const call = callOf({ signal: abort.signal });
    const promoting = bind(call).promote(candidate);
    promoting.catch(() => undefined);
    await waitFor(
      () => call.said.some((line) => line.includes('2 ready endpoints of shop-green')),
      'what it waits for',
    );
    expect(await behind('shop')).toEqual(['shop', 'shop', 'shop']);
    await namespace.kubectl('annotate', pod, 'lab/unready=false', '--overwrite');
    await promoting;
    expect(await behind('shop')).toEqual(['shop-green', 'shop-green', 'shop-green']);
  });

  describe('an autoscaler', () => {
    it('has its number kept, goes with the traffic, and comes back with it', async () => {
      await autoscale(2);
      await namespace.kubectl('scale', 'deployment/shop', '--replicas=5');
      await namespace.kubectl('rollout', 'status', 'deployment/shop');
      const { bound, old } = await promoted();
      expect(await get('deployment', 'shop-green', '{.spec.replicas}')).toBe('5');
      expect(await scaled()).toBe('shop-green');
      await bound.restore(old);
      expect(await scaled()).toBe('shop');
    });

    it('has scaled what is live meanwhile: the candidate gets as many before it takes over', async () => {
      const bound = bind();
      const candidate = await bound.prepare();
      await namespace.kubectl('scale', 'deployment/shop', '--replicas=6');
      await bound.promote(candidate);
      expect(await behind('shop')).toHaveLength(6);
    });
  });

  describe('somebody else', () => {
    it('has a candidate there: it is not touched, and who can stop it is told how', async () => {
      const theirs = await another('v7', 'registry/shop:v7').prepare();
      await expect(bind().prepare()).rejects.toThrow(
        /shop-green@\w+ \(v7, of run-v7\/staging\/deploy\) already stands beside the live release.*scale deployment\/shop-green --replicas=0/,
      );
      expect((await bind().status()).candidate).toEqual(theirs);
    });

    it('changes our candidate: it is not what was judged any more', async () => {
      const bound = bind();
      const candidate = await bound.prepare();
      await namespace.kubectl('set', 'image', 'deployment/shop-green', 'shop=registry/shop:v9');
      await expect(bound.prepare()).rejects.toMatchObject({ type: 'Drift' });
      await expect(bound.promote(candidate)).rejects.toThrow(/shop-green is shop-green@\w+ \(v9\)/);
      expect(await behind('shop')).toEqual(['shop', 'shop', 'shop']);
    });

    it('moves the selector between our reading and our switching: theirs stays', async () => {
      const move = () => namespace.kubectl('set', 'selector', 'service', 'shop', 'app=elsewhere');
      const bound = bind(callOf(), beforePatch(connect, 'services', move));
      const candidate = await bound.prepare();
      // The preview is led by a creation, so that the first patch of a Service is the switch.
      await expect(bound.promote(candidate)).rejects.toThrow(
        /Service shop selects app=elsewhere, expected app=shop, which was looked at\. .*nothing was switched/,
      );
      expect(await get('service', 'shop', '{.spec.selector}')).toBe('{"app":"elsewhere"}');
      await expect(bound.status()).rejects.toThrow(/nobody can tell what is live\. Make its selector match/);
    });

    it('owns the name of the preview: it is not led elsewhere unless the plan names it', async () => {
      await namespace.kubectl('create', 'service', 'clusterip', 'shop-preview', '--tcp=80:8080');
      await expect(bind().prepare()).rejects.toThrow(
        /There is a Service shop-preview already.*previewService: shop-preview/,
      );
      const config = {
        ...shopConfig(namespace.name),
        previewService: 'shop-preview',
        previewUrl: 'http://preview.example',
      };
      const call = callOf({ config });
      expect((await bind(call).prepare()).url).toBe('http://preview.example');
      expect(await get('service', 'shop-preview', '{.spec.selector}')).toBe('{"app":"shop-green"}');
    });
  });

  it.each([
    ['prepare', 2],
    ['promote', 2],
    ['restore', 2],
    ['retire', 1],
  ] as const)('%s ends right wherever it was killed', async (verb, expected) => {
    await autoscale(1);
    const bound = bind();
    const { live: old } = await bound.status();
    const fresh = verb === 'prepare' ? undefined : await bound.prepare();
    if (verb !== 'prepare' && verb !== 'promote') await bound.promote(fresh ?? old);
    const act = (through: ConnectKubernetes) => {
      const target = bind(callOf(), through);
      if (verb === 'prepare') return target.prepare();
      return target[verb](verb === 'promote' ? (fresh ?? old) : old);
    };
    let deaths = 0;
    for (let nth = 1; ; nth += 1) {
      const dying = killedAt(connect, { nth: 1, when: nth % 2 === 1 ? 'before' : 'after' });
      const end = await act(dying.connect).catch((error: unknown) => error);
      if (!(end instanceof Killed)) break;
      deaths += 1;
    }
    // Each writing was killed before and after it, and what was written was not written again.
    expect(deaths).toBe(2 * expected);
    const { live, candidate, unsettled } = await bound.status();
    expect(unsettled).toBeUndefined();
    const isFresh = verb === 'promote' || verb === 'retire';
    expect([live.version, candidate?.version]).toEqual(
      isFresh ? ['v1.0.1', verb === 'retire' ? undefined : 'v1.0.0'] : ['v1.0.0', 'v1.0.1'],
    );
    const slot = isFresh ? 'shop-green' : 'shop';
    expect(await behind('shop')).toEqual([slot, slot, slot]);
    expect(await scaled()).toBe(slot);
  });

  it('is back within moments: one patch moves the Service', async () => {
    const { bound, old, fresh } = await promoted();
    const restored: number[] = [];
    const settled: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      let patchedAt = 0;
      const timing: ConnectKubernetes = async (...args) => {
        const cluster = await connect(...args);
        return {
          ...cluster,
          async patch(...of) {
            const result = await cluster.patch(...of);
            if (of[0] === 'services') patchedAt = performance.now();
            return result;
          },
        };
      };
      const startedAt = performance.now();
      await bind(callOf(), timing).restore(old);
      restored.push(Math.round(patchedAt - startedAt));
      settled.push(Math.round(performance.now() - startedAt));
      await bound.promote(fresh);
    }
    console.log(`restored after ${restored.join(', ')} ms; endpoints checked after ${settled.join(', ')} ms`);
    expect(restored).toHaveLength(5);
  });

  it('says what to mend when no label tells two Deployments apart', async () => {
    await namespace.kubectl('label', 'deployment', 'shop', 'x=y');
    await namespace.kubectl(
      'patch',
      'deployment',
      'shop',
      '-p',
      '{"spec":{"template":{"metadata":{"labels":{"tier":"web"}}}}}',
    );
    await namespace.kubectl('rollout', 'status', 'deployment/shop');
    await namespace.kubectl('set', 'selector', 'service', 'shop', 'tier=web');
    await expect(bind().prepare()).rejects.toThrow(
      /Service shop selects tier=web, and Deployment shop app=shop: no label is in both.*kubectl -n \S+ edit service shop/,
    );
  });
});
