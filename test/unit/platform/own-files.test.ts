import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isWorkersOwn } from '../../../src/platform/own-files.js';

let home: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'headgate-own-'));
  for (const folder of ['.aws', '.headgate/cache/sources/a', '.headgate/sandbox/logs', 'shop']) {
    await mkdir(join(home, folder), { recursive: true });
  }
  await writeFile(join(home, '.aws/credentials'), 'canary');
  await symlink(join(home, '.aws'), join(home, 'shop/harmless'));
  await symlink('/proc/self', join(home, 'shop/self'));
  env = {
    HOME: home,
    HEADGATE_HOME: join(home, '.headgate'),
    KUBECONFIG: `${join(home, 'one.conf')}:${join(home, 'two.conf')}`,
    HEADGATE_ALLOWED_SIGNERS: join(home, 'signers'),
  };
});

afterAll(() => rm(home, { recursive: true, force: true }));

it.each([
  '/proc/self/environ',
  '/proc',
  '/dev/stdin',
  '/run/secrets/kubernetes.io/serviceaccount/token',
  '~/.aws/credentials',
  '~/.ssh/config',
  '~/.ssh/made/later',
  '~/.bashrc',
  '~/.headgate/artifacts/shop/run-1/report.json',
  '~/.headgate/cache/terraform/a/runs/b/values-0.tfvars.json',
  '~/one.conf',
  '~/two.conf',
  '~/signers',
  '~/shop/harmless/credentials',
  '~/shop/self/environ',
  '~/shop/../.aws/credentials',
])('%s is the worker’s own', async (path) => {
  expect(await isWorkersOwn(path.replace('~', home), env)).toBe(true);
});

it.each([
  '~/shop/.env',
  '~/shop/app.log',
  '~/.env',
  '~/.bashrc.d',
  '~/.headgate/sandbox/logs/staging.log',
  '~/.headgate/cache/sources/a/b/load.js',
  '/srv/shop/.env',
  '/var/log/shop.log',
  '/processes/app.log',
])('%s is none of the worker’s own', async (path) => {
  expect(await isWorkersOwn(path.replace('~', home), env)).toBe(false);
});
