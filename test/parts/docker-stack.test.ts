/**
 * The dockerStack target with the real docker command line. No swarm runs here: a double of the Engine API stands for
 * its manager, and holds every request against moby's published description.
 */
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readRelease } from '../../src/activities/deploy/fence.js';
import { createDeployActivities } from '../../src/activities/deploy/index.js';
import { createDockerStackTarget } from '../../src/adapters/targets/dockerStack/index.js';
import { schema } from '../../src/adapters/targets/dockerStack/schema.js';
import { checked } from '../../src/adapters/targets/registry.js';
import type { TargetCall } from '../../src/adapters/targets/target.js';
import type { DeployStep, Json } from '../../src/plan/resolved.js';
import { runChild } from '../../src/platform/children.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { describeTarget } from '../support/describe-target.js';
import { dockerIsMissing } from '../support/docker.js';
import { type DockerEngine, startDockerEngine } from '../support/docker-engine.js';
import { deployStep } from '../support/plans.js';
import { subjectOf } from '../support/subject.js';
import { targetCall } from '../support/target-call.js';

const QUICK = { pollMs: 20, leastLooks: 3, longestMs: 4_000 };
const IMAGE = 'registry.example.com/booking';

const stackFile = (failureAction: string, services = ['backend']) =>
  JSON.stringify({
    services: Object.fromEntries(
      services.map((name) => [
        name,
        {
          image: `${IMAGE}:\${HEADGATE_VERSION}`,
          environment: { VERSION: '${HEADGATE_VERSION}', POOL: '${POOL:-20}' },
          deploy: {
            replicas: 3,
            update_config: { parallelism: 2, order: 'start-first', failure_action: failureAction },
          },
        },
      ]),
    ),
  });

async function openStack(failureAction = 'pause', services = ['backend']) {
  const engine = await startDockerEngine();
  const folder = await mkdtemp(join(tmpdir(), 'headgate-stack-'));
  const file = join(folder, 'docker-stack.yml');
  await writeFile(file, stackFile(failureAction, services));
  const env = { DOCKER_HOST: engine.host, DOCKER_CONFIG: join(folder, '.docker') };
  const target = checked(schema, createDockerStackTarget({ runChild, env, convergenceTiming: QUICK }));
  const docker = (...args: string[]) =>
    runChild({ file: 'docker', args, env: { ...env, HEADGATE_VERSION: 'v1.0.0' } });
  await docker('stack', 'deploy', '--compose-file', file, '--detach', 'booking');
  const config: { [key: string]: Json } = {
    file: 'docker-stack.yml',
    stack: 'booking',
    url: 'http://127.0.0.1:4000',
  };
  const at = (change: { [key: string]: Json } = {}, call: Partial<TargetCall<typeof config>> = {}) => {
    const made = targetCall(folder, { ...config, ...change }, { strategy: 'rolling', ...call });
    return { ...target.bind(made), said: made.said, kept: made.kept };
  };
  return {
    ...{ engine, folder, file, target, config, docker, at },
    async close() {
      await engine.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

describe.skipIf(dockerIsMissing())('by the docker command line', () => {
  describeTarget(
    'dockerStack',
    async () => {
      const opened = await openStack();
      const { target, folder, config, engine } = opened;
      return {
        target,
        call: targetCall(folder, config, { strategy: 'rolling' }),
        logs: { current: 'booking_backend listens' },
        async close() {
          expect(engine.faults).toEqual([]);
          await opened.close();
        },
      };
    },
    { opaque: true },
  );

  let world: Awaited<ReturnType<typeof openStack>>;
  let engine: DockerEngine;
  const open = async (failureAction?: string, services?: string[]) => {
    world = await openStack(failureAction, services);
    engine = world.engine;
  };
  beforeEach(() => open());
  afterEach(async () => {
    expect(engine.faults).toEqual([]);
    await world.close();
  });
  const base = async () => (await world.at().status()).live;
  const images = () => engine.services().map(({ image }) => image.split('@')[0]);

  it('says what is live, and how many of it run beside each other for a moment', async () => {
    expect(await world.at().status()).toEqual({
      live: {
        id: expect.stringMatching(/^booking@[0-9a-f]{16}$/),
        version: 'v1.0.0',
        url: world.config.url,
        unscaled: expect.stringMatching(/^booking@[0-9a-f]{16}$/),
      },
      candidate: null,
      scale: { replicas: 3, surge: 2 },
    });
  });

  it('deploys the image by its digest, and follows swarm to its end', async () => {
    await writeFile(world.file, stackFile('pause').replace(/"image":"[^"]*"/, '"image":"${HEADGATE_IMAGE}"'));
    const image = `${IMAGE}:v1.0.1@sha256:${'b'.repeat(64)}`;
    const target = world.at({ env: { POOL: '50' } }, { image });
    await target.promote({ ...(await base()), version: 'v1.0.1' });
    expect(engine.services()).toMatchObject([{ image }]);
    expect((await base()).version).toBe('v1.0.1');
    expect(target.said).toEqual(
      expect.arrayContaining(['docker stack deploy booking (v1.0.1)', 'booking_backend is updating']),
    );
    expect(target.kept).toEqual([{ deployed: 'v1.0.1' }]);
  });

  it.each(['PATH', 'LD_PRELOAD', 'DOCKER_HOST', 'docker_config', 'HOME', 'https_proxy', 'HEADGATE_IMAGE'])(
    'lets no plan say by %s which docker runs, and against what',
    async (name) => {
      const program = join(world.folder, 'docker');
      const ran = join(world.folder, 'ran');
      await writeFile(program, `#!/bin/sh\necho >${ran}\n`, { mode: 0o755 });
      const deploy = async () => {
        const target = world.at({ env: { [name]: world.folder } });
        await target.promote({ ...(await base()), version: 'v1.0.1' });
      };
      await expect(deploy()).rejects.toThrow('expected names of variables of the stack file');
      await expect(stat(ran)).rejects.toThrow('ENOENT');
    },
  );

  it('goes back by the specification of before, and done again it stays there', async () => {
    const before = await base();
    await world.at().promote({ ...before, version: 'v1.0.1' });
    for (const _time of [1, 2, 3]) {
      await world.at().restore(before);
      expect(await base()).toEqual(before);
    }
    const rollbacks = engine.writes.filter((write) => write.endsWith('/update'));
    expect(rollbacks).toHaveLength(2);
  });

  it('swarm itself would come back to what failed: that is why it is not asked a second time', async () => {
    const before = await base();
    await world.at().promote({ ...before, version: 'v1.0.1' });
    await world.docker('service', 'rollback', '--detach', 'booking_backend');
    await world.docker('service', 'rollback', '--detach', 'booking_backend');
    expect(images()).toEqual([`${IMAGE}:v1.0.1`]);
  });

  it('a worker that was killed after the deploy goes on following, and does not deploy again', async () => {
    const before = await base();
    const first = world.at();
    await first.promote({ ...before, version: 'v1.0.1' });
    const writes = engine.writes.length;
    await world.at({}, { recalled: first.kept[0] }).promote({ ...before, version: 'v1.0.1' });
    expect(engine.writes).toHaveLength(writes);
    await world.at().restore(before);
    expect(await base()).toEqual(before);
  });

  it('one that was killed before it could keep that takes back what it had done, and begins anew', async () => {
    const before = await base();
    await world.at().promote({ ...before, version: 'v1.0.1' });
    const again = world.at();
    await again.promote({ ...before, version: 'v1.0.1' });
    expect(again.said[0]).toBe('booking: an earlier attempt was not ended; back to the start of it first');
    expect((await base()).version).toBe('v1.0.1');
    await world.at().restore(before);
    expect(await base()).toEqual(before);
  });

  it('where swarm has forgotten the specification of before, the image goes back, and what else differs is for a person', async () => {
    const before = await base();
    await world.at().promote({ ...before, version: 'v1.0.1' });
    await world.docker('service', 'update', '--detach', '--force', 'booking_backend');
    await expect(world.at().restore(before)).rejects.toMatchObject({
      type: 'Conflict',
      message: expect.stringMatching(/service booking_backend: expected .*v1\.0\.0.*docker stack deploy/),
    });
    expect(images()).toEqual([`${IMAGE}:v1.0.0`]);
  });

  it('where nothing but the image differs it goes back whole, also then', async () => {
    await writeFile(world.file, stackFile('pause').replace('"VERSION":"${HEADGATE_VERSION}",', ''));
    await world.docker('stack', 'deploy', '--compose-file', world.file, '--detach', 'booking');
    const before = await base();
    await world.at().promote({ ...before, version: 'v1.0.1' });
    await world.docker('service', 'update', '--detach', '--force', 'booking_backend');
    await world.at().restore(before);
    expect(await base()).toEqual(before);
  });

  it('what swarm has paused is said, with the error of the task', async () => {
    engine.broken.set(`${IMAGE}:v1.0.1`, 'task: non-zero exit (1)');
    const before = await base();
    await expect(world.at().promote({ ...before, version: 'v1.0.1' })).rejects.toMatchObject({
      type: 'Invalid',
      message: expect.stringMatching(
        /has stopped \(paused\): update paused.*non-zero exit \(1\).*docker service ps/,
      ),
    });
    expect((await world.at().status()).unsettled).toMatch(/booking_backend is paused/);
    await world.at().restore(before);
    expect(await world.at().status()).toMatchObject({ live: before });
  });

  it('what swarm has taken back by itself is no success', async () => {
    await world.close();
    await open('rollback');
    engine.broken.set(`${IMAGE}:v1.0.1`, 'task: non-zero exit (1)');
    const before = await base();
    await expect(world.at().promote({ ...before, version: 'v1.0.1' })).rejects.toMatchObject({
      type: 'Invalid',
      message: expect.stringContaining('swarm has taken the update back by itself'),
    });
    const after = await world.at().status();
    expect([after.live, after.unsettled]).toEqual([before, undefined]);
    await world.at().restore(before);
    expect(await base()).toEqual(before);
  });

  it('what never comes to rest is given up, and an abort ends the following at once', async () => {
    engine.stuck = true;
    const before = await base();
    const abort = new AbortController();
    const following = world.at({}, { signal: abort.signal, tell: () => abort.abort(new Error('enough')) });
    await expect(following.promote({ ...before, version: 'v1.0.1' })).rejects.toThrow('enough');
    await expect(world.at().promote({ ...before, version: 'v1.0.1' })).rejects.toMatchObject({
      type: 'Invalid',
      message: expect.stringContaining('has not come to rest'),
    });
    expect((await world.at().status()).unsettled).toMatch(/is updating/);
  });

  it('starting again changes nothing that a release is known by', async () => {
    const before = await base();
    await world.at().restart(before);
    await world.at().restart(before);
    expect(await base()).toEqual(before);
    expect(engine.services()).toMatchObject([{ starts: 2 }]);
  });

  describe('for what a rollout has deployed', () => {
    const references = new References({
      allowed: [],
      env: {},
      readSecret: async () => '',
      redactor: new Redactor(),
    });
    const stepOf = (): DeployStep => {
      const { target, config } = world;
      const step = deployStep('production', 'rolling');
      return { ...step, config: { ...step.config, target: target.kind, targetConfig: config } };
    };
    const targets = () => new Map([[world.target.kind, world.target]]);
    const context = () => ({ ...subjectOf(world.folder).context, version: 'v1.0.1' });

    it('more copies taint no verdict, and another image does', async () => {
      const { live } = await world.at().status();
      const read = () =>
        readRelease(
          { targets: targets(), references },
          { context: context(), step: stepOf(), made: live },
          new AbortController().signal,
        );
      await world.docker('service', 'scale', '--detach', 'booking_backend=5');
      const { live: scaled } = await world.at().status();
      expect(scaled.id).not.toBe(live.id);
      expect(await read()).toBeUndefined();
      await world.docker('service', 'update', '--detach', '--image', `${IMAGE}:v9`, 'booking_backend');
      expect(await read()).toMatchObject({ found: expect.stringContaining('v9') });
    });

    it('a stack file that is changed after the look is no longer what was approved', async () => {
      const activities = createDeployActivities({
        targets: targets(),
        references,
        resolveImage: async () => ({ why: 'no registry here' }),
      });
      const input = { context: context(), step: stepOf() };
      const run = <T>(act: () => Promise<T>): Promise<T> => new MockActivityEnvironment().run(act);
      const { found: base, digest } = await run(() => activities.lookRelease(input));
      await writeFile(world.file, stackFile('continue'));
      const candidate = { ...base.live, version: 'v1.0.1' };
      await expect(run(() => activities.promoteRelease({ ...input, base, candidate }))).rejects.toMatchObject(
        {
          type: 'Drift',
          message: expect.stringContaining('docker-stack.yml is not what was looked at'),
        },
      );
      expect((await world.at().status()).live).toEqual(base.live);
      expect((await run(() => activities.lookRelease(input))).digest).not.toBe(digest);
    });
  });

  it('of several services the plan says which is the application; a new one is left to a person', async () => {
    await world.close();
    await open('pause', ['backend', 'jobs']);
    await expect(world.at().status()).rejects.toMatchObject({
      type: 'Invalid',
      message: expect.stringContaining('several services: backend, jobs'),
    });
    const service = 'backend';
    const before = (await world.at({ service }).status()).live;
    await writeFile(world.file, stackFile('pause', ['backend', 'jobs', 'mail']));
    await world.at({ service }).promote({ ...before, version: 'v1.0.1' });
    await expect(world.at({ service }).restore(before)).rejects.toMatchObject({
      type: 'Conflict',
      message: expect.stringContaining('docker service rm booking_mail'),
    });
    expect(images()).toEqual([`${IMAGE}:v1.0.0`, `${IMAGE}:v1.0.0`, `${IMAGE}:v1.0.1`]);
  });

  it('keeps one record of a stack, and without one it asks a person', async () => {
    const before = await base();
    await world.at().promote({ ...before, version: 'v1.0.1' });
    await world.at().promote({ ...(await base()), version: 'v1.0.2' });
    expect(engine.configs()).toHaveLength(1);
    await expect(world.at().restore(before)).rejects.toMatchObject({
      type: 'Conflict',
      message: expect.stringContaining('no record'),
    });
  });

  it('a stack file that does not take the version is said', async () => {
    await writeFile(world.file, stackFile('pause').replaceAll('${HEADGATE_VERSION}', 'v7'));
    await expect(world.at().promote({ ...(await base()), version: 'v1.0.1' })).rejects.toMatchObject({
      type: 'Invalid',
      message: expect.stringContaining('HEADGATE_VERSION'),
    });
  });

  it.each([
    [{ stack: 'shop' }, 'no stack "shop"'],
    [{ stack: '--orchestrator' }, 'no name of a stack'],
    [{ service: 'mail' }, 'no service "mail"'],
  ])('%j is said', async (change, why) => {
    await expect(world.at(change).status()).rejects.toMatchObject({
      type: 'Invalid',
      message: expect.stringContaining(why),
    });
  });

  it('a stack file with a fault is said, and nothing is changed', async () => {
    const writes = engine.writes.length;
    await writeFile(world.file, '{"services": {"backend": {"imagee": "x"}}}');
    await expect(world.at().promote({ ...(await base()), version: 'v1.0.1' })).rejects.toMatchObject({
      type: 'Invalid',
      message: expect.stringContaining('Correct the stack file'),
    });
    expect(engine.writes.slice(writes)).toEqual(['POST /configs/create']);
  });
});
