/** The command target with real programs, and the deploy activities over it: what they do twice, late and half way. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createDeployActivities } from '../../src/activities/deploy/index.js';
import { createTargets } from '../../src/adapters/targets/registry.js';
import type { DeployFound, Release } from '../../src/contract/activities.js';
import type { DeployStep, Json } from '../../src/plan/resolved.js';
import { runChild } from '../../src/platform/children.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { createKubernetes } from '../../src/tools/kubernetes/client.js';
import { createSsh } from '../../src/tools/ssh/index.js';
import { describeTarget } from '../support/describe-target.js';
import { subjectOf } from '../support/subject.js';
import { targetCall } from '../support/target-call.js';

const PROGRAM = fileURLToPath(new URL('../fixtures/target.mjs', import.meta.url));
const ssh = createSsh({ runChild, env: {} });
const kubernetes = createKubernetes({});
const OLD: Release = { id: 'blue', version: 'v1.0.0', url: 'http://127.0.0.1:1' };

async function openWorld() {
  const folder = await mkdtemp(join(tmpdir(), 'headgate-target-'));
  const state = join(folder, 'state.json');
  await writeFile(state, JSON.stringify({ live: OLD, candidate: null }));
  const program = (verb: string): Json => [process.execPath, PROGRAM, state, verb];
  const verbs = ['status', 'prepare', 'promote', 'restore', 'retire', 'restart'];
  return {
    folder,
    config: Object.fromEntries(verbs.map((verb) => [verb, program(verb)])),
    program,
    set: (next: { live: Release; candidate: Release | null }) => writeFile(state, JSON.stringify(next)),
    read: async (): Promise<{ live: Release; candidate: Release | null }> =>
      JSON.parse(await readFile(state, 'utf8')),
    calls: async (): Promise<{ verb: string; env: Record<string, string> }[]> =>
      (await readFile(`${state}.calls`, 'utf8'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    writeLog: (name: string, content: string) => writeFile(`${state}.${name}`, content),
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

describeTarget('command', async () => {
  const world = await openWorld();
  const target = createTargets({ runChild, env: {}, commandsEnabled: true, kubernetes, ssh }).get('command');
  if (!target) throw new Error('no command target');
  await world.writeLog('blue.log', 'Listening on port 4000\n');
  return {
    target,
    call: targetCall(world.folder, { ...world.config, logs: world.program('logs') }),
    logs: { current: 'Listening on port 4000' },
    hanging: { ...world.config, prepare: world.program('hang') },
    close: world.close,
  };
});

describeTarget(
  'command',
  async () => {
    const world = await openWorld();
    const target = createTargets({ runChild, env: {}, commandsEnabled: true, kubernetes, ssh }).get(
      'command',
    );
    if (!target) throw new Error('no command target');
    const { status, restart } = world.config;
    const opaque = { status, restart, promote: world.program('redeploy') } as { [key: string]: Json };
    return {
      target,
      call: targetCall(world.folder, opaque),
      hanging: { ...opaque, promote: world.program('hang') },
      close: world.close,
    };
  },
  { way: 'without prepare and restore', opaque: true },
);

describe('deploy activities over a command target', () => {
  let world: Awaited<ReturnType<typeof openWorld>>;
  beforeEach(async () => {
    world = await openWorld();
  });
  afterEach(() => world.close());

  const activities = (commandsEnabled = true) =>
    createDeployActivities({
      targets: createTargets({ runChild, env: {}, commandsEnabled, kubernetes, ssh }),
      references: new References({
        allowed: [],
        env: {},
        readSecret: async () => '',
        redactor: new Redactor(),
      }),
      resolveImage: async () => ({ why: 'no registry here' }),
    });
  const step = (change: { [key: string]: Json } = {}): DeployStep => ({
    kind: 'deploy',
    id: 'deploy',
    stage: 'staging',
    name: 'staging/deploy',
    onRollback: 'revert',
    config: {
      target: 'command',
      targetConfig: { ...world.config, ...change },
      strategy: 'blueGreen',
      startsFrom: [],
      beforePromotion: [],
      afterPromotion: [],
      probeTimeoutMs: 1_000,
      probeIntervalMs: 100,
    },
  });
  const input = (change?: { [key: string]: Json }) => ({
    context: subjectOf(world.folder).context,
    step: step(change),
  });
  const base: DeployFound = { live: OLD, candidate: null, staged: true };
  const run = <T>(act: () => Promise<T>): Promise<T> => new MockActivityEnvironment().run(act);

  describe('the old release has been retired', () => {
    const ours: Release = { id: 'green', version: 'v1.0.1', url: 'http://127.0.0.1:1' };

    it('traffic stays where it is; its version is made anew, once, and what was live is stopped', async () => {
      await world.set({ live: ours, candidate: null });
      const restored = await run(() => activities().restoreTraffic({ ...input(), base }));
      expect(restored).toMatchObject({ changed: false, gone: true });
      expect((await world.read()).live).toEqual(ours);
      const made = await run(() => activities().recreateRelease({ ...input(), base }));
      expect(made).toMatchObject({ version: 'v1.0.0', id: 'release-v1.0.0' });
      expect(await world.read()).toEqual({ live: made, candidate: null });
      // The worker died before it could answer.
      expect(await run(() => activities().recreateRelease({ ...input(), base }))).toEqual(made);
      expect((await world.calls()).filter(({ verb }) => verb === 'prepare')).toHaveLength(1);
    });

    it('what somebody else has deployed since stays, and nothing is made in its place', async () => {
      const theirs: Release = { id: 'red', version: 'v1.2.0', url: 'http://127.0.0.1:1' };
      await world.set({ live: theirs, candidate: null });
      const restored = await run(() => activities().restoreTraffic({ ...input(), base }));
      expect(restored).toEqual({
        summary: 'red (v1.2.0) of somebody else is live, and stays',
        changed: false,
      });
      expect((await world.read()).live).toEqual(theirs);
      expect((await world.calls()).map(({ verb }) => verb)).toEqual(['status']);
    });
  });

  it('carries a release from nothing to live, and says what it does', async () => {
    const look = await run(() => activities().lookRelease(input()));
    expect(look.found).toEqual(base);
    expect(look.changes).toEqual(['staging: v1.0.0 (blue) is replaced by v1.0.1']);
    const candidate = await run(() => activities().prepareRelease({ ...input(), base }));
    const live = await run(() => activities().promoteRelease({ ...input(), base, candidate }));
    expect((await world.read()).live).toEqual(live);
    // The worker died before it could answer: the same again changes nothing.
    expect(await run(() => activities().promoteRelease({ ...input(), base, candidate }))).toEqual(live);
    const settled = await run(() => activities().retireRelease({ ...input(), base, release: OLD }));
    expect([settled.changed, (await world.read()).candidate]).toEqual([true, null]);
  });

  it('goes back, stops what failed, and does nothing when nothing was done', async () => {
    const candidate = await run(() => activities().prepareRelease({ ...input(), base }));
    await run(() => activities().promoteRelease({ ...input(), base, candidate }));
    expect(await run(() => activities().restoreTraffic({ ...input(), base }))).toMatchObject({
      changed: true,
    });
    expect(await run(() => activities().retireRelease({ ...input(), base }))).toMatchObject({
      changed: true,
    });
    expect(await world.read()).toEqual({ live: OLD, candidate: null });
    for (const act of ['restoreTraffic', 'retireRelease'] as const) {
      expect(await run(() => activities()[act]({ ...input(), base }))).toMatchObject({ changed: false });
    }
  });

  it('leaves a candidate alone that was there before', async () => {
    const foreign = { id: 'foreign', version: 'v0', url: 'http://127.0.0.1:1' };
    await world.set({ live: OLD, candidate: foreign });
    const before = { ...base, candidate: foreign };
    expect(await run(() => activities().retireRelease({ ...input(), base: before }))).toMatchObject({
      changed: false,
    });
    expect((await world.read()).candidate).toEqual(foreign);
  });

  it('never stops what is live', async () => {
    const stopping = run(() => activities().retireRelease({ ...input(), base, release: OLD }));
    await expect(stopping).rejects.toMatchObject({ type: 'Invalid' });
  });

  it('drifts when somebody else has deployed meanwhile', async () => {
    const candidate = await run(() => activities().prepareRelease({ ...input(), base }));
    await world.set({ live: { id: 'theirs', version: 'v9', url: 'http://127.0.0.1:1' }, candidate });
    for (const act of [
      () => activities().prepareRelease({ ...input(), base }),
      () => activities().promoteRelease({ ...input(), base, candidate }),
    ]) {
      await expect(run<unknown>(act)).rejects.toMatchObject({ type: 'Drift', nonRetryable: true });
    }
  });

  it('an opaque target is promoted and promoted back, by version', async () => {
    const { prepare: _prepare, restore: _restore, ...opaque } = world.config;
    const again = {
      context: input().context,
      step: {
        ...step(),
        config: { ...step().config, targetConfig: { ...opaque, promote: world.program('redeploy') } },
      },
    };
    const look = await run(() => activities().lookRelease(again));
    expect(look.found.staged).toBe(false);
    const candidate = { ...OLD, version: 'v1.0.1' };
    const live = await run(() => activities().promoteRelease({ ...again, base: look.found, candidate }));
    expect(live.version).toBe('v1.0.1');
    expect(await run(() => activities().promoteRelease({ ...again, base: look.found, candidate }))).toEqual(
      live,
    );
    const restored = await run(() => activities().restoreTraffic({ ...again, base: look.found }));
    expect(restored).toMatchObject({ changed: true, release: { version: 'v1.0.0' } });
    expect((await world.read()).live.version).toBe('v1.0.0');
    expect((await world.calls()).findLast(({ verb }) => verb === 'redeploy')?.env).toMatchObject({
      HEADGATE_VERSION: 'v1.0.0',
      HEADGATE_RELEASE: 'blue',
    });
  });

  it('gives the traffic back to what somebody else has deployed in the very moment of the promotion', async () => {
    const candidate = await run(() => activities().prepareRelease({ ...input(), base }));
    const theirs = { id: 'theirs', version: 'v9', url: 'http://127.0.0.1:1' };
    // As after a promotion that met theirs: it is warm, and what was looked at is gone.
    for (const promoted of [false, true]) {
      await world.set(promoted ? { live: candidate, candidate: theirs } : { live: OLD, candidate });
      const promote = world.program(promoted ? 'promote' : 'promoteOverTheirs');
      const late = run(() => activities().promoteRelease({ ...input({ promote }), base, candidate }));
      await expect(late).rejects.toMatchObject({ type: 'Drift', nonRetryable: true });
      expect(await world.read()).toEqual({ live: theirs, candidate });
    }
  });

  it('says what is wrong with a program, and whether repeating helps', async () => {
    const looking = (change: { [key: string]: Json }) => run(() => activities().lookRelease(input(change)));
    await expect(looking({ status: world.program('fail') })).rejects.toThrow(
      /ended with 7: the disk is full/,
    );
    await expect(looking({ status: world.program('fail') })).rejects.not.toMatchObject({
      nonRetryable: true,
    });
    await expect(looking({ status: world.program('garbage') })).rejects.toMatchObject({ type: 'Invalid' });
    await expect(looking({ status: world.program('silent') })).rejects.toThrow(/printed no JSON/);
    await expect(looking({ status: ['/no/such/program'] })).rejects.toMatchObject({ type: 'Invalid' });
  });

  it('is off unless the worker enables it, and nothing was started', async () => {
    await expect(run(() => activities(false).lookRelease(input()))).rejects.toMatchObject({
      type: 'NotPermitted',
    });
    await expect(world.calls()).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('hands on which rollout it works for, and none of the credentials of the worker', async () => {
    process.env.AWS_SECRET_ACCESS_KEY = 'canary-credential';
    try {
      await run(() => activities().lookRelease(input()));
    } finally {
      delete process.env.AWS_SECRET_ACCESS_KEY;
    }
    const [call] = await world.calls();
    expect(call?.env).toMatchObject({
      HEADGATE_ROLLOUT_ID: 'run-1',
      HEADGATE_STAGE: 'staging',
      HEADGATE_VERSION: 'v1.0.1',
      HEADGATE_RELEASE: '',
    });
    expect(JSON.stringify(call)).not.toContain('canary-credential');
  });

  it('refuses a secret as an argument', async () => {
    const looking = run(() => activities().lookRelease(input({ status: ['echo', '${env:TOKEN}'] })));
    await expect(looking).rejects.toMatchObject({ type: 'NotPermitted' });
  });
});
