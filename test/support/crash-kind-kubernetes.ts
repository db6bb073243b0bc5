/** `deploy` to a real control plane, killed while something is under way there. Only where there is one. */
import { expect } from 'vitest';
import type { Json } from '../../src/plan/resolved.js';
import { nameOf, releaseIdOf } from '../../src/tools/kubernetes/releases.js';
import type { Fact, Subject, World } from './crash-kind.js';
import type { Place } from './crash-place.js';
import { kubernetesEnv, kubernetesIsMissing, type Namespace, openShop, shopConfig } from './kubernetes.js';
import { waitFor } from './processes.js';

/** No registry answers there, at once. */
const IMAGE = '127.0.0.1:1/shop';
const FACT_TIMEOUT_MS = 60_000;

interface Slot {
  /** Its template. */
  release: string;
  /** How often its template was changed: an effect that happens twice is one more. */
  revision: number;
  replicas: number;
  running: number;
}

interface KubernetesSeen {
  selector: { [key: string]: string };
  slots: { [name: string]: Slot };
  /** Whose pods are behind the Service, without repetition. */
  behind: string[];
}

interface KubernetesWorld extends World<KubernetesSeen> {
  namespace: Namespace;
}

const missing = kubernetesIsMissing() ? 'no control plane' : undefined;

export const rolling: Subject<KubernetesWorld> = {
  name: 'deploy to kubernetes, rolling',
  missing,
  acts: ['promoteRelease'],
  async open(place) {
    const world = await openWorld(place, 'rolling');
    return {
      ...world,
      expectPromoted(before, after) {
        expect(after.slots.shop).toMatchObject({ revision: 2, replicas: 3, running: 3 });
        expect(after.slots.shop?.release).not.toBe(before.slots.shop?.release);
        expect(after.behind).toEqual(['shop']);
      },
      expectRestored(before, after) {
        expect(after).toEqual({ ...before, slots: { shop: { ...before.slots.shop, revision: 3 } } });
      },
    };
  },
  during: [seen('the first new pods come up', ({ slots }) => slots.shop?.revision === 2)],
  undo: [seen('the old template is back', ({ slots }) => slots.shop?.revision === 3)],
};

export const blueGreen: Subject<KubernetesWorld> = {
  name: 'deploy to kubernetes, blueGreen',
  missing,
  acts: ['prepareRelease', 'promoteRelease'],
  async open(place) {
    const world = await openWorld(place, 'blueGreen');
    return {
      ...world,
      expectPromoted(before, after) {
        expect(after).toMatchObject({
          selector: { app: 'shop-green' },
          behind: ['shop-green'],
          slots: {
            shop: { ...before.slots.shop, replicas: 0, running: 0 },
            'shop-green': { revision: 1, replicas: 3, running: 3 },
          },
        });
      },
      expectRestored(before, { slots, ...after }) {
        expect({ ...after, slots: { shop: slots.shop } }).toEqual(before);
        expect(slots['shop-green']).toMatchObject({ revision: 1, replicas: 0, running: 0 });
      },
    };
  },
  during: [
    seen('the candidate comes up', ({ slots }) => slots['shop-green'] !== undefined),
    seen('the Service has been switched', ({ selector }) => selector.app === 'shop-green'),
    seen('the old release is being stopped', ({ slots }) => slots.shop?.replicas === 0),
  ],
  undo: [
    seen(
      'the Service leads back',
      ({ selector }) => selector.app === 'shop',
      ({ selector }) => selector.app === 'shop-green',
    ),
    { name: 'what failed is asked', crash: { activity: 'collectDiagnostics', when: 'before' } },
    seen('what failed is being stopped', ({ slots }) => slots['shop-green']?.replicas === 0),
  ],
};

/** Kills as soon as the cluster shows it, `first` having been shown before. */
function seen(
  name: string,
  isThere: (seen: KubernetesSeen) => boolean,
  first?: (seen: KubernetesSeen) => boolean,
): Fact<KubernetesWorld> {
  return {
    name,
    async arm({ world, kill }) {
      const facts = [...(first ? [first] : []), isThere];
      for (const fact of facts) await waitFor(async () => fact(await world.read()), name, FACT_TIMEOUT_MS);
      await kill();
    },
  };
}

async function openWorld(place: Place, strategy: 'rolling' | 'blueGreen') {
  // So that there is a moment in which they come up.
  const annotations = { 'lab/ready-delay': '800ms' };
  const namespace = await openShop({ image: `${IMAGE}:v1.0.0`, annotations });
  const healthy: Json = { http: { url: '${release:url}/probe' }, expect: { path: 'status', equals: 200 } };
  const { url } = place.server;
  const kubernetes: Json = {
    ...shopConfig(namespace.name),
    url,
    ...(strategy === 'blueGreen' ? { previewUrl: url } : {}),
  };
  const judged: { [key: string]: Json } = strategy === 'blueGreen' ? { beforePromotion: ['healthy'] } : {};
  const deploy: Json = {
    kubernetes,
    image: `${IMAGE}:v1.0.1`,
    strategy,
    ...judged,
    afterPromotion: ['healthy'],
  };
  return {
    namespace,
    probes: { healthy },
    steps: [{ deploy }],
    env: { KUBECONFIG: kubernetesEnv().KUBECONFIG ?? '' },
    read: () => readWorld(namespace),
    close: () => namespace.remove(),
  };
}

async function readWorld({ cluster, name }: Namespace): Promise<KubernetesSeen> {
  const [service, slices, deployments] = await Promise.all([
    cluster.read('services', name, 'shop'),
    cluster.list('endpointslices', name, { labelSelector: 'kubernetes.io/service-name=shop' }),
    cluster.list('deployments', name),
  ]);
  const ready = slices.items
    .flatMap(({ endpoints }) => endpoints ?? [])
    .flatMap(({ conditions, targetRef }) => (conditions?.ready === false ? [] : (targetRef?.name ?? '')));
  const slots = deployments.items.map((deployment): [string, Slot] => [
    nameOf(deployment),
    {
      release: releaseIdOf(deployment),
      revision: Number(deployment.metadata?.annotations?.['deployment.kubernetes.io/revision'] ?? 0),
      replicas: deployment.spec?.replicas ?? 0,
      running: deployment.status?.replicas ?? 0,
    },
  ]);
  return {
    selector: service.spec?.selector ?? {},
    slots: Object.fromEntries(slots),
    behind: [...new Set(ready.map((pod) => pod.replace(/-[^-]+-[^-]+$/, '')))],
  };
}
