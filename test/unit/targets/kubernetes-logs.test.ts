/** Of the pods' logs the newest is told, however long they are. */
import { expect, it } from 'vitest';
import { readLogs } from '../../../src/adapters/targets/kubernetes/logs.js';
import { LONGEST_LOG_BYTES } from '../../../src/adapters/targets/target.js';
import type { Cluster } from '../../../src/tools/kubernetes/client.js';
import { KubernetesError } from '../../../src/tools/kubernetes/errors.js';
import type { Kinds } from '../../../src/tools/kubernetes/kinds.js';
import { idOf } from '../../../src/tools/kubernetes/releases.js';
import { targetCall } from '../../support/target-call.js';

const TEMPLATE = {
  metadata: { labels: { app: 'shop' } },
  spec: { containers: [{ name: 'shop', image: 'x' }] },
};
const RELEASE = { id: idOf('shop', TEMPLATE), version: 'v1', url: '' };
const CONFIG = { namespace: 'n', deployment: 'shop', service: 'shop', url: 'http://shop.example' };

/** As much of a cluster as reading logs takes. */
function clusterOf(logs: { [pod: string]: string[] | Error }): Cluster {
  const never = async () => {
    throw new Error('not asked here');
  };
  const deployment = { metadata: { uid: 'd', name: 'shop' }, spec: { selector: {}, template: TEMPLATE } };
  const set = {
    metadata: { uid: 'r', ownerReferences: [{ uid: 'd' }] },
    spec: { template: TEMPLATE },
  };
  const pods = Object.keys(logs).map((name) => ({ metadata: { name, ownerReferences: [{ uid: 'r' }] } }));
  const lists: { [kind: string]: unknown[] } = { replicasets: [set], pods };
  return {
    name: 'double',
    read: never,
    find: async <K extends keyof Kinds>() => deployment as unknown as Kinds[K],
    list: async <K extends keyof Kinds>(kind: K) => ({
      items: (lists[kind] ?? []) as Kinds[K][],
      resourceVersion: '1',
    }),
    create: never,
    patch: never,
    watch() {
      throw new Error('not asked here');
    },
    async *log(_namespace, pod) {
      const lines = logs[pod] ?? [];
      if (lines instanceof Error) throw lines;
      yield* lines;
    },
  };
}

const read = (logs: Parameters<typeof clusterOf>[0], which: 'current' | 'previous' = 'current') => {
  const { config: _, ...call } = targetCall('/nowhere', {});
  return readLogs({ cluster: clusterOf(logs), call: { ...call, config: CONFIG } }, RELEASE, which);
};

it('names the pod where there are several', async () => {
  expect(await read({ a: ['one'] })).toBe('one\n');
  expect(await read({ a: ['one'], b: ['two', 'three'] })).toBe('a: one\nb: two\nb: three\n');
});

it('keeps the newest lines of each, whole, within its share', async () => {
  const long = Array.from({ length: 30_000 }, (_, index) => `${index} ${'x'.repeat(100)}`);
  const log = (await read({ a: long, b: ['short'] })) ?? '';
  expect(Buffer.byteLength(log)).toBeLessThanOrEqual(LONGEST_LOG_BYTES);
  const lines = log.trimEnd().split('\n');
  expect(lines.slice(-2)).toEqual([`a: 29999 ${'x'.repeat(100)}`, 'b: short']);
  expect(lines[0]).toMatch(/^a: \d+ x{100}$/);
});

it('has nothing to tell where there was no process before, and says other failures', async () => {
  const none = new KubernetesError('previous terminated container not found', 400);
  expect(await read({ a: none, b: none }, 'previous')).toBeUndefined();
  await expect(read({ a: new KubernetesError('unwell', 500) })).rejects.toThrow('unwell');
});
