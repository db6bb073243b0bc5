/** Kinds of evidence of what is deployed and restarted, over their real parts: a target of programs, a registry, RDS. */
import { randomUUID } from 'node:crypto';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ModifyDBParameterGroupCommand, RDSClient } from '@aws-sdk/client-rds';
import { systemClock } from '../../src/activities/clock.js';
import { createDeployActivities } from '../../src/activities/deploy/index.js';
import { createRebootActivities } from '../../src/activities/reboot/index.js';
import { createSampler } from '../../src/activities/sampler.js';
import { createTargets, type Targets } from '../../src/adapters/targets/registry.js';
import type { ActivityName, Release } from '../../src/contract/activities.js';
import type { DeployStep } from '../../src/plan/resolved.js';
import { runChild } from '../../src/platform/children.js';
import { createRds } from '../../src/tools/aws/rds.js';
import { createKubernetes } from '../../src/tools/kubernetes/client.js';
import { createImageResolver } from '../../src/tools/registry/index.js';
import { createSsh } from '../../src/tools/ssh/index.js';
import { type DriftKind, newFolder, redactor, references, removing } from './drift-kinds.js';
import { deployStep, rebootStep } from './plans.js';
import type { Registry } from './registry.js';
import { INSTANCE, type LocalRds } from './sandbox-rds.js';

const PROGRAM = fileURLToPath(new URL('../fixtures/target.mjs', import.meta.url));
const OLD: Release = { id: 'blue', version: 'v1.0.0', url: 'http://127.0.0.1:1' };
const THEIRS: Release = { id: 'red', version: 'v1.2.0', url: 'http://127.0.0.1:1' };

type Deployed = { folder: string; file: string; images: (string | undefined)[] };

function deployOver(
  effect: ActivityName,
  change: (deployed: Deployed) => Promise<unknown>,
  says: DriftKind['says'],
  image?: () => {
    name: string;
    resolve: (image: string, signal: AbortSignal) => Promise<{ image: string } | { why: string }>;
  },
): DriftKind {
  return {
    effect,
    says,
    async open() {
      const folder = await newFolder();
      const file = join(folder, 'state.json');
      await writeFile(file, JSON.stringify({ live: OLD, candidate: null }));
      await writeFile(join(folder, 'target.mjs'), await readFile(PROGRAM));
      const deployed: Deployed = { folder, file, images: [] };
      const real = createDeployActivities({
        targets: noting(deployed.images),
        references,
        resolveImage: image?.().resolve ?? (async () => ({ why: 'no registry here' })),
      });
      return {
        step: targetStep(file, image?.().name),
        directory: folder,
        real,
        change: () => change(deployed),
        isApplied: async () => JSON.parse(await readFile(file, 'utf8')).live.version === 'v1.0.1',
        close: removing(folder),
      };
    },
  };
}

function targetStep(file: string, image: string | undefined): DeployStep {
  const step = deployStep('production');
  const verbs = ['status', 'prepare', 'promote', 'restore', 'retire', 'restart'];
  const targetConfig = Object.fromEntries(
    verbs.map((verb) => [verb, [process.execPath, './target.mjs', file, verb]]),
  );
  const none = { startsFrom: [], beforePromotion: [], afterPromotion: [] };
  return { ...step, config: { ...step.config, ...none, targetConfig, ...(image ? { image } : {}) } };
}

/** The real targets, with the image that each call was for. */
function noting(images: (string | undefined)[]): Targets {
  const ssh = createSsh({ runChild, env: {} });
  const targets = createTargets({
    runChild,
    env: {},
    commandsEnabled: true,
    kubernetes: createKubernetes({}),
    ssh,
  });
  return new Map(
    [...targets].map(([kind, target]) => [
      kind,
      {
        kind,
        bind(call) {
          images.push(call.image);
          return target.bind(call);
        },
      },
    ]),
  );
}

const deployTheirs = ({ file }: Deployed) =>
  writeFile(file, JSON.stringify({ live: THEIRS, candidate: null }));
const movedOn = {
  look: /v1\.2\.0 \(red\) is replaced by v1\.0\.1/,
  effect: /Somebody else deployed meanwhile/,
};

export const liveRelease = deployOver('prepareRelease', deployTheirs, movedOn);

export const deployProgram = deployOver(
  'prepareRelease',
  ({ folder }) => appendFile(join(folder, 'target.mjs'), '// theirs\n'),
  { look: /is not what was approved/, effect: /target\.mjs is not what was looked at/ },
);

/** By its digest: a tag that is moved after the look before the effect changes nothing any more. */
export function imageOf(registry: Registry, configFolder: string): DriftKind {
  const name = `${registry.host}/team/shop:v1.0.1`;
  const { resolve } = createImageResolver({ runChild, env: { DOCKER_CONFIG: configFolder } });
  return deployOver(
    'prepareRelease',
    () => registry.push('team/shop', 'v1.0.1', randomUUID()),
    { look: /the image is .*@sha256:/, effect: /never/ },
    () => ({ name, resolve }),
  );
}

/** Another value each time, so that something waits for the reboot and something is changed. */
let workers = 9;

/** A static parameter that no probe of the plan announces. */
export function rebootOf(world: LocalRds): DriftKind {
  return {
    effect: 'rebootInstance',
    says: { look: /is not what was approved: restarts/, effect: /another value of max_worker_processes/ },
    async open() {
      const api = new RDSClient({ endpoint: world.endpoint, region: 'us-east-1' });
      const configure = (name: string, value: string) =>
        api.send(
          new ModifyDBParameterGroupCommand({
            DBParameterGroupName: INSTANCE,
            Parameters: [{ ParameterName: name, ParameterValue: value, ApplyMethod: 'pending-reboot' }],
          }),
        );
      const reboots = async () =>
        (await world.actions()).filter((action) => action === 'RebootDBInstance').length;
      await configure('max_connections', String(100 + workers));
      const before = await reboots();
      const sampler = createSampler({ probes: new Map(), references, redactor, now: Date.now });
      const step = rebootStep('production');
      Object.assign(step.config, { rdsInstance: INSTANCE, region: 'us-east-1', verify: [] });
      return {
        step,
        directory: tmpdir(),
        real: createRebootActivities({
          rds: createRds({ endpoint: world.endpoint }),
          sampler,
          clock: systemClock,
        }),
        change() {
          workers += 1;
          return configure('max_worker_processes', String(workers));
        },
        isApplied: async () => (await reboots()) > before,
        close: async () => api.destroy(),
      };
    },
  };
}
