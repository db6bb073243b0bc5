/** What keeps a step from being taken back: somebody else, or what is away. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  DescribeSecretCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { expect } from 'vitest';
import type { RolloutState } from '../../src/client.js';
import type { ActivityName } from '../../src/contract/activities.js';
import type { World } from './crash-kind.js';
import { config } from './crash-kind-config.js';
import { openTarget, type TargetSeen } from './crash-kind-deploy.js';
import { git } from './crash-kind-git.js';
import { secret } from './crash-kind-secret.js';
import type { Place } from './crash-place.js';
import { startPostgres } from './postgres.js';
import { waitFor } from './processes.js';
import { RemoteState } from './state-lock.js';
import type { Wound } from './stuck.js';
import { startTcpProxy, type TcpProxy } from './tcp-proxy.js';

const SQL_PROGRAM = fileURLToPath(new URL('./sql-program.mjs', import.meta.url));
const MIDDLE_MS = 90_000;

type WorldOf<S> = S extends { open(...input: never[]): Promise<infer W> } ? W : never;

const hasAws = (process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, 'aws')));

/** Somebody gives our key a value of his own. */
export const changedSecret: Wound<WorldOf<typeof secret> & { gone: () => void; aws: string }> = {
  name: 'a secret whose key somebody else has changed',
  ...(hasAws ? {} : { missing: 'aws, the command line of AWS, is not on PATH' }),
  async open(place, parts) {
    const world = await secret.open(place, parts);
    return {
      ...world,
      aws: parts.aws,
      gone: () => {},
      // A colleague's version is one more than this subject itself expects.
      expectRestored(before, after) {
        expect(after.other).toEqual(before.other);
        const { text, current } = before.config;
        expect(after.config).toMatchObject({ text, current });
      },
    };
  },
  async hurt({ world: { aws, proxy }, place }) {
    const client = new SecretsManagerClient({
      endpoint: aws,
      region: 'us-east-1',
      credentials: { accessKeyId: 'testing', secretAccessKey: 'testing' },
    });
    const SecretString = '{"DB_CONNECTION_LIMIT": "99", "OF": "a colleague"}';
    await putForeign(client, `${place.name}/config`, SecretString);
    client.destroy();
    proxy.rules.push({ match: () => true, times: 1, fault: 'cut before forwarding' });
  },
  async inTheMiddle({ world: { proxy } }) {
    const isCut = () => proxy.calls.some(({ fault }) => fault !== undefined);
    await waitFor(isCut, 'a call of the undo', MIDDLE_MS);
  },
  left: {
    item: /^secret .*\/config$/,
    found: /^other values in DB_CONNECTION_LIMIT, set by someone else$/,
    expected: /^version [0-9a-f-]{36}$/,
    command: /^aws secretsmanager update-secret-version-stage .* # drops what others have changed since$/,
  },
};

/** In two calls: the emulator's PutSecretValue may leave AWSCURRENT on two versions. */
async function putForeign(client: SecretsManagerClient, SecretId: string, text: string): Promise<void> {
  const { VersionIdsToStages: stages = {} } = await client.send(new DescribeSecretCommand({ SecretId }));
  const RemoveFromVersionId = Object.keys(stages).find((version) => stages[version]?.includes('AWSCURRENT'));
  const put = { SecretId, SecretString: text, VersionStages: ['foreign'] };
  const { VersionId: MoveToVersionId } = await client.send(new PutSecretValueCommand(put));
  const move = { SecretId, VersionStage: 'AWSCURRENT', RemoveFromVersionId, MoveToVersionId };
  await client.send(new UpdateSecretVersionStageCommand(move));
}

export const removedFile: Wound<WorldOf<typeof config>> = {
  name: 'a dotenv file that somebody has removed',
  open: (place, parts) => config.open(place, parts),
  hurt: ({ place }) => rm(join(place.folder, '.env')),
  left: {
    item: /^file .*\.env$/,
    found: /^deleted by someone else$/,
    expected: /^[0-9a-f]{12}$/,
    command: /^cp -- .*\.bak .*\.env && chmod 0640 .*\.env # drops/,
  },
};

interface RemoteSeen {
  size: unknown;
  lock: string | undefined;
}

export const lockedState: Wound<World<RemoteSeen> & { remote: RemoteState }> = {
  name: 'a terraform state that somebody else has locked',
  async open({ folder }, { aws }) {
    const remote = await RemoteState.create(aws);
    remote.reset();
    const { backendConfig } = remote;
    await mkdir(join(folder, 'plan', 'infra'), { recursive: true });
    await writeFile(join(folder, 'plan', 'infra', 'main.tf'), REMOTE);
    const terraform = await applyBefore(folder, backendConfig, aws);
    return {
      remote,
      steps: [
        { infra: { terraform: 'infra', backendConfig, vars: { size: 50 }, undo: { vars: { size: 20 } } } },
      ],
      read: async () => ({
        size: JSON.parse(await terraform('output', '-json', 'size')),
        lock: (await remote.lock())?.Who,
      }),
      expectPromoted: () => {},
      expectRestored: (before, after) => expect(after).toEqual(before),
    };
  },
  hurt: ({ world }) => world.remote.take({ Who: 'bob@laptop' }),
  async inTheMiddle({ describe }) {
    const isWaiting = async () =>
      (await describe()).pending.some(({ heartbeat }) =>
        JSON.stringify(heartbeat ?? '').includes('waiting for the state lock: bob@laptop'),
      );
    await waitFor(isWaiting, 'an undo that waits for the lock', MIDDLE_MS, 200);
  },
  left: {
    item: /^state of terraform infra$/,
    found: /^locked by bob@laptop \(apply\) since 20\S+, lock 11111111-2222-3333-4444-555555555555$/,
    expected: /^unlocked/,
    command: /^terraform -chdir=infra init -reconfigure .* && terraform -chdir=infra force-unlock 1{8}-/,
  },
};

const REMOTE = `terraform {
  backend "s3" {}
}
variable "size" { type = number }
resource "terraform_data" "setting" { input = var.size }
output "size" { value = terraform_data.setting.output }
`;

/** As somebody has left it: in a folder of its own, so that the plan's has never seen a terraform. */
async function applyBefore(folder: string, backend: Record<string, string>, aws: string) {
  const own = join(folder, 'before');
  await cp(join(folder, 'plan', 'infra'), own, { recursive: true });
  const env = {
    ...process.env,
    AWS_ENDPOINT_URL: aws,
    AWS_ACCESS_KEY_ID: 'testing',
    AWS_SECRET_ACCESS_KEY: 'testing',
  };
  const terraform = process.env.HEADGATE_TOOL_TERRAFORM || 'terraform';
  const call = async (...args: string[]) =>
    (await promisify(execFile)(terraform, args, { cwd: own, env })).stdout;
  const settings = Object.entries(backend).map(([key, value]) => `-backend-config=${key}=${value}`);
  await call('init', '-input=false', ...settings);
  await call('apply', '-auto-approve', '-input=false', '-var=size=20');
  return call;
}

/** What is made anew bears another name. */
const sameVersion = (before: TargetSeen, after: TargetSeen) => {
  expect(after.live.version).toBe(before.live.version);
  expect(after.candidate).toBeNull();
};

export const goneRelease: Wound<World<TargetSeen>> = {
  name: 'an old release that is gone and cannot be made anew',
  open: async (place) => ({
    ...(await openTarget(place)),
    expectPromoted: () => {},
    expectRestored: sameVersion,
  }),
  async hurt({ place }) {
    const file = join(place.folder, 'target.json');
    const target = JSON.parse(await readFile(file, 'utf8'));
    await writeFile(file, JSON.stringify({ ...target, candidate: null }));
    await writeFile(join(place.folder, 'broken prepare'), '');
  },
  inTheMiddle: ({ describe }) => untilTriedAgain(describe, 'recreateRelease'),
  left: {
    item: /^production\/deploy$/,
    found: /there is no image of v1\.0\.0/,
    expected: /traffic back on blue \(v1\.0\.0\)/,
    command: /^HEADGATE_ROLLOUT_ID=\S+ HEADGATE_STAGE=production HEADGATE_VERSION=v1\.0\.0 .* prepare$/,
  },
  lift: ({ place }) => rm(join(place.folder, 'broken prepare')),
};

export const refusedPush: Wound<WorldOf<typeof git>> = {
  name: 'a remote that refuses the revert',
  async open(place, parts) {
    const world = await git.open(place, parts);
    return { ...world, expectRestored: (before, after) => expect(after.tree).toBe(before.tree) };
  },
  hurt: ({ place }) => writeHook(place, 'echo "main is frozen" >&2; exit 1'),
  left: {
    item: /^commit [0-9a-f]{8} at origin\/main$/,
    found: /the commit that takes it back is refused: .*main is frozen/,
    expected: /a push that is taken/,
    command: /^git -C .* switch main && .* revert --no-edit [0-9a-f]{40} && .* push origin main$/,
  },
  lift: ({ place }) => writeHook(place, 'exit 0'),
};

async function writeHook({ folder }: Place, line: string): Promise<void> {
  const hook = join(folder, 'remote.git', 'hooks', 'pre-receive');
  await writeFile(hook, `#!/bin/sh\n${line}\n`);
  await chmod(hook, 0o755);
}

export const awayDatabase: Wound<World<{ value: unknown }> & { proxy: TcpProxy }> = {
  name: 'a database that is away when a migration is taken back',
  async open() {
    const database = await startPostgres();
    const proxy = await startTcpProxy(database.port);
    await database.query("create table settings as select '20' as value");
    const url = `postgresql://postgres:${database.password}@127.0.0.1:${proxy.port}/postgres`;
    const call = (...words: string[]) => [process.execPath, SQL_PROGRAM, url, ...words];
    const run = { command: call('set', '50'), undo: call('set', '20'), verify: call('is', '50') };
    return {
      proxy,
      steps: [{ run }],
      async read() {
        const [row] = await database.query('select value from settings');
        return { value: row?.value };
      },
      expectPromoted: () => {},
      expectRestored: (before, after) => expect(after).toEqual(before),
      async close() {
        await proxy.close();
        await database.stop();
      },
    };
  },
  hurt: async ({ world: { proxy } }) => {
    await proxy.setFault('refuse');
    proxy.cutAll();
  },
  inTheMiddle: ({ describe }) => untilTriedAgain(describe, 'undoCommand'),
  left: {
    item: /^production\/run$/,
    found: /^not known, for it could not be undone: production\/run: .*ECONNREFUSED/s,
    expected: /^production\/run: .* set 20$/,
    command: /sql-program\.mjs .* set 20$/,
  },
  lift: ({ world: { proxy } }) => proxy.setFault(undefined),
};

/** What is repeated is in the middle of its undo. */
async function untilTriedAgain(describe: () => Promise<RolloutState>, activity: ActivityName): Promise<void> {
  const isTried = async () =>
    (await describe()).pending.some(({ name, attempt }) => name === activity && attempt > 1);
  await waitFor(isTried, `another attempt of ${activity}`, MIDDLE_MS, 200);
}
