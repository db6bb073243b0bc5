/** `rolling` on a control plane: what goes wrong in a rollout, who else has a hand in it, and the way back. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createKubernetesTarget } from '../../src/adapters/targets/kubernetes/index.js';
import { schema } from '../../src/adapters/targets/kubernetes/schema.js';
import { type BoundTarget, checked } from '../../src/adapters/targets/registry.js';
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
import { targetCall } from '../support/target-call.js';

const NEW = 'registry/shop:v1.0.1';
const connect = createKubernetes(kubernetesEnv());

describe.skipIf(kubernetesIsMissing())('rolling', () => {
  let namespace: Namespace;
  const open = async (options: ShopOptions = {}) => {
    namespace = await openShop(options);
  };
  beforeEach(() => open());
  afterEach(() => namespace.remove());

  const callOf = (change: Parameters<typeof targetCall>[2] = {}) =>
    targetCall('/nowhere', shopConfig(namespace.name), { strategy: 'rolling', image: NEW, ...change });
  const bind = (call = callOf(), through: ConnectKubernetes = connect) =>
    checked(schema, createKubernetesTarget({ kubernetes: through })).bind(call);
  const wanted = (live: Release): Release => ({ ...live, version: 'v1.0.1' });
  const pods = async () =>
    (await namespace.kubectl('get', 'pods', '-o', 'name')).trim().split('\n').filter(Boolean).sort();
  const image = () =>
    namespace.kubectl(
      'get',
      'deployment',
      'shop',
      '-o',
      'jsonpath={.spec.template.spec.containers[0].image}',
    );

  it('says in one sentence which pod crashes and how to look, and the old pods serve on', async () => {
    const bound = bind(callOf({ image: 'registry/shop:crash' }));
    const { live } = await bound.status();
    await expect(bound.promote(wanted(live))).rejects.toThrow(
      /shop@\w+ does not come up: .*pod shop-\S+ is in CrashLoopBackOff: back-off .*kubectl -n \S+ logs shop-\S+ -c shop --previous/,
    );
    const { live: after, unsettled } = await bound.status();
    expect([after.version, unsettled]).toEqual(['v1.0.1', 'the rollout of shop has not come to its end']);
    expect(
      await namespace.kubectl('get', 'deployment', 'shop', '-o', 'jsonpath={.status.availableReplicas}'),
    ).toBe('3');
    await bound.restore(live);
    expect(await bound.status()).toMatchObject({ live, unsettled: undefined });
  });

  it('waits a while for an image that cannot be pulled, tells it, and gives up before the deadline', async () => {
    const call = callOf({ image: 'registry/shop:nopull' });
    const bound = bind(call);
    const { live } = await bound.status();
    const startedAt = performance.now();
    await expect(bound.promote(wanted(live))).rejects.toThrow(
      /pod shop-\S+ is in ErrImagePull: image not found\. Look: kubectl -n \S+ describe pod shop-/,
    );
    expect(performance.now() - startedAt).toBeGreaterThan(19_000);
    expect(call.said.join('\n')).toMatch(/rollout of shop: .* is in ErrImagePull/);
  });

  it('takes the deadline of the Deployment for the end', async () => {
    await namespace.remove();
    await open({ progressDeadlineSeconds: 4 });
    await namespace.kubectl('patch', 'deployment', 'shop', '-p', '{"spec":{"minReadySeconds":3}}');
    await namespace.kubectl('rollout', 'status', 'deployment/shop');
    const bound = bind(callOf({ image: 'registry/shop:nopull' }));
    const { live } = await bound.status();
    await expect(bound.promote(wanted(live))).rejects.toThrow(/within its progressDeadlineSeconds \(4\)/);
  });

  it('waits for pods that take their time, and tells how far they are', async () => {
    await namespace.remove();
    await open({ annotations: { 'lab/ready-delay': '1500ms' }, replicas: 2 });
    const call = callOf();
    const bound = bind(call);
    const { live } = await bound.status();
    await bound.promote(wanted(live));
    expect(await bound.status()).toMatchObject({ live: { version: 'v1.0.1' }, unsettled: undefined });
    expect(call.said.join('\n')).toMatch(/rollout of shop: 0 of 2 new pods ready, 2 old ones left/);
  });

  it('takes the same image for a new release with new pods', async () => {
    const bound = bind(callOf({ image: 'registry/shop:v1.0.0' }));
    const [{ live }, old] = [await bound.status(), await pods()];
    await bound.promote(wanted(live));
    const after = await bound.status();
    expect(after.live.id).not.toBe(live.id);
    expect(after.live.version).toBe('v1.0.1');
    expect((await pods()).filter((pod) => old.includes(pod))).toEqual([]);
  });

  it('deploys by digest, and calls it by the version of the plan', async () => {
    const digest = `registry/shop:v1.0.1@sha256:${'a'.repeat(64)}`;
    const bound = bind(callOf({ image: digest }));
    const { live } = await bound.status();
    await bound.promote(wanted(live));
    expect(await image()).toBe(digest);
    expect((await bound.status()).live.version).toBe('v1.0.1');
    await namespace.kubectl('set', 'image', 'deployment/shop', 'shop=registry/shop:v1.0.2');
    expect((await bound.status()).live.version).toBe('v1.0.2');
  });

  /** The new template is written; its pods come up. */
  const untilBegun = (bound: BoundTarget) =>
    expect
      .poll(async () => (await bound.status()).live.version, { timeout: 10_000, interval: 20 })
      .toBe('v1.0.1');

  it('does not call an image by a version that it is not', async () => {
    const bound = bind(callOf({ image: undefined }));
    const { live } = await bound.status();
    await expect(bound.promote(wanted(live))).rejects.toThrow(
      /The plan names no image, and Deployment shop runs registry\/shop:v1\.0\.0, which is not v1\.0\.1\. Add to the deploy step: image:/,
    );
  });

  it('keeps the number of pods that somebody else has decided on, before and meanwhile', async () => {
    await namespace.remove();
    await open({ annotations: { 'lab/ready-delay': '1s' } });
    const bound = bind();
    const { live } = await bound.status();
    await namespace.kubectl('scale', 'deployment/shop', '--replicas=5');
    const promoting = bound.promote(wanted(live));
    await untilBegun(bound);
    await namespace.kubectl('scale', 'deployment/shop', '--replicas=4');
    await promoting;
    expect((await bound.status()).scale).toEqual({ replicas: 4, surge: 1 });
    await bound.restore(live);
    expect((await bound.status()).scale).toEqual({ replicas: 4, surge: 1 });
  });

  describe('somebody else changes it', () => {
    it.each([
      ['after it was looked at', ['set', 'image', 'deployment/shop', 'shop=registry/shop:v9']],
      ['after it was looked at, by an edit', ['set', 'env', 'deployment/shop', 'A=B']],
    ])('%s: nothing is changed', async (_when, change) => {
      const bound = bind();
      const { live } = await bound.status();
      await namespace.kubectl(...change);
      const theirs = await image();
      await expect(bound.promote(wanted(live))).rejects.toMatchObject({ type: 'Drift' });
      expect(await image()).toBe(theirs);
    });

    it('between our reading and our writing: seen by its version, nothing is changed', async () => {
      const change = () => namespace.kubectl('set', 'image', 'deployment/shop', 'shop=registry/shop:v9');
      const bound = bind(callOf(), beforePatch(connect, 'deployments', change));
      const { live } = await bound.status();
      await expect(bound.promote(wanted(live))).rejects.toThrow(/shop is shop@\w+ \(v9\), expected shop@/);
      expect(await image()).toBe('registry/shop:v9');
    });

    it('a number only, between our reading and our writing: it goes on, and the number stays', async () => {
      const change = () => namespace.kubectl('scale', 'deployment/shop', '--replicas=2');
      const bound = bind(callOf(), beforePatch(connect, 'deployments', change));
      const { live } = await bound.status();
      await bound.promote(wanted(live));
      expect(await bound.status()).toMatchObject({ live: { version: 'v1.0.1' }, scale: { replicas: 2 } });
    });

    it('while our pods come up: the rollout that is followed is not ours any more', async () => {
      await namespace.remove();
      await open({ annotations: { 'lab/ready-delay': '1s' } });
      const bound = bind();
      const { live } = await bound.status();
      const promoting = bound.promote(wanted(live));
      promoting.catch(() => undefined);
      await untilBegun(bound);
      await namespace.kubectl('set', 'env', 'deployment/shop', 'A=B');
      await expect(promoting).rejects.toMatchObject({ type: 'Drift' });
    });
  });

  describe('the way back', () => {
    it('leads to the template that was recorded, also past a revision in between; a second undo does not come back', async () => {
      // Without a history there is nothing but the record.
      const patch = '{"spec":{"revisionHistoryLimit":0}}';
      await namespace.kubectl('patch', 'deployment', 'shop', '-p', patch);
      const bound = bind();
      const { live } = await bound.status();
      await bound.promote(wanted(live));
      await namespace.kubectl('set', 'env', 'deployment/shop', 'A=B');
      await namespace.kubectl('rollout', 'status', 'deployment/shop');
      await bound.restore(live);
      expect((await bound.status()).live).toEqual(live);
      const template = () =>
        namespace.kubectl('get', 'deployment', 'shop', '-o', 'jsonpath={.spec.template}');
      const restored = await template();
      await bound.restore(live);
      expect(await template()).toBe(restored);
      expect(restored).not.toContain('"A"');
    });

    it('is found in the history when the record is gone, and says so when that is gone too', async () => {
      const bound = bind();
      const { live } = await bound.status();
      await bound.promote(wanted(live));
      await namespace.kubectl('annotate', 'deployment', 'shop', 'headgate.dev/before-');
      await bound.restore(live);
      expect((await bound.status()).live).toEqual(live);
      await expect(bound.restore({ ...live, id: 'shop@0000000000' })).rejects.toThrow(
        /has kept no template of shop@0000000000: neither its annotation headgate.dev\/before nor a ReplicaSet/,
      );
    });

    it('does not wait for what had not come up before either', async () => {
      await namespace.kubectl('set', 'image', 'deployment/shop', 'shop=registry/shop:crash');
      const bound = bind();
      const { live, unsettled } = await bound.status();
      expect(unsettled).toBeDefined();
      await bound.promote(wanted(live));
      await bound.restore(live);
      expect(await bound.status()).toMatchObject({ live, unsettled });
    });
  });

  it.each(['promote', 'restore', 'restart'] as const)(
    '%s ends right wherever it was killed',
    async (verb) => {
      const first = bind();
      const { live } = await first.status();
      if (verb === 'restore') await first.promote(wanted(live));
      const release = verb === 'promote' ? wanted(live) : live;
      const kept: Parameters<typeof targetCall>[2] = {};
      for (const when of ['before', 'after'] as const) {
        const call = callOf(kept);
        const dying = killedAt(connect, { nth: 1, when });
        await expect(bind(call, dying.connect)[verb](release)).rejects.toBeInstanceOf(Killed);
        kept.recalled = call.kept.at(-1);
      }
      const last = killedAt(connect, { nth: 0, when: 'before' });
      await bind(callOf(kept), last.connect)[verb](release);
      expect(last.writes()).toBe(0);
      const after = await first.status();
      expect([after.live.version, after.unsettled]).toEqual([
        verb === 'promote' ? 'v1.0.1' : 'v1.0.0',
        undefined,
      ]);
      if (verb !== 'promote') expect(after.live).toEqual(live);
    },
  );

  it('refuses a paused Deployment with the command that mends it', async () => {
    const bound = bind();
    const { live } = await bound.status();
    await namespace.kubectl('rollout', 'pause', 'deployment/shop');
    await expect(bound.promote(wanted(live))).rejects.toThrow(
      /is paused.*kubectl -n \S+ rollout resume deployment\/shop/,
    );
  });

  it('asks which of several containers is meant', async () => {
    const sidecar = { name: 'proxy', image: 'registry/proxy:v3' };
    const patch = JSON.stringify({ spec: { template: { spec: { containers: [sidecar] } } } });
    await namespace.kubectl('patch', 'deployment', 'shop', '-p', patch);
    await namespace.kubectl('rollout', 'status', 'deployment/shop');
    await expect(bind().status()).rejects.toThrow(/several containers: .*shop.*container: NAME/);
    const named = bind(callOf({ config: { ...shopConfig(namespace.name), container: 'shop' } }));
    expect((await named.status()).live.version).toBe('v1.0.0');
  });
});
