/** Followed log files: a failing line ends the monitor, and no line is lost or counted twice, whatever becomes of the file. */
import { appendFile, copyFile, mkdtemp, open, rename, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLogsProbe } from '../../src/adapters/probes/logs/index.js';
import { schema } from '../../src/adapters/probes/logs/schema.js';
import type { Followed } from '../../src/adapters/probes/probe.js';
import { checked } from '../../src/adapters/probes/registry.js';
import type { Json } from '../../src/plan/resolved.js';
import { runChild } from '../../src/platform/children.js';
import { noHosts } from '../support/no-hosts.js';
import { subjectOf } from '../support/subject.js';
import { watchProbe } from '../support/watching.js';

const probe = checked(
  schema,
  createLogsProbe({ ...noHosts, runChild, commandsEnabled: false, now: Date.now }),
);

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-follow-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const subject = () => subjectOf(folder, undefined, new Date(Date.now() - 60_000).toISOString());
const line = (text: string) => `${new Date().toISOString()} ${text}\n`;

async function newLog(name: string, text = line('started')): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

interface Following {
  told: Followed[];
  count(): number;
  cursor(): Json | undefined;
  gaps(): string[];
  stop(): Promise<void>;
}

/** The probe itself, without a monitor. */
function follow(file: string, cursor?: Json): Following {
  const stop = new AbortController();
  const told: Followed[] = [];
  const request = { config: { pattern: 'hit', file, follow: true }, subject: subject(), expect: [] };
  const reading = (async () => {
    for await (const followed of probe.follow({ ...request, signal: stop.signal, cursor }))
      told.push(followed);
  })().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  return {
    told,
    count() {
      const { sample } = told.at(-1) ?? {};
      return sample?.kind === 'sample' ? Number((sample.value as { count: number }).count) : -1;
    },
    cursor: () => told.at(-1)?.cursor,
    gaps: () => told.flatMap(({ gap }) => gap ?? []),
    async stop() {
      stop.abort();
      await reading;
    },
  };
}

const untilCount = (following: Following, count: number) =>
  expect.poll(() => following.count(), { timeout: 10_000, interval: 5 }).toBe(count);

describe('a monitor over a followed file', () => {
  const bad = (file: string) => ({
    probe,
    subject: subject(),
    config: { pattern: 'ERROR', file },
    expect: [{ path: 'count', equals: 0 }],
  });

  it('ends within 100 ms of the line', async () => {
    const latencies: number[] = [];
    for (let nth = 0; nth < 10; nth += 1) {
      const file = await newLog(`latency-${nth}.log`);
      const watching = watchProbe(bad(file));
      await expect.poll(() => watching.tally()?.pass ?? 0, { timeout: 5_000 }).toBeGreaterThan(0);
      const wroteAtMs = Date.now();
      await appendFile(file, line('ERROR'));
      const { state, atMs } = await watching.ended;
      expect(state.breach?.measurement.message).toBe('count = 1, expected 0');
      latencies.push(atMs - wroteAtMs);
    }
    latencies.sort((a, b) => a - b);
    console.log(`line → result of the activity: median ${latencies[5]} ms, worst ${latencies.at(-1)} ms`);
    expect(latencies[5]).toBeLessThan(100);
  });

  it('counts on after the worker was killed, from its last heartbeat', async () => {
    const file = await newLog('killed.log');
    const tolerant = { ...bad(file), limits: { failureLimit: 100 } };
    const watching = watchProbe(tolerant);
    await appendFile(file, line('ERROR 1'));
    await expect.poll(() => watching.tally()?.fail ?? 0, { timeout: 5_000 }).toBeGreaterThan(0);
    await appendFile(file, line('ERROR 2'));
    const heartbeat = await watching.kill();
    await appendFile(file, line('ERROR 3'));
    const later = watchProbe({ ...tolerant, heartbeat, forMs: 2_500 });
    const { tally } = await later.ended;
    expect(tally.last?.values.count).toBe(3);
    expect(tally.inconclusive).toBe(0);
    expect(tally.fail).toBeGreaterThan(heartbeat.tallies.followed?.fail ?? 0);
  });

  it('takes a file that was emptied while nobody looked as a gap', async () => {
    const file = await newLog('gap.log');
    const first = await watchProbe({ ...bad(file), forMs: 1_500 }).ended;
    expect(first.tally).toMatchObject({ inconclusive: 0, fail: 0 });
    await writeFile(file, line('begun anew, and longer than what was there before'));
    const { tally, state } = await watchProbe({
      ...bad(file),
      limits: { inconclusiveLimit: 0 },
      state: first.state,
    }).ended;
    expect(tally.inconclusive).toBe(1);
    expect(state.breach?.measurement.message).toMatch(
      /^not everything was seen from \S+ to \S+: .*gap\.log has been emptied or replaced/,
    );
  });

  it('is inconclusive without the file, and goes on when it is there', async () => {
    const file = join(folder, 'later.log');
    const watching = watchProbe({ ...bad(file), limits: { consecutiveErrorLimit: 0 } });
    await expect.poll(() => watching.tally()?.inconclusive ?? 0, { timeout: 5_000 }).toBeGreaterThan(0);
    await writeFile(file, line('fine'));
    await expect.poll(() => watching.tally()?.pass ?? 0, { timeout: 10_000 }).toBeGreaterThan(0);
    await appendFile(file, line('ERROR'));
    expect((await watching.ended).state.breach?.measurement.outcome).toBe('fail');
  });
});

describe('a followed file', () => {
  it('tells the state as it is, then every line', async () => {
    const file = await newLog('grows.log', line('hit') + line('miss'));
    const following = follow(file);
    await untilCount(following, 1);
    await appendFile(file, line('hit'));
    await untilCount(following, 2);
    // The half of a line counts as soon as it matches, and once.
    await appendFile(file, 'hit without an e');
    await untilCount(following, 3);
    await appendFile(file, `nd\n${line('miss')}`);
    await appendFile(file, line('hit'));
    await untilCount(following, 4);
    await following.stop();
    expect(following.gaps()).toEqual([]);
  });

  it('is read to its end when another takes its place, and then that one', async () => {
    const file = await newLog('rotates.log', line('hit'));
    const following = follow(file);
    await untilCount(following, 1);
    const writer = await open(file, 'a');
    await rename(file, `${file}.1`);
    // The application has not noticed yet.
    await writer.write(line('hit'));
    await untilCount(following, 2);
    await writeFile(file, '');
    await writer.write(line('hit'));
    await writer.write('hit at the very end, without a line feed');
    await appendFile(file, line('hit'));
    await untilCount(following, 5);
    await writer.close();
    await following.stop();
    expect(following.gaps()).toEqual([]);
  });

  it('goes on in the rotated file when it was rotated while nobody looked, twice', async () => {
    const file = await newLog('rotated.log', line('hit'));
    const first = follow(file);
    await untilCount(first, 1);
    await first.stop();
    await appendFile(file, line('hit'));
    await rename(file, `${file}.1`);
    await writeFile(file, line('hit'));
    await rename(`${file}.1`, `${file}.2`);
    await rename(file, `${file}.1`);
    await writeFile(file, line('hit'));
    const second = follow(file, first.cursor());
    await untilCount(second, 4);
    await second.stop();
    expect(second.gaps()).toEqual([]);
  });

  it.each([
    [
      'copied and emptied',
      async (file: string) => {
        await copyFile(file, `${file}.copy`);
        await truncate(file);
        await appendFile(file, line('hit'));
      },
    ],
    [
      'emptied, and is longer again before anybody looks',
      async (file: string) => {
        const { size } = await stat(file);
        const handle = await open(file, 'r+');
        await handle.truncate(0);
        await handle.write(`${'x'.repeat(size)}\n${line('hit')}`, 0);
        await handle.close();
      },
    ],
  ])('says that something may be lost when it is %s', async (_what, change) => {
    const file = await newLog('emptied.log', line('hit'));
    const following = follow(file);
    await untilCount(following, 1);
    await change(file);
    await untilCount(following, 2);
    await following.stop();
    expect(following.gaps()).toEqual([`${file} has been emptied`]);
  });

  it('may be deleted and come back', async () => {
    const file = await newLog('deleted.log', line('hit'));
    const following = follow(file);
    await untilCount(following, 1);
    await rm(file);
    await writeFile(file, line('hit'));
    await untilCount(following, 2);
    await following.stop();
  });

  it('pours: memory stays flat, and every line is counted once, cut at any place', async () => {
    const file = await newLog('pours.log', '');
    const lines = 1_000_000;
    const writer = await open(file, 'a');
    let following = follow(file);
    const before = process.memoryUsage().rss;
    let most = 0;
    for (let from = 0; from < lines; from += 10_000) {
      await writer.write(`${'hit 0123456789 0123456789 0123456789\n'.repeat(10_000)}`);
      most = Math.max(most, process.memoryUsage().rss);
      if (from % 250_000 === 100_000) {
        await following.stop();
        following = follow(file, following.cursor());
      }
    }
    await writer.close();
    await untilCount(following, lines);
    await following.stop();
    const grown = Math.round((most - before) / 1024 / 1024);
    console.log(
      `${Math.round((await stat(file)).size / 1024 / 1024)} MiB poured; memory grew by ${grown} MiB`,
    );
    expect(grown).toBeLessThan(200);
    expect(JSON.stringify(following.cursor()).length).toBeLessThan(1_000);
  });

  it('skips the rest of a line of megabytes, and the next line counts', async () => {
    const file = await newLog('long.log', '');
    const following = follow(file);
    await untilCount(following, 0);
    for (let part = 0; part < 40; part += 1) await appendFile(file, 'x'.repeat(256 * 1024));
    await appendFile(file, ` hit\n${line('hit')}`);
    await untilCount(following, 1);
    await following.stop();
  });

  it('keeps no text of the log in its cursor', async () => {
    const file = await newLog('secret.log', line('hit CANARY'));
    const following = follow(file);
    await untilCount(following, 1);
    await following.stop();
    expect(JSON.stringify(following.told)).toContain('CANARY');
    expect(JSON.stringify(following.cursor())).not.toContain('CANARY');
  });
});
