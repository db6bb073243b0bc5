/** What is refused is refused before anything is touched, and nothing that is secret leaves its store. */
import { execFile } from 'node:child_process';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Running, STORY } from '../support/product.js';
import {
  APPLICATION,
  approveWaiting,
  bringUp,
  QUICK,
  type Story,
  start,
  untilProgress,
} from '../support/story.js';

const PRODUCTION = 'whatsapp-saas/production/config';
/** A value that is long and unlike anything else, so that finding it anywhere proves a leak. */
const CANARY = `canary-${Math.random().toString(36).slice(2)}-${Math.random().toString(36).slice(2)}`;

let story: Story;
let address: string;
let secrets: SecretsManagerClient;

beforeAll(async () => {
  story = await bringUp();
  address = story.sandbox.TEMPORAL_ADDRESS ?? '';
  secrets = new SecretsManagerClient({
    endpoint: story.sandbox.AWS_ENDPOINT_URL ?? '',
    region: story.sandbox.AWS_REGION ?? 'us-east-1',
    credentials: {
      accessKeyId: story.sandbox.AWS_ACCESS_KEY_ID ?? '',
      secretAccessKey: story.sandbox.AWS_SECRET_ACCESS_KEY ?? '',
    },
  });
});
afterAll(async () => {
  secrets?.destroy();
  await story?.stop();
});

async function readSecret(): Promise<string> {
  const { SecretString } = await secrets.send(
    new GetSecretValueCommand({ SecretId: PRODUCTION, VersionStage: 'AWSCURRENT' }),
  );
  return SecretString ?? '';
}

/** Top-level members of a JSON object as the text has them, byte for byte. */
function rawMembers(json: string): Map<string, string> {
  const keys = Object.keys(JSON.parse(json) as Record<string, unknown>);
  return new Map(
    keys.map((key, index) => {
      const start = json.indexOf(JSON.stringify(key));
      const next = keys[index + 1];
      const end = next === undefined ? json.lastIndexOf('}') : json.indexOf(JSON.stringify(next), start + 1);
      return [key, json.slice(start, end).replace(/[\s,]+$/, '')];
    }),
  );
}

async function mutatingCalls(): Promise<string[]> {
  const folder = join(story.product.home, 'sandbox', 'logs');
  const files = (await readdir(folder)).filter((name) => name.includes('aws-requests'));
  expect(files).not.toEqual([]);
  const lines = (await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8'))))
    .join('\n')
    .split('\n');
  return lines.filter((line) =>
    /PutSecretValue|UpdateSecret|CreateSecret|DeleteSecret|TagResource/.test(line),
  );
}

describe('before anything is touched', () => {
  test('a plan with ten different faults: ten messages, exit code 2, no mutating call', async () => {
    const before = await mutatingCalls();
    expect(before.length, 'positive control: the sandbox itself made its secrets').toBeGreaterThan(0);
    const path = join(story.product.home, 'faulty.yaml');
    await writeFile(path, FAULTY);
    const { code, lines } = await story.product.run('start', path, '--json');
    const faults = lines.filter(({ type, data }) => type === 'error' && 'line' in data);
    expect(code).toBe(2);
    expect(faults.map(({ data }) => `${String(data.line)} ${String(data.path)}`)).toHaveLength(10);
    expect(new Set(faults.map(({ data }) => data.line)).size).toBe(10);
    for (const { data } of faults)
      expect(data).toMatchObject({
        code: expect.any(String),
        expected: expect.any(String),
        fix: expect.any(String),
      });
    expect(await mutatingCalls()).toEqual(before);
  });

  test('an unknown rollout and a wrong flag: 2', async () => {
    expect((await story.product.run('status', 'nobody')).code).toBe(2);
    expect((await story.product.run('start')).code).toBe(2);
  });
});

describe('one rollout, from outside', () => {
  let original: string;
  let worker: Running;

  beforeAll(async () => {
    const values = { ...(JSON.parse(await readSecret()) as Record<string, unknown>), PLANTED_CANARY: CANARY };
    original = JSON.stringify(values, null, 2);
    await secrets.send(new PutSecretValueCommand({ SecretId: PRODUCTION, SecretString: original }));
    worker = await story.startWorker();
    await start(story.product, '--by', 'ana', '--var', 'monitorFor=5m');
  });

  test('a second start of the same application is refused: 5, with who, since when, how to watch', async () => {
    const { code, stderr, stdout } = await story.product.run('start', STORY, ...QUICK);
    expect(code).toBe(5);
    expect(stdout + stderr).toMatch(/ana/);
    expect(stdout + stderr).toMatch(/20\d\d-\d\d-\d\d/);
    expect(stdout + stderr).toMatch(/headgate watch whatsapp-saas/);
  });

  test('--json on every reading command: only objects on stdout, and the last one is the outcome', async () => {
    for (const args of [
      ['list'],
      ['status', APPLICATION],
      ['doctor'],
      ['report', APPLICATION],
      ['sandbox', 'status'],
      ['plan', STORY, '--offline'],
      ['status', 'nobody'],
    ]) {
      const { lines, stderr } = await story.product.run(...args, '--json');
      expect(lines.at(-1)?.type, `${args.join(' ')}: ${stderr}`).toBe('outcome');
      for (const line of lines)
        expect(line).toMatchObject({ v: 1, at: expect.stringMatching(/^20/), data: {} });
    }
  });

  test('a wrong digest: 5, and the gate still waits', async () => {
    const { waiting } = await untilProgress(address, (progress) => progress.waiting?.for === 'approval');
    const { code, stderr } = await story.product.run(
      'approve',
      APPLICATION,
      waiting?.gate ?? '',
      '--digest',
      '00000000',
      '--by',
      'ben',
      '--yes',
    );
    expect([code, stderr]).toEqual([5, expect.stringContaining(waiting?.digest ?? '')]);
  });

  test('aborted in the monitor: rolled back, every key of the secret is byte-equal', async () => {
    await approveWaiting(story.product, address);
    await untilProgress(address, ({ steps }) =>
      steps.some(({ name, status }) => name === 'production/monitor' && status === 'running'),
    );
    expect(await readSecret()).not.toBe(original);
    expect((await story.product.run('abort', APPLICATION, '--by', 'cas')).code).toBe(0);
    const watched = await story.product.run('watch', APPLICATION, '--json');
    expect([watched.code, watched.lines.at(-1)?.status], watched.stderr).toEqual([1, 'rolledBack']);
    expect(await readSecret()).toBe(original);
  });

  test('promoted: every other key of the secret is byte-equal, and the five are set', async () => {
    await start(story.product, '--by', 'ana');
    await approveWaiting(story.product, address);
    const watched = await story.product.run('watch', APPLICATION, '--json');
    expect([watched.code, watched.lines.at(-1)?.status], watched.stderr).toEqual([0, 'promoted']);
    const before = rawMembers(original);
    const after = rawMembers(await readSecret());
    const ours = new Set([
      'DB_CONNECTION_LIMIT',
      'DB_POOL_TIMEOUT',
      'DB_STATEMENT_CACHE_SIZE',
      'DB_QUERY_TIMEOUT',
      'DB_SLOW_QUERY_THRESHOLD',
    ]);
    const others = [...before].filter(([key]) => !ours.has(key));
    expect(others.length).toBeGreaterThanOrEqual(30);
    for (const [key, member] of others) expect(after.get(key), key).toBe(member);
    expect(JSON.parse(await readSecret())).toMatchObject({
      DB_CONNECTION_LIMIT: '50',
      DB_QUERY_TIMEOUT: '10000',
    });
  });

  test('without a worker: report in Markdown and JSON, and status says what is missing', async () => {
    worker.child.kill('SIGTERM');
    expect((await worker.ended).code).toBe(0);
    const markdown = await story.product.run('report', APPLICATION);
    expect([markdown.code, markdown.stdout]).toEqual([0, expect.stringContaining('production/monitor')]);
    const json = await story.product.run('report', APPLICATION, '--format', 'json');
    expect(JSON.parse(json.stdout)).toMatchObject({ outcome: 'promoted' });
  });

  test('without a worker an answer is not taken (4); an abort is kept, and taken up by the next worker', async () => {
    const before = await readSecret();
    await start(story.product);
    const status = await story.product.run('status', APPLICATION);
    expect([status.code, status.stdout]).toEqual([0, expect.stringContaining('no worker answers')]);
    const held = await story.product.run('hold', APPLICATION);
    expect([held.code, held.stderr]).toEqual([4, expect.stringContaining('headgate worker')]);
    const aborted = await story.product.run('abort', APPLICATION, '--by', 'cas');
    expect([aborted.code, aborted.stderr]).toEqual([4, expect.stringContaining('recorded')]);
    worker = await story.startWorker();
    const watched = await story.product.run('watch', APPLICATION, '--json');
    expect([watched.code, watched.lines.at(-1)?.status], watched.stderr).toEqual([1, 'rolledBack']);
    expect(await readSecret()).toBe(before);
  });

  test('no secret left its store: not in the Temporal database, logs, artifacts or process arguments', async () => {
    expect(
      (await secrets.send(new GetSecretValueCommand({ SecretId: PRODUCTION }))).SecretString,
      'the store has it',
    ).toContain(CANARY);
    const { product } = story;
    // Positive control: what a person typed is found in the same places.
    expect(await grep(product.home, 'whatsapp-saas')).not.toEqual([]);
    expect(await grep(product.home, 'ana')).not.toEqual([]);
    const known = [
      CANARY,
      story.sandbox.ADMIN_TOKEN,
      story.sandbox.WEBHOOK_SECRET,
      story.sandbox.AWS_SECRET_ACCESS_KEY,
    ];
    for (const secret of known) {
      if (!secret) throw new Error('the sandbox has no such secret');
      const forms = [
        secret,
        encodeURIComponent(secret),
        Buffer.from(secret).toString('base64').replace(/=+$/, ''),
      ];
      for (const form of forms) {
        const found = (await grep(product.home, form)).filter((file) => !isStore(file));
        expect(found, `${form.slice(0, 8)}… was found`).toEqual([]);
        const shown = (await product.processes()).filter(({ command }) => command.includes(form));
        expect(shown).toEqual([]);
      }
    }
  });

  /** Where the sandbox keeps them by design: the file that a person sources, and its own state. */
  function isStore(file: string): boolean {
    return /sandbox\.env$|state\.json$/.test(file);
  }

  /** Files below a folder that hold the text, binary ones included. */
  async function grep(folder: string, text: string): Promise<string[]> {
    try {
      const { stdout } = await promisify(execFile)('grep', ['-rlaF', '--', text, folder], {
        maxBuffer: 16 * 1024 * 1024,
      });
      return stdout.split('\n').filter(Boolean);
    } catch (error) {
      const { code } = error as { code?: number };
      if (code === 1) return [];
      throw error;
    }
  }
});

const FAULTY = `apiVersion: headgate/v1
application: faulty
version: v1
deadline: soon
unknownKey: 1
probes:
  healthy: { http: { url: "\${release:url}/healthz" }, expect: { path: status } }
  bad: { htp: { url: x }, expect: { path: status, equals: 200 } }
  missing: { http: { url: "\${var:nothing}" }, expect: { path: status, equals: 200 } }
stages:
  - name: staging
    steps:
      - secret: { awsSecretsManager: { id: a/b }, set: {} }
      - check: { probes: [healty] }
      - check: { probes: [missing], timeout: 5 parsecs }
      - loadTest: { script: no-such-file.js, expect: [{ metric: http_req_failed, path: rate, lt: 0.01 }] }
      - deploy: { command: { status: [a], promote: [b] }, strategy: purple }
`;
