/** The sandbox's blue/green switch under load: a swap fails no request, and what is in flight ends where it began. */
import { Agent, get } from 'node:http';
import { afterEach, expect, it } from 'vitest';
import { Switch } from '../../sandbox/parts/switch.js';
import { type LocalServer, serve } from '../support/http-server.js';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Release {
  port: number;
  /** Requests that have reached it. */
  reached: () => number;
}

async function release(name: string, delayMs: number): Promise<Release> {
  let reached = 0;
  const server: LocalServer = await serve((_request, response) => {
    reached += 1;
    setTimeout(() => response.end(name), delayMs);
  });
  closing.push(() => server.close());
  return { port: Number(new URL(server.url).port), reached: () => reached };
}

async function untilReached({ reached }: Release, requests: number): Promise<void> {
  while (reached() < requests) await new Promise((resolve) => setImmediate(resolve));
}

function ask(port: number, agent: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, agent }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(text))));
    }).on('error', reject);
  });
}

async function open(first: number): Promise<{ gate: Switch; port: number }> {
  const gate = new Switch();
  const port = await gate.start(0);
  closing.push(() => gate.stop());
  await gate.moveTo(first, 1_000);
  return { gate, port };
}

it('eight swaps under load fail no request, and both releases answer', async () => {
  const [blue, green] = [await release('blue', 5), await release('green', 5)];
  const { gate, port } = await open(blue.port);
  const agent = new Agent({ keepAlive: true });
  closing.push(async () => agent.destroy());
  const answers = new Map<string, number>();
  let failed = 0;
  let over = false;
  const load = Array.from({ length: 25 }, async () => {
    while (!over) {
      await ask(port, agent).then(
        (name) => answers.set(name, (answers.get(name) ?? 0) + 1),
        () => {
          failed += 1;
        },
      );
    }
  });
  for (let swap = 0; swap < 8; swap += 1) {
    const next = swap % 2 === 0 ? green : blue;
    expect(await gate.moveTo(next.port, 5_000)).toBe(0);
    await untilReached(next, next.reached() + 100);
  }
  over = true;
  await Promise.all(load);
  expect([failed, [...answers.keys()].sort()]).toEqual([0, ['blue', 'green']]);
  expect((answers.get('blue') ?? 0) + (answers.get('green') ?? 0)).toBeGreaterThan(800);
});

it('a request in flight ends at the release it began with, and the swap waits for it', async () => {
  const [blue, green] = [await release('blue', 300), await release('green', 0)];
  const { gate, port } = await open(blue.port);
  const agent = new Agent();
  const slow = ask(port, agent);
  await untilReached(blue, 1);
  const swapping = gate.moveTo(green.port, 5_000);
  expect(await ask(port, agent)).toBe('green');
  expect(await swapping).toBe(0);
  expect(await slow).toBe('blue');
});

it('says how many were still in flight when its patience is over', async () => {
  const [blue, green] = [await release('blue', 2_000), await release('green', 0)];
  const { gate, port } = await open(blue.port);
  const slow = ask(port, new Agent()).catch(() => 'cut');
  await untilReached(blue, 1);
  expect(await gate.moveTo(green.port, 100)).toBe(1);
  expect(await slow).toBe('blue');
});
