/** Each kind of evidence over its real part: what the step would do, and what a colleague does after the approval. */
import { randomUUID } from 'node:crypto';
import { appendFile, chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { systemClock } from '../../src/activities/clock.js';
import { createConfigActivities } from '../../src/activities/config/index.js';
import { createLoadTestActivities } from '../../src/activities/load-test/index.js';
import { createRunActivities } from '../../src/activities/run/index.js';
import { createSampler } from '../../src/activities/sampler.js';
import { createSecretActivities } from '../../src/activities/secret/index.js';
import type { ActivityName, HeadgateActivities } from '../../src/contract/activities.js';
import type { ResolvedStep } from '../../src/plan/resolved.js';
import { ArtifactStore } from '../../src/platform/artifacts.js';
import { runChild } from '../../src/platform/children.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { resolveTool } from '../../src/platform/tool-resolver.js';
import { secretTexts } from '../../src/tools/aws/secret-texts.js';
import { createSecretStore } from '../../src/tools/aws/secrets-manager.js';
import { createLocalFiles } from '../../src/tools/dotenv/files.js';
import { dotenvTexts } from '../../src/tools/dotenv/index.js';
import { createK6, K6_EXIT } from '../../src/tools/k6.js';
import { GitWorld } from './git.js';
import { configStep, loadTestStep, runStep, secretStep } from './plans.js';
import { InfraWorld } from './terraform.js';

export interface OpenKind {
  step: ResolvedStep;
  /** The plan's folder. */
  directory: string;
  real: Partial<HeadgateActivities>;
  /** Somebody else, who is seen by a look and by the effect itself. */
  change: () => Promise<unknown>;
  isApplied: () => Promise<boolean>;
  close: () => Promise<unknown>;
}

export interface DriftKind {
  effect: ActivityName;
  /** What the voided approval says, after a look before the effect and after the effect's own comparison. */
  says: { look: RegExp; effect: RegExp };
  open: () => Promise<OpenKind>;
}

export const redactor = new Redactor();
export const references = new References({ allowed: [], env: {}, readSecret: async () => '', redactor });
export const newFolder = () => mkdtemp(join(tmpdir(), 'headgate-drift-'));
export const removing = (folder: string) => () => rm(folder, { recursive: true, force: true });
const holds = async (file: string, text: string) =>
  (await readFile(file, 'utf8').catch(() => '')).includes(text);

export const config: DriftKind = {
  effect: 'writeConfig',
  says: { look: /\.env#POOL: set to "50"/, effect: /\.env was changed by someone else/ },
  async open() {
    const directory = await newFolder();
    const file = join(directory, '.env');
    await writeFile(file, 'POOL=20\n');
    const step = configStep('production');
    step.config.place = { kind: 'local', file };
    return {
      step,
      directory,
      real: createConfigActivities({ openHost: () => createLocalFiles(), texts: dotenvTexts, references }),
      change: () => appendFile(file, 'THEIRS=1\n'),
      isApplied: () => holds(file, 'POOL=50'),
      close: removing(directory),
    };
  },
};

/** Of moto: after AWSCURRENT was moved once its PutSecretValue would leave it on two versions. */
export const secret: DriftKind = {
  effect: 'putSecret',
  says: { look: /#DB_CONNECTION_LIMIT: set to "50"/, effect: /was changed by someone else: AWSCURRENT/ },
  async open() {
    const client = new SecretsManagerClient({});
    const secrets = createSecretStore();
    const id = `app/${randomUUID()}`;
    await client.send(new CreateSecretCommand({ Name: id, SecretString: '{"DB_CONNECTION_LIMIT":"20"}' }));
    const step = secretStep('production');
    step.config.awsSecretsManager = { id, region: 'us-east-1' };
    const read = async () =>
      (await client.send(new GetSecretValueCommand({ SecretId: id, VersionStage: 'AWSCURRENT' })))
        .SecretString ?? '';
    return {
      step,
      directory: tmpdir(),
      real: createSecretActivities({ secrets, texts: secretTexts, references }),
      async change() {
        const { currentVersionId: from } = await secrets.describe({ id });
        const text = '{"DB_CONNECTION_LIMIT":"20","THEIRS":"1"}';
        const put = await client.send(
          new PutSecretValueCommand({ SecretId: id, VersionStages: ['foreign'], SecretString: text }),
        );
        await secrets.moveCurrent({ id }, { from, to: put.VersionId ?? '' });
      },
      isApplied: async () => (await read()).includes('"50"'),
      close: async () => client.destroy(),
    };
  },
};

function infraOver(change: (world: InfraWorld) => Promise<unknown>, effect: RegExp): DriftKind {
  return {
    effect: 'applyInfra',
    says: { look: /is not what was approved/, effect },
    async open() {
      const world = await InfraWorld.create('setting');
      const applied = await world.look({ vars: { size: 1 } });
      await world.apply(applied.found, { vars: { size: 1 } });
      const { step } = world.input({ vars: { size: 3 } });
      return {
        step: { ...step, onRollback: 'keep' },
        directory: world.folder,
        real: world.activities(),
        change: () => change(world),
        isApplied: () => holds(world.file('log'), 'begin 3'),
        close: () => world.remove(),
      };
    },
  };
}

/** What terraform would change is another thing than it was. */
export const infraPlan = infraOver(async (world) => {
  const theirs = await world.look({ vars: { size: 2 } });
  await world.apply(theirs.found, { vars: { size: 2 } });
}, /what would be applied is not what was approved/);

/** What a provisioner does is in no plan. */
export const infraFiles = infraOver(async (world) => {
  const file = world.file('infra', 'main.tf');
  await writeFile(file, (await readFile(file, 'utf8')).replace('echo begin', 'echo theirs; echo begin'));
}, /files of infra are not what was looked at/);

function gitOver(change: (world: GitWorld) => Promise<unknown>, effect: RegExp): DriftKind {
  return {
    effect: 'pushGit',
    says: { look: /is not what was approved/, effect },
    async open() {
      const world = await GitWorld.create();
      await world.write('src/a', 'ours\n');
      const { step } = world.input();
      return {
        step: { ...step, onRollback: 'keep' },
        directory: world.tree,
        real: world.activities(),
        change: () => change(world),
        isApplied: async () => world.atRemote('refs/tags/v1.0.1') !== '',
        close: () => world.remove(),
      };
    },
  };
}

/** Somebody commits in the same working tree, and pushes. */
export const gitHead = gitOver(async (world) => {
  await world.write('other', 'theirs\n');
  world.git(['commit', '--quiet', '--message', 'theirs', '--', 'other']);
  world.git(['push', '--quiet', 'origin', 'main']);
}, /moved on/);

export const gitFiles = gitOver(
  (world) => world.write('src/a', 'theirs\n'),
  /changed since they were looked at/,
);

export const gitTemplate = gitOver(
  (world) => world.write('release.md', 'Another text\n'),
  /release\.md is not what was looked at/,
);

export const run: DriftKind = {
  effect: 'runCommand',
  says: { look: /is not what was approved: runs/, effect: /\.\/migrate is not what was looked at/ },
  async open() {
    const directory = await newFolder();
    const write = async (text: string) => {
      await writeFile(join(directory, 'migrate'), `#!/bin/sh\necho ${text} >> done\n`);
      await chmod(join(directory, 'migrate'), 0o755);
    };
    await write('ours');
    const artifacts = new ArtifactStore(join(directory, 'home'), redactor);
    return {
      step: { ...runStep('production'), onRollback: 'keep' },
      directory,
      real: createRunActivities({ runChild, runEnabled: true, references, artifacts, redactor }),
      change: () => write('theirs'),
      isApplied: () => holds(join(directory, 'done'), '\n'),
      close: removing(directory),
    };
  },
};

export const loadTest: DriftKind = {
  effect: 'runLoadTest',
  says: { look: /is not what was approved: k6 runs/, effect: /peak\.js is not what was looked at/ },
  async open() {
    const directory = await newFolder();
    const write = (count: number) =>
      writeFile(
        join(directory, 'peak.js'),
        `import http from 'k6/http';\nexport const options = { iterations: ${count} };\nexport default () => { http.get('http://127.0.0.1:1'); };\n`,
      );
    await write(1);
    let isRun = false;
    const artifacts = new ArtifactStore(join(directory, 'home'), redactor);
    const sampler = createSampler({ probes: new Map(), references, redactor, now: Date.now });
    const real = createLoadTestActivities({
      k6: createK6({ findK6: () => resolveTool('k6') }),
      exitMeanings: K6_EXIT,
      artifacts,
      references,
      sampler,
      clock: systemClock,
    });
    const step = loadTestStep('production');
    step.config.expect = [{ metric: 'http_reqs', path: 'count', gte: 1 }];
    return {
      step,
      directory,
      real: {
        ...real,
        async runLoadTest(input) {
          const result = await real.runLoadTest(input);
          isRun = true;
          return result;
        },
      },
      change: () => write(2),
      isApplied: async () => isRun,
      close: removing(directory),
    };
  },
};
