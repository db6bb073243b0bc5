/** `undo` from outside: a run that was terminated in the middle, and one that was promoted and is regretted. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { STORY } from '../support/product.js';
import {
  APPLICATION,
  approveWaiting,
  bringUp,
  QUICK,
  type Story,
  start,
  untilProgress,
} from '../support/story.js';

let story: Story;
let address: string;
let original: World;

interface World {
  secret: string;
  envFile: string;
  example: string;
  tags: string[];
  versions: string[];
  poolLimits: number[];
}

beforeAll(async () => {
  story = await bringUp();
  address = story.sandbox.TEMPORAL_ADDRESS ?? '';
  original = await look();
  await story.startWorker();
});
afterAll(async () => story?.stop());

/** Everything that the story changes and does not keep, asked from outside. */
async function look(): Promise<World> {
  const { sandbox } = story;
  const secrets = new SecretsManagerClient({
    endpoint: sandbox.AWS_ENDPOINT_URL ?? '',
    region: sandbox.AWS_REGION ?? '',
    credentials: {
      accessKeyId: sandbox.AWS_ACCESS_KEY_ID ?? '',
      secretAccessKey: sandbox.AWS_SECRET_ACCESS_KEY ?? '',
    },
  });
  const { SecretString = '' } = await secrets.send(
    new GetSecretValueCommand({ SecretId: 'whatsapp-saas/production/config', VersionStage: 'AWSCURRENT' }),
  );
  secrets.destroy();
  const checkout = sandbox.CHECKOUT ?? '';
  const { stdout } = await promisify(execFile)('git', ['-C', checkout, 'ls-remote', '--tags', 'origin']);
  const base = Number(sandbox.HEADGATE_PORT_BASE);
  const applications = [base + 6, base + 7].map((port) => `http://127.0.0.1:${port}/admin`);
  const ask = async (url: string) => {
    const response = await fetch(url, { headers: { authorization: `Bearer ${sandbox.ADMIN_TOKEN}` } });
    return (await response.json()) as { version: string; pool: { limit: number } };
  };
  return {
    secret: SecretString,
    envFile: await readFile(sandbox.STAGING_ENV_FILE ?? '', 'utf8'),
    example: await readFile(join(checkout, 'Backend/.env.example'), 'utf8'),
    tags: [...stdout.matchAll(/refs\/tags\/(\S+?)(?:\^\{\})?$/gm)].map(([, tag]) => tag ?? ''),
    versions: await Promise.all(applications.map(async (url) => (await ask(`${url}/version`)).version)),
    poolLimits: await Promise.all(
      applications.map(async (url) => (await ask(`${url}/metrics/database`)).pool.limit),
    ),
  };
}

async function untilMonitor(): Promise<void> {
  await untilProgress(address, ({ steps }) =>
    steps.some(({ name, status }) => name === 'production/monitor' && status === 'running'),
  );
}

test('terminated in the middle: start is refused with 5, undo restores all of it, start goes on', async () => {
  const { product } = story;
  await start(product, '--var', 'monitorFor=5m');
  await approveWaiting(product, address);
  await untilMonitor();
  const changed = await look();
  expect(changed, 'positive control').toMatchObject({ versions: ['v1.0.1', 'v1.0.1'], poolLimits: [50, 50] });
  const connection = await Connection.connect({ address });
  await new Client({ connection }).workflow.getHandle(`rollout/${APPLICATION}`).terminate('by mistake');
  await connection.close();

  const refused = await product.run('start', STORY, ...QUICK);
  expect([refused.code, refused.stderr]).toEqual([
    5,
    expect.stringMatching(/headgate undo.*headgate accept/s),
  ]);
  expect(await look()).toEqual(changed);

  const undone = await product.run('undo', APPLICATION, '--by', 'cas', '--watch', '--json');
  expect([undone.code, undone.lines.at(-1)?.status], undone.stderr).toEqual([1, 'rolledBack']);
  expect(await look()).toEqual(original);
  expect((await product.run('undo', APPLICATION)).code).toBe(5);
});

test('promoted and regretted: the version of before is made anew from what is restored', async () => {
  const { product } = story;
  await start(product);
  await approveWaiting(product, address);
  const watched = await product.run('watch', APPLICATION, '--json');
  expect([watched.code, watched.lines.at(-1)?.status], watched.stderr).toEqual([0, 'promoted']);
  expect(await look()).toMatchObject({ versions: ['v1.0.1', 'v1.0.1'], poolLimits: [50, 50] });

  const undone = await product.run('undo', APPLICATION, '--by', 'cas', '--reason', 'not the pool', '--watch');
  expect(undone.code, undone.stdout + undone.stderr).toBe(1);
  expect(await look()).toEqual(original);
  const report = await product.run('report', APPLICATION);
  expect(report.stdout).toContain('taken back by cas: not the pool');
});
