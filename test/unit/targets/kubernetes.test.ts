/** What the kubernetes target reads out of objects, and what it makes of them. */
import { describe, expect, it } from 'vitest';
import { stateOf, unsettledOf } from '../../../src/adapters/targets/kubernetes/rollout-state.js';
import { scaleOf } from '../../../src/adapters/targets/kubernetes/scale.js';
import { traits } from '../../../src/adapters/targets/kubernetes/schema.js';
import { secondSlot, slotLabelOf, templateForSlot } from '../../../src/adapters/targets/kubernetes/slots.js';
import type { Deployment, Pod, PodTemplate, Service } from '../../../src/tools/kubernetes/kinds.js';
import { idOf, selectorOf, versionOf } from '../../../src/tools/kubernetes/releases.js';

type Labels = { [key: string]: string };

function template(image: string, change: Partial<PodTemplate> = {}): PodTemplate {
  return {
    metadata: { labels: { app: 'shop' } },
    spec: { containers: [{ name: 'shop', image }] },
    ...change,
  };
}

function deployment(change: {
  labels?: Labels;
  template?: PodTemplate;
  spec?: Partial<NonNullable<Deployment['spec']>>;
  status?: Deployment['status'];
  generation?: number;
}): Deployment {
  return {
    metadata: { name: 'shop', namespace: 'production', generation: change.generation ?? 1 },
    spec: {
      replicas: 3,
      selector: { matchLabels: change.labels ?? { app: 'shop' } },
      template: change.template ?? template('registry/shop:v1'),
      ...change.spec,
    },
    status: change.status,
  };
}

const service = (selector: Labels): Service => ({ metadata: { name: 'shop' }, spec: { selector } });
const withImage = (image: string, annotations?: Labels, labels?: Labels) =>
  deployment({ template: template(image, { metadata: { annotations, labels } }) });

describe('the version of a release', () => {
  it.each([
    ['registry/shop:v1.2.3', 'v1.2.3'],
    ['registry.example:5000/shop:v1.2.3', 'v1.2.3'],
    [`registry/shop:v1.2.3@sha256:${'a'.repeat(64)}`, 'v1.2.3'],
    [`registry.example:5000/shop@sha256:${'a'.repeat(64)}`, 'sha256:aaaaaaaaaaaa'],
    ['registry.example:5000/shop', 'latest'],
  ])('of %s is %s', (image, version) => {
    expect(versionOf(withImage(image), undefined)).toBe(version);
  });

  it('is what it was deployed as, as long as the image is the one that was deployed', () => {
    const said = { 'headgate.dev/version': 'v7', 'headgate.dev/image': 'registry/shop@sha256:1' };
    expect(versionOf(withImage('registry/shop@sha256:1', said), undefined)).toBe('v7');
    expect(versionOf(withImage('registry/shop:v8', said), undefined)).toBe('v8');
  });

  it('is that of the label where the image has no tag', () => {
    const labels = { 'app.kubernetes.io/version': '3.1' };
    expect(versionOf(withImage('registry/shop', undefined, labels), undefined)).toBe('3.1');
  });
});

describe('the id of a release', () => {
  const id = (change: Partial<PodTemplate>) => idOf('shop', template('registry/shop:v1', change));

  it('stays through a restart, and through what the API server adds', () => {
    const plain = id({});
    expect(plain).toMatch(/^shop@[0-9a-f]{10}$/);
    const labels = { app: 'shop', 'pod-template-hash': 'abc' };
    for (const key of ['kubectl.kubernetes.io/restartedAt', 'headgate.dev/restarted-at']) {
      expect(id({ metadata: { labels, annotations: { [key]: 'now' } } })).toBe(plain);
    }
  });

  it('is another one for every other change', () => {
    const changes: Partial<PodTemplate>[] = [
      {},
      { metadata: { labels: { app: 'shop', a: 'b' } } },
      { metadata: { labels: { app: 'shop' }, annotations: { 'headgate.dev/rollout': 'run/step' } } },
      {
        spec: { containers: [{ name: 'shop', image: 'registry/shop:v1', env: [{ name: 'A', value: 'b' }] }] },
      },
      { spec: { containers: [{ name: 'shop', image: 'registry/shop:v2' }] } },
    ];
    expect(new Set(changes.map(id)).size).toBe(changes.length);
  });
});

describe('how far a rollout is', () => {
  const status = (change: Deployment['status']) => ({ observedGeneration: 1, ...change });
  const complete = status({ replicas: 3, updatedReplicas: 3, availableReplicas: 3 });
  const waiting = (reason: string, restartCount = 0): Pod => ({
    metadata: { name: 'shop-1', namespace: 'production' },
    status: {
      containerStatuses: [
        {
          name: 'shop',
          image: '',
          imageID: '',
          ready: false,
          restartCount,
          state: { waiting: { reason, message: 'said' } },
        },
      ],
    },
  });

  it('is at its end when every pod is new and available, and the controller has seen the change', () => {
    expect(stateOf(deployment({ status: complete }), [])).toEqual({ kind: 'complete' });
    expect(stateOf(deployment({ status: complete, generation: 2 }), []).kind).toBe('underWay');
    expect(stateOf(deployment({ status: { ...complete, replicas: 4 } }), []).kind).toBe('underWay');
    expect(stateOf(deployment({ status: { ...complete, availableReplicas: 2 } }), []).kind).toBe('underWay');
  });

  it.each([
    ['CrashLoopBackOff', 1, 'underWay'],
    ['CrashLoopBackOff', 3, 'failed'],
    ['ImagePullBackOff', 0, 'underWay'],
    ['CreateContainerConfigError', 0, 'underWay'],
    ['InvalidImageName', 0, 'failed'],
  ])('a pod in %s that was started again %i times: %s', (reason, restarts, kind) => {
    const state = stateOf(deployment({ status: status({ replicas: 4, updatedReplicas: 1 }) }), [
      waiting(reason, restarts),
    ]);
    expect(state.kind).toBe(kind);
    expect(JSON.stringify(state)).toContain(`pod shop-1 is in ${reason}: said`);
  });

  it('takes a container that is being created for no trouble', () => {
    const state = stateOf(deployment({ status: status({ replicas: 4, updatedReplicas: 1 }) }), [
      waiting('ContainerCreating'),
    ]);
    expect(state).toEqual({
      kind: 'underWay',
      line: '0 of 3 new pods ready, 3 old ones left',
      trouble: undefined,
    });
  });

  it('tells a pod without a node, and pods that may not be made, and has patience with both', () => {
    const unschedulable: Pod = {
      metadata: { name: 'shop-1', namespace: 'production' },
      status: {
        conditions: [
          {
            type: 'PodScheduled',
            status: 'False',
            reason: 'Unschedulable',
            message: '0/1 nodes are available',
          },
        ],
      },
    };
    const under = status({ replicas: 4, updatedReplicas: 1 });
    expect(stateOf(deployment({ status: under }), [unschedulable])).toMatchObject({
      kind: 'underWay',
      trouble: { line: 'pod shop-1 finds no node: 0/1 nodes are available', isPatient: true },
    });
    const quota = {
      type: 'ReplicaFailure',
      status: 'True',
      reason: 'FailedCreate',
      message: 'exceeded quota',
    };
    expect(stateOf(deployment({ status: { ...under, conditions: [quota] } }), [])).toMatchObject({
      trouble: { line: 'pods cannot be made, FailedCreate: exceeded quota', isPatient: true },
    });
  });

  it('has come to rest, whatever its pods do afterwards', () => {
    const progressing = (reason: string, is = 'True') => [{ type: 'Progressing', status: is, reason }];
    const flapping = { ...complete, availableReplicas: 2 };
    const rested = { ...flapping, conditions: progressing('NewReplicaSetAvailable') };
    expect(unsettledOf(deployment({ status: rested }))).toBeUndefined();
    const said = 'the rollout of shop has not come to its end';
    expect(unsettledOf(deployment({ status: rested, generation: 2 }))).toBe(said);
    for (const [reason, is] of [
      ['ReplicaSetUpdated', 'True'],
      ['ProgressDeadlineExceeded', 'False'],
    ] as const) {
      const conditions = progressing(reason, is);
      expect(unsettledOf(deployment({ status: { ...flapping, conditions } }))).toBe(said);
    }
    expect(unsettledOf(deployment({ status: complete }))).toBeUndefined();
  });
});

describe('the scale', () => {
  it.each([
    [{}, { replicas: 3, surge: 1 }],
    [
      { replicas: 10, strategy: { rollingUpdate: { maxSurge: '25%' } } },
      { replicas: 10, surge: 3 },
    ],
    [
      { replicas: 10, strategy: { rollingUpdate: { maxSurge: 2 } } },
      { replicas: 10, surge: 2 },
    ],
    [
      { replicas: 10, strategy: { type: 'Recreate' } },
      { replicas: 10, surge: 0 },
    ],
  ])('of %j is %j', (spec, scale) => {
    expect(scaleOf(deployment({ spec }))).toEqual(scale);
  });
});

describe('the label that tells two slots apart', () => {
  const label = (own: Labels, selector: Labels) =>
    slotLabelOf(service(selector), deployment({ labels: own }), undefined).key;

  it('is in both selectors; one that others select by comes last', () => {
    expect(label({ app: 'shop' }, { app: 'shop' })).toBe('app');
    expect(label({ app: 'shop', tier: 'web' }, { tier: 'web' })).toBe('tier');
    expect(label({ app: 'shop', slot: 'a' }, { app: 'shop', slot: 'a' })).toBe('slot');
    const helm = { 'app.kubernetes.io/name': 'shop', 'app.kubernetes.io/instance': 'prod' };
    expect(label(helm, helm)).toBe('app.kubernetes.io/instance');
  });

  it('is the one that differs when both slots are there', () => {
    const second = deployment({ labels: { app: 'shop', tier: 'other' } });
    const first = deployment({ labels: { app: 'shop', tier: 'web' } });
    expect(slotLabelOf(service({ app: 'shop', tier: 'web' }), first, second)).toEqual({
      key: 'tier',
      first: 'web',
      second: 'other',
    });
    const foreign = deployment({ labels: { name: 'else' } });
    expect(() => slotLabelOf(service({ app: 'shop' }), first, foreign)).toThrow(/is no second slot of shop/);
  });

  it.each([
    ['in no selector of both', { app: 'shop' }, { tier: 'web' }, /no label is in both/],
    ['too long with -green', { app: 'x'.repeat(60) }, { app: 'x'.repeat(60) }, /longer than 63 characters/],
  ])('%s: said with what mends it', (_why, own, selector, said) => {
    expect(() => slotLabelOf(service(selector), deployment({ labels: own }), undefined)).toThrow(said);
  });
});

describe('the second slot', () => {
  const slot = { key: 'app', first: 'shop', second: 'shop-green' };
  const affinity = {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { topologyKey: 'zone', labelSelector: { matchLabels: { app: 'shop' } } },
        { topologyKey: 'zone', labelSelector: { matchLabels: { app: 'database' } } },
      ],
    },
  };

  it('keeps its pods apart from each other, and from whom it kept them before', () => {
    const spec = { containers: [], affinity };
    const moved = templateForSlot(template('x', { spec }), slot, 'shop-green');
    expect(moved.metadata?.labels).toEqual({ app: 'shop-green' });
    const rules = moved.spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    expect(rules?.map(({ labelSelector }) => labelSelector?.matchLabels?.app)).toEqual([
      'shop-green',
      'database',
    ]);
    expect(templateForSlot(moved, slot, 'shop')).toEqual(template('x', { spec }));
  });

  it('selects its own pods only, and takes nothing along that is of the first one alone', () => {
    const live = deployment({ spec: { paused: true } });
    const made = secondSlot(live, slot, {
      name: 'shop-green',
      template: templateForSlot(template('x'), slot, 'shop-green'),
      replicas: 2,
    });
    expect(selectorOf(made)).toBe('app=shop-green');
    expect(made.metadata).toEqual({ name: 'shop-green', namespace: 'production', labels: {} });
    expect([made.spec?.replicas, made.spec?.paused]).toEqual([2, undefined]);
  });
});

it('tells a logs probe where the log is, and of which release', () => {
  expect(traits.log({ context: 'eu', namespace: 'n', deployment: 'shop', service: 's', url: 'u' })).toEqual({
    kubernetes: { context: 'eu', namespace: 'n', deployment: 'shop', release: '${release:id}' },
  });
  expect(traits.log({ namespace: 'n' })).toBeUndefined();
});
