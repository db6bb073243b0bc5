/** Where a container's log is gone on with: the API server knows seconds, and nothing but the newest file. */
import { describe, expect, it } from 'vitest';
import { type Place, type PodPart, readPod } from '../../../src/adapters/probes/logs/pod-log.js';
import { invalid } from '../../../src/platform/failures.js';
import type { Cluster, LogQuery } from '../../../src/tools/kubernetes/client.js';
import type { Pod } from '../../../src/tools/kubernetes/kinds.js';

interface Logs {
  current: string[];
  previous?: string[];
}

function clusterOf(logs: Logs): Cluster & { asked: LogQuery[] } {
  const asked: LogQuery[] = [];
  const never = () => Promise.reject(new Error('not asked here'));
  return {
    asked,
    name: 'test',
    ...{ read: never, find: never, list: never, create: never, patch: never },
    async *watch() {},
    async *log(_namespace, _pod, query = {}) {
      asked.push(query);
      const lines = query.previous ? logs.previous : logs.current;
      if (!lines) throw invalid('previous terminated container not found', { kubernetesStatus: 400 });
      // The kubelet compares whole seconds: metav1.Time has no more.
      const since = query.sinceTime ? Date.parse(query.sinceTime) : 0;
      yield* lines.filter((line) => Date.parse(line.split(' ')[0] ?? '') >= since);
    },
  };
}

function podOf(restartCount: number): Pod {
  return {
    metadata: { uid: '01234567-89ab', name: 'shop-1', namespace: 'shop' },
    spec: { containers: [{ name: 'web' }] },
    status: {
      containerStatuses: [
        {
          name: 'web',
          restartCount,
          image: '',
          imageID: '',
          ready: true,
          state: { running: { startedAt: '2026-01-01T00:00:00Z' } },
        },
      ],
    },
  };
}

async function read(
  logs: Logs,
  { restarts = 0, place, previous }: { restarts?: number; place?: Place; previous?: boolean } = {},
) {
  const parts: PodPart[] = [];
  for await (const part of readPod(clusterOf(logs), podOf(restarts), { previous }, place)) parts.push(part);
  return {
    texts: parts.flatMap(({ lines }) => lines.map(({ text }) => text)),
    place: parts.at(-1)?.place,
    gaps: parts.flatMap(({ gap }) => gap ?? []),
  };
}

const T = '2026-01-01T00:00:0';
/** Several of one moment, and one that came late with an earlier time. */
const LINES = [
  `${T}1.000000001Z a`,
  `${T}1.000000001Z a`,
  `${T}1.500000000Z b`,
  `${T}1.400000000Z c`,
  `${T}1.500000000Z d`,
  `${T}2.000000000Z e`,
];

describe('a container', () => {
  it('is read from its beginning, with the time beside the text', async () => {
    expect(await read({ current: LINES })).toMatchObject({ texts: ['a', 'a', 'b', 'c', 'd', 'e'], gaps: [] });
  });

  it('may be left after any line: nothing is lost, nothing comes twice', async () => {
    for (let cut = 0; cut <= LINES.length; cut += 1) {
      const first = await read({ current: LINES.slice(0, cut) });
      const second = await read({ current: LINES }, { place: first.place });
      expect([...first.texts, ...second.texts].join(''), `after ${cut}`).toBe('aabcde');
      expect(second.gaps, `after ${cut}`).toEqual([]);
    }
  });

  it('whose log was rotated has a gap, and goes on with what is there', async () => {
    const { place } = await read({ current: LINES });
    const rotated = await read({ current: [`${T}5.000000000Z f`, `${T}6.000000000Z g`] }, { place });
    expect(rotated.texts).toEqual(['f', 'g']);
    expect(rotated.gaps).toEqual(['the log of pod shop/shop-1 no longer has the line that was read last']);
    expect((await read({ current: [] }, { place })).gaps).toHaveLength(1);
  });
});

describe('a restart', () => {
  const AFTER = [`${T}7.000000000Z new`];

  it('is bridged: the rest of the process before, then the new one', async () => {
    const { place } = await read({ current: LINES.slice(0, 3) });
    const found = await read({ current: AFTER, previous: LINES }, { restarts: 1, place });
    expect(found).toMatchObject({
      texts: ['c', 'd', 'e', 'new'],
      gaps: [],
      place: [1, `${T}7.000000000Z`, 1],
    });
  });

  it('of which the process before is gone is a gap', async () => {
    const { place } = await read({ current: LINES });
    const found = await read({ current: AFTER }, { restarts: 1, place });
    expect(found.texts).toEqual(['new']);
    expect(found.gaps).toEqual(['the log of the process of pod shop/shop-1 before it was restarted is gone']);
  });

  it('after a restart is a gap: only one process before is kept', async () => {
    const { place } = await read({ current: LINES });
    const found = await read(
      { current: AFTER, previous: [`${T}4.000000000Z between`] },
      { restarts: 2, place },
    );
    expect(found.texts).toEqual(['between', 'new']);
    expect(found.gaps).toEqual(['pod shop/shop-1 was restarted more than once']);
  });

  it('before anybody looked counts only where the plan wants it', async () => {
    const logs = { current: AFTER, previous: LINES };
    expect((await read(logs, { restarts: 1 })).texts).toEqual(['new']);
    expect((await read(logs, { restarts: 1, previous: true })).texts.join('')).toBe('aabcdenew');
    await expect(read({ current: AFTER }, { restarts: 1, previous: true })).rejects.toMatchObject({
      kind: 'inconclusive',
    });
  });
});
