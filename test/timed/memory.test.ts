/** What others send or print without end: a worker's memory does not grow with it, and what matters of it is kept. */
import { createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { gunzipSync } from 'node:zlib';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRunActivities } from '../../src/activities/run/index.js';
import { createWebhookNotifier } from '../../src/adapters/notifiers/webhook/index.js';
import { createProbes } from '../../src/adapters/probes/registry.js';
import type { Json } from '../../src/plan/resolved.js';
import { ArtifactStore } from '../../src/platform/artifacts.js';
import { runChild } from '../../src/platform/children.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { createCloudWatch } from '../../src/tools/aws/cloudwatch.js';
import { createRds } from '../../src/tools/aws/rds.js';
import { type LocalServer, serve } from '../support/http-server.js';
import { MIB, measureHeld } from '../support/memory.js';
import { noHosts } from '../support/no-hosts.js';
import { noticeOf } from '../support/notice.js';
import { waitFor } from '../support/processes.js';
import { subjectOf } from '../support/subject.js';
import { takeSample } from '../support/take-sample.js';
import { InfraWorld } from '../support/terraform.js';

const SENT_MIB = 200;
/** The limits on what is kept, and what is under way. */
const MOST_HELD_MIB = 20;
const LINES = (SENT_MIB * MIB) / 1024;

let folder: string;
let server: LocalServer;
const redactor = new Redactor();
redactor.add('canary-of-the-memory');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-memory-'));
  server = await serve((incoming, response) => {
    const type = incoming.url === '/text' ? 'text/plain' : 'application/json';
    response.writeHead(200, { 'content-type': type });
    pipeline(Readable.from(flood('{"padding": "', SENT_MIB)), response).catch(() => undefined);
  });
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

/** `head`, and then letters. */
function* flood(head: string, mebibytes: number): Generator<Buffer> {
  yield Buffer.from(head);
  const piece = Buffer.alloc(64 * 1024, 'a');
  for (let sent = 0; sent < mebibytes * MIB; sent += piece.length) yield piece;
}

/** Lines of 1 KiB, each with a number and, every thousandth, with `hit`. */
function* numberedLines(): Generator<Buffer> {
  for (let first = 0; first < LINES; first += 64) yield Buffer.from(linesFrom(first));
}

function linesFrom(first: number): string {
  return Array.from({ length: 64 }, (_, index) => {
    const nth = first + index;
    return `${nth} ${nth % 1000 === 0 ? 'hit' : 'no'} `.padEnd(1023, '.');
  })
    .map((line) => `${line}\n`)
    .join('');
}

const HITS = Math.ceil(LINES / 1000);
/** A program that prints the same lines. */
const PRINTER = `
  const out = process.stdout;
  (async () => {
    for (let first = 0; first < ${LINES}; first += 64) {
      const lines = Array.from({ length: 64 }, (_, index) => {
        const nth = first + index;
        return (nth + ' ' + (nth % 1000 === 0 ? 'hit' : 'no') + ' ').padEnd(1023, '.');
      });
      if (!out.write(lines.join('\\n') + '\\n')) await new Promise((resolve) => out.once('drain', resolve));
    }
  })();`;
const ONE_LINE = `
  const out = process.stdout;
  const piece = 'a'.repeat(65536);
  (async () => {
    for (let sent = 0; sent < ${SENT_MIB * MIB}; sent += piece.length) {
      if (!out.write(piece)) await new Promise((resolve) => out.once('drain', resolve));
    }
  })();`;

async function fileOf(name: string, content: Iterable<Buffer>): Promise<string> {
  const path = join(folder, name);
  await pipeline(Readable.from(content), createWriteStream(path));
  return path;
}

function store(): ArtifactStore {
  return new ArtifactStore(join(folder, 'home'), redactor);
}

function references(): References {
  return new References({ allowed: [], env: {}, readSecret: async () => '', redactor });
}

function sample(kind: string, config: { [key: string]: Json }) {
  const probes = createProbes({
    ...noHosts,
    references: references(),
    artifacts: store(),
    runChild,
    commandsEnabled: true,
    now: Date.now,
    secrets: { describe: async () => ({ currentVersionId: '', labels: {} }) },
    rds: createRds(),
    cloudwatch: createCloudWatch(),
  });
  const probe = probes.get(kind);
  if (!probe) throw new Error(`no probe ${kind}`);
  const subject = subjectOf(folder, server.url, new Date(Date.now() - 60_000).toISOString());
  return measureHeld(() => takeSample(probe, config, { subject, timeoutMs: 60_000 }));
}

describe('an answer of 200 MB', () => {
  it.each([
    ['http', '/json'],
    ['http', '/text'],
    ['version', '/json'],
    ['poolMetrics', '/json'],
  ])('to %s at %s', async (kind, path) => {
    const { result, heldMiB } = await sample(kind, { url: `${server.url}${path}` });
    expect(result).toMatchObject(
      kind === 'http'
        ? { kind: 'sample', value: { status: 200 } }
        : { kind: 'inconclusive', message: expect.stringContaining('longer than 1 MiB') },
    );
    expect(heldMiB).toBeLessThan(MOST_HELD_MIB);
  });

  it('to prometheus', async () => {
    const { result, heldMiB } = await sample('prometheus', { url: server.url, query: 'up' });
    expect(result).toMatchObject({ message: expect.stringContaining('longer than 1 MiB') });
    expect(heldMiB).toBeLessThan(MOST_HELD_MIB);
  });

  it('to a webhook', async () => {
    const config = { url: server.url };
    const { heldMiB } = await measureHeld(() =>
      createWebhookNotifier(Date.now).notify(config, noticeOf(), new AbortController().signal),
    );
    expect(heldMiB).toBeLessThan(MOST_HELD_MIB);
  });
});

describe('a log of 200 MB', () => {
  it('in a file: every line is counted', async () => {
    const file = await fileOf('lines.log', numberedLines());
    const { result, heldMiB } = await sample('logs', { pattern: ' hit ', file });
    expect(result).toMatchObject({ kind: 'sample', value: { count: HITS } });
    expect(heldMiB).toBeLessThan(MOST_HELD_MIB);
  });

  it('in a file of one line', async () => {
    const file = await fileOf('line.log', flood('a hit', SENT_MIB));
    const { result, heldMiB } = await sample('logs', { pattern: 'hit', file });
    expect(result).toMatchObject({ kind: 'sample', value: { count: 1 } });
    expect(heldMiB).toBeLessThan(MOST_HELD_MIB);
  });

  it('from a command: every line is counted', async () => {
    const config = { pattern: ' hit ', command: [process.execPath, '-e', PRINTER] };
    const { result, heldMiB } = await sample('logs', config);
    expect(result).toMatchObject({ kind: 'sample', value: { count: HITS } });
    expect(heldMiB).toBeLessThan(MOST_HELD_MIB);
  });
});

describe('a program that prints 200 MB', () => {
  it('as a probe: that is no sample', async () => {
    const { result, heldMiB } = await sample('command', { argv: [process.execPath, '-e', PRINTER] });
    expect(result).toMatchObject({ kind: 'inconclusive' });
    expect(heldMiB).toBeLessThan(MOST_HELD_MIB);
  });

  it.each([
    [
      'in lines: the newest are kept',
      PRINTER,
      new RegExp(`^… older lines.*\\n[^]{900000,}\\n${LINES - 1} no \\.+\\n$`),
    ],
    ['in one line: its beginning is kept', ONE_LINE, /^a{65536}\n$/],
  ])('as a step, %s', async (_, text, pattern) => {
    const { context } = subjectOf(folder);
    const deps = { runChild, runEnabled: true, references: references(), artifacts: store(), redactor };
    const { result, heldMiB } = await measureHeld(() =>
      new MockActivityEnvironment().run(() =>
        createRunActivities(deps).runCommand({
          context,
          step: {
            kind: 'run',
            id: 'migrate',
            stage: 'staging',
            name: 'staging/migrate',
            onRollback: 'revert',
            config: { command: [process.execPath, '-e', text], timeoutMs: 60_000 },
          },
        }),
      ),
    );
    expect(result).toMatchObject({ artifacts: ['run-staging-migrate.log'] });
    const kept = (await store().read(context, 'run-staging-migrate.log')) ?? '';
    expect(kept).toMatch(pattern);
    expect(kept.length).toBeLessThan(1.1 * MIB);
    expect(heldMiB).toBeLessThan(MOST_HELD_MIB);
  });
});

describe('terraform', () => {
  it('whose provisioner prints for ever is stopped when asked, and the newest of its log is kept', async () => {
    const world = await InfraWorld.create('setting');
    try {
      await world.prepare({ vars: { size: 20 } });
      const done = world.file('printed');
      // What terraform makes of it, twice as much, takes it some seconds; then it goes on, slowly.
      const prints = `head -c ${8 * MIB} /dev/zero | tr '\\\\0' a | fold -w 1023; touch ${done}; while sleep 0.05; do echo more; done`;
      await world.replaceInConfiguration('echo end $SIZE >> $LOG', prints);
      const config = { vars: { size: 50 } };
      const { found } = await world.look(config);
      const { heldMiB } = await measureHeld(async () => {
        const applying = world.beginApply(found, config);
        await waitFor(
          async () => (await stat(done).catch(() => undefined)) !== undefined,
          'all to be printed',
          60_000,
        );
        applying.cancel();
        await expect(applying.result).rejects.toThrow();
      });
      const log = (await world.artifacts())['infra-production-infra.ndjson'] ?? '';
      expect(log.length).toBeLessThan(4.1 * MIB);
      for (const line of log.trim().split('\n')) JSON.parse(line);
      expect(log).toContain('older lines are left out');
      expect(heldMiB).toBeLessThan(MOST_HELD_MIB);
    } finally {
      await world.remove();
    }
  });
});

describe('a series of k6', () => {
  it('of 200 MB is packed, its secrets taken out', async () => {
    const entry = JSON.stringify({
      metric: 'http_req_duration',
      data: { tags: { url: 'canary-of-the-memory' } },
    });
    const lines = Array.from({ length: 640 }, () => `${entry}\n`).join('');
    const pieces = Math.ceil((SENT_MIB * MIB) / lines.length);
    const source = await fileOf(
      'series.json',
      Array.from({ length: pieces }, () => Buffer.from(lines)),
    );
    const { context } = subjectOf(folder);
    const { result, heldMiB } = await measureHeld(() =>
      store().adopt(context, 'series.json.gz', source, { gzip: true }),
    );
    const text = gunzipSync(await readFile(result.path)).toString();
    expect(text.split('\n').length - 1).toBe(640 * pieces);
    expect(text).not.toContain('canary');
    expect(heldMiB).toBeLessThan(MOST_HELD_MIB);
  });
});
