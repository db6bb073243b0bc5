/** examples/ssh and examples/docker-swarm, carried out step by step where their targets run in a test, and taken back. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import { createConfigActivities } from '../../src/activities/config/index.js';
import { createDeployActivities } from '../../src/activities/deploy/index.js';
import { createDockerStackTarget } from '../../src/adapters/targets/dockerStack/index.js';
import { schema as stackSchema } from '../../src/adapters/targets/dockerStack/schema.js';
import { type CheckedTarget, checked } from '../../src/adapters/targets/registry.js';
import { createSshTarget } from '../../src/adapters/targets/ssh/index.js';
import { schema as sshSchema } from '../../src/adapters/targets/ssh/schema.js';
import type { ConfigStep, DeployStep, ResolvedPlan } from '../../src/plan/resolved.js';
import { runChild } from '../../src/platform/children.js';
import { loadPlan } from '../../src/platform/load-plan.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { dotenvTexts } from '../../src/tools/dotenv/index.js';
import { createSshFiles } from '../../src/tools/dotenv/ssh-files.js';
import { dockerIsMissing } from '../support/docker.js';
import { startDockerEngine } from '../support/docker-engine.js';
import { ensurePm2 } from '../support/pm2.js';
import { waitFor } from '../support/processes.js';
import { startSshHost } from '../support/ssh-host.js';
import { sshdIsMissing } from '../support/sshd.js';

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));

const missing = sshdIsMissing();
const pm2 = missing ? undefined : await ensurePm2();

async function load(file: string, overrides: Record<string, string>): Promise<ResolvedPlan> {
  const { plan, faults } = await loadPlan(`${EXAMPLES}${file}`, overrides);
  if (!plan) throw new Error(JSON.stringify(faults));
  return plan;
}

function stepOf<Kind extends 'config' | 'deploy'>(plan: ResolvedPlan, kind: Kind) {
  const step = plan.stages.flatMap(({ steps }) => steps).find((one) => one.kind === kind);
  if (!step) throw new Error(`no ${kind}`);
  return step as Kind extends 'config' ? ConfigStep : DeployStep;
}

function contextOf({ application, version, directory }: ResolvedPlan) {
  return { application, version, directory, runId: 'run-1', startedBy: 'ana' };
}

const references = new References({
  allowed: [],
  env: {},
  readSecret: async () => '',
  redactor: new Redactor(),
});

function deployWith(target: CheckedTarget) {
  return createDeployActivities({
    targets: new Map([[target.kind, target]]),
    references,
    resolveImage: async (image) => ({ image: `${image}@sha256:${'c'.repeat(64)}` }),
  });
}

const run = <T>(act: () => Promise<T>): Promise<T> => new MockActivityEnvironment().run(act);

describe.skipIf(missing || pm2 === undefined)('examples/ssh', () => {
  it('edits .env, checks out, builds and restarts; undone, the host is what it was', async () => {
    const home = await mkdtemp(join(tmpdir(), 'headgate-pm2-'));
    const host = await startSshHost({ programs: [pm2 ?? ''], environment: { PM2_HOME: home } });
    const onHost = (...argv: string[]) =>
      host.ssh.run({ host: host.sshd.host }, argv, {
        signal: new AbortController().signal,
        timeoutMs: 60_000,
        directory: host.directory,
      });
    try {
      await onHost('env', `PORT=${host.port}`, 'pm2', 'start', 'server.js', '--name', 'whatsapp-saas');
      await waitFor(async () => (await host.answer().catch(() => null)) !== null, 'the application', 30_000);
      const url = `http://127.0.0.1:${host.port}`;
      const plan = await load('ssh/rollout.yaml', {
        directory: host.directory,
        health: `${url}/healthz`,
        url,
      });
      const context = contextOf(plan);
      const config = { context, step: stepOf(plan, 'config') };
      const deploy = { context, step: stepOf(plan, 'deploy') };
      const env = { HEADGATE_SSH_CONFIG: host.sshd.config };
      const files = createConfigActivities({
        openHost: (place, signal) => {
          if (place.kind !== 'ssh') throw new Error('no SSH');
          return createSshFiles({ runChild, env, scratch: join(home, 'scratch') }, place, signal);
        },
        texts: dotenvTexts,
        references,
      });
      const releases = deployWith(checked(sshSchema, createSshTarget({ ssh: host.ssh })));

      const before = await readFile(join(host.directory, '.env'), 'utf8');
      const settings = await run(() => files.lookConfig(config));
      const { found: base, changes } = await run(() => releases.lookRelease(deploy));
      expect(base.pinned).toBe(host.commitOf('v1.0.1'));
      expect(changes).toContain(`staging: v1.0.1 is ${base.pinned}`);
      await run(() => files.writeConfig({ ...config, base: settings.found }));
      const candidate = { ...base.live, version: plan.version };
      await run(() => releases.promoteRelease({ ...deploy, base, candidate }));
      expect(await host.answer()).toMatchObject({ version: 'v1.0.1', limit: 50 });

      await run(() => releases.restoreTraffic({ ...deploy, base }));
      await run(() => files.undoConfig({ ...config, base: settings.found }));
      await run(() => releases.restartRelease({ ...deploy, release: base.live }));
      expect(await readFile(join(host.directory, '.env'), 'utf8')).toBe(before);
      expect(await host.answer()).toMatchObject({ version: 'v1.0.0', limit: 20 });
      expect((await run(() => releases.lookRelease(deploy))).found).toEqual(base);
    } finally {
      await onHost('pm2', 'kill');
      await host.close();
      await rm(home, { recursive: true, force: true });
    }
  }, 120_000);
});

describe.skipIf(dockerIsMissing())('examples/docker-swarm', () => {
  it('deploys the image by the digest that was approved; undone, the stack is what it was', async () => {
    const engine = await startDockerEngine();
    const folder = await mkdtemp(join(tmpdir(), 'headgate-stack-'));
    try {
      const plan = await load('docker-swarm/rollout.yaml', {});
      expect(plan.files.map(({ path }) => path)).toEqual(['docker-stack-production.yml']);
      const env = { DOCKER_HOST: engine.host, DOCKER_CONFIG: folder };
      await writeFile(join(folder, 'config.json'), '{}');
      // Not by a call that waits: the engine answers from this very process.
      const file = join(plan.directory, 'docker-stack-production.yml');
      const first = await runChild({
        file: 'docker',
        args: ['stack', 'deploy', '--compose-file', file, '--detach', 'whatsapp-saas'],
        env: { ...env, HEADGATE_IMAGE: 'your-registry/whatsapp-saas:v1.0.0', DB_CONNECTION_LIMIT: '20' },
      });
      expect(first.exitCode, first.stderr).toBe(0);
      const deploy = { context: contextOf(plan), step: stepOf(plan, 'deploy') };
      const convergenceTiming = { pollMs: 20, leastLooks: 3, longestMs: 10_000 };
      const target = createDockerStackTarget({ runChild, env, convergenceTiming });
      const releases = deployWith(checked(stackSchema, target));
      const { found: base } = await run(() => releases.lookRelease(deploy));
      expect(base).toMatchObject({ live: { version: 'v1.0.0' }, scale: { replicas: 2, surge: 1 } });
      const candidate = { ...base.live, version: plan.version };
      await run(() => releases.promoteRelease({ ...deploy, base, candidate }));
      expect(engine.services()).toMatchObject([{ image: base.image }]);
      await run(() => releases.restoreTraffic({ ...deploy, base }));
      expect((await run(() => releases.lookRelease(deploy))).found).toEqual(base);
      expect(engine.faults).toEqual([]);
    } finally {
      await engine.close();
      await rm(folder, { recursive: true, force: true });
    }
  });
});
