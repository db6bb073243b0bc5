/**
 * What still hurts users of Argo Rollouts, Flagger and Kargo, one named test for each wound: on a real Temporal server,
 * with the real sampler, gates, monitor, config and run activities where the promise is kept there. The table is in
 * docs/peers.md.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApplicationFailure } from '@temporalio/common';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createConfigActivities } from '../../src/activities/config/index.js';
import { createRunActivities } from '../../src/activities/run/index.js';
import { createPoolMetricsProbe } from '../../src/adapters/probes/poolMetrics/index.js';
import { schema as poolMetricsSchema } from '../../src/adapters/probes/poolMetrics/schema.js';
import type { Sample } from '../../src/adapters/probes/probe.js';
import { checked } from '../../src/adapters/probes/registry.js';
import { Headgate, type RolloutName, type RolloutState } from '../../src/client.js';
import type { HeadgateActivities, Release } from '../../src/contract/activities.js';
import { FAILURES, lockWorkflowId, rolloutWorkflowId, TASK_QUEUE } from '../../src/contract/messages.js';
import type { MeasurementOutcome, Progress } from '../../src/contract/progress.js';
import type { CheckStep, ConfigStep, DeployStep, ResolvedPlan, RunStep } from '../../src/plan/resolved.js';
import { ArtifactStore } from '../../src/platform/artifacts.js';
import { runChild } from '../../src/platform/children.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { createLocalFiles } from '../../src/tools/dotenv/files.js';
import { dotenvTexts } from '../../src/tools/dotenv/index.js';
import { ERROR, FAIL } from '../support/fake-sampler.js';
import { createFakeWorld, type FakeWorld, seen } from '../support/fake-world.js';
import { serve } from '../support/http-server.js';
import {
  approvalStep,
  checkStep,
  deployStep,
  planOf,
  runStep,
  secretStep,
  storyPlan,
} from '../support/plans.js';
import { createScriptedProbes, scriptedMonitor, scriptedProbe } from '../support/scripted-probes.js';
import { startTemporal, startWorkers } from '../support/temporal.js';

let env: TestWorkflowEnvironment;
let headgate: Headgate;
let world: FakeWorld;
let folder: string;
let workers: { stop: () => Promise<void> } | undefined;
const before = { ...process.env };

beforeAll(async () => {
  env = await startTemporal();
  process.env.TEMPORAL_ADDRESS = env.address;
  headgate = await Headgate.connect();
});
beforeEach(async () => {
  world = createFakeWorld();
  folder = await mkdtemp(join(tmpdir(), 'headgate-peers-'));
});
afterEach(async () => {
  for (const { application, runId } of begun.splice(0)) {
    const handle = env.client.workflow.getHandle(rolloutWorkflowId(application), runId);
    await handle.terminate('end of the test').catch(() => undefined);
  }
  await workers?.stop();
  workers = undefined;
  await rm(folder, { recursive: true, force: true });
});
afterAll(async () => {
  process.env = before;
  await headgate?.close();
  await env?.teardown();
});

const begun: RolloutName[] = [];
const someApplication = () => `app-${randomUUID().slice(0, 8)}`;
const nameOf = ({ application, runId }: RolloutName) => `${application}/${runId}`;

/** `real` takes the place of what the world in memory does. */
async function work(real: Partial<HeadgateActivities> = {}, queues?: string[]): Promise<void> {
  workers = await startWorkers(env, { ...world.activities, ...real }, queues);
}

async function start(plan: ResolvedPlan): Promise<RolloutName> {
  const name = await headgate.start(plan, 'ana');
  begun.push(name);
  return name;
}

async function until(rollout: RolloutName, isTrue: (state: RolloutState) => boolean): Promise<Progress> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const state = await headgate.describe(nameOf(rollout));
    if (isTrue(state) && state.progress) return state.progress;
    if (Date.now() > deadline) throw new Error(`not in time: ${JSON.stringify(state, null, 1)}`);
  }
}

const closed = (rollout: RolloutName) => until(rollout, ({ temporalStatus }) => temporalStatus !== 'RUNNING');
const waitingFor = (rollout: RolloutName, what: string) =>
  until(rollout, ({ progress }) => progress?.waiting?.for === what);

async function approve(rollout: RolloutName): Promise<void> {
  const { waiting } = await waitingFor(rollout, 'approval');
  const { gate = '', digest = '' } = waiting ?? {};
  await headgate.send(nameOf(rollout), 'approve', { gate, digest, by: 'ben' });
}

const abort = (rollout: RolloutName) => headgate.send(nameOf(rollout), 'abort', { by: 'cas' });

const stepOf = ({ steps }: Progress, name: string) => steps.find((step) => step.name === name);

/** The `nth` fact about a probe, without sleeping for luck. */
async function sampled(probes: { taken(probe: string): number }, probe: string, more: number): Promise<void> {
  const goal = probes.taken(probe) + more;
  const deadline = Date.now() + 20_000;
  while (probes.taken(probe) < goal) {
    if (Date.now() > deadline)
      throw new Error(`${probe} was sampled ${probes.taken(probe)} times of ${goal}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function held(): { until: Promise<void>; release: () => void } {
  let release = () => {};
  const until = new Promise<void>((resolve) => {
    release = resolve;
  });
  return { until, release };
}

const SAMPLES: Record<MeasurementOutcome, Sample | undefined> = {
  pass: undefined,
  fail: FAIL,
  error: ERROR,
  inconclusive: { kind: 'inconclusive', message: 'no data' },
};

describe('argo-rollouts', () => {
  // A metric that is slightly flaky rolled back good releases: only the sum of all failures could be limited, not a row
  // of them. argoproj/argo-rollouts#4792
  const watchedPlan = () =>
    planOf(someApplication(), [
      {
        name: 'production',
        steps: [
          secretStep('production'),
          deployStep('production'),
          scriptedMonitor('production', 1_500, { consecutiveFailureLimit: 1 }),
        ],
      },
    ]);
  const answering = (failing: number[]) =>
    createScriptedProbes({
      answer: (probe, nth) => (probe === 'watched' && failing.includes(nth) ? FAIL : undefined),
    });

  test('argo-rollouts#4792: one failed measurement does not roll back when the plan tolerates it, however often it comes', async () => {
    const { monitor, taken } = answering([2, 4, 6]);
    await work(monitor);
    const progress = await closed(await start(watchedPlan()));
    expect(progress.outcome).toBe('promoted');
    expect(taken('watched')).toBeGreaterThanOrEqual(6);
  });

  test('argo-rollouts#4792: what is no blip rolls back: one more in a row than is tolerated', async () => {
    const { monitor } = answering([2, 4, 5]);
    await work(monitor);
    const progress = await closed(await start(watchedPlan()));
    expect(progress).toMatchObject({
      outcome: 'rolledBack',
      stop: {
        kind: 'gate',
        message: expect.stringContaining('consecutiveFailureLimit 1 (2 failures in a row)'),
      },
    });
    expect(world.live.get('production')?.id).toBe('production-old');
  });

  // An analysis whose measurements were all `Error` or `Failed`, none above its own limit, was `Successful`, and the
  // release was promoted. argoproj/argo-rollouts#4479
  test.each<[string, MeasurementOutcome[], number, string]>([
    [
      'errors and failures mixed',
      ['error', 'error', 'fail', 'error', 'fail', 'error'],
      0.5,
      'not enough evidence',
    ],
    ['tolerated failures alone', ['fail'], 0.1, 'watched has not passed once'],
    ['no data at all', ['inconclusive'], 0.5, 'watched has 0 of'],
  ])(
    'argo-rollouts#4479: measurements that never pass promote nothing (%s)',
    async (_, row, minimumCoverage, why) => {
      const { monitor } = createScriptedProbes({
        answer: (_probe, nth) => SAMPLES[row[(nth - 1) % row.length] ?? 'error'],
      });
      await work(monitor);
      const limits = { failureLimit: 1_000, inconclusiveLimit: 1_000 };
      const config = { minimumCoverage, onInconclusive: 'rollback' as const };
      const rollout = await start(
        planOf(someApplication(), [
          {
            name: 'production',
            steps: [deployStep('production'), scriptedMonitor('production', 1_000, limits, config)],
          },
        ]),
      );
      const progress = await closed(rollout);
      expect(progress).toMatchObject({
        outcome: 'rolledBack',
        stop: { kind: 'gate', message: expect.stringContaining(why) },
      });
      expect(world.live.get('production')?.id).toBe('production-old');
    },
  );

  // Abort of a paused rollout never came to an end: the pause kept the controller from undoing anything.
  // argoproj/argo-rollouts#3756
  test.each<[string, (rollout: RolloutName) => Promise<unknown>]>([
    [
      'held while a step runs',
      async (rollout) => {
        await seen(world, 'runLoadTest');
        await headgate.send(nameOf(rollout), 'hold', { by: 'ana' });
      },
    ],
    [
      'held before the next step',
      async (rollout) => {
        await seen(world, 'runLoadTest');
        await headgate.send(nameOf(rollout), 'hold', { by: 'ana' });
        loadTest.release();
        await waitingFor(rollout, 'hold');
      },
    ],
    [
      'waiting for its approval',
      async (rollout) => {
        loadTest.release();
        await waitingFor(rollout, 'approval');
      },
    ],
    [
      'held while it waits for its approval',
      async (rollout) => {
        loadTest.release();
        await waitingFor(rollout, 'approval');
        await headgate.send(nameOf(rollout), 'hold', { by: 'ana' });
      },
    ],
  ])(
    'argo-rollouts#3756: an abort is answered at once and rolls back although it is %s',
    async (_, reach) => {
      loadTest = held();
      const wayBack = held();
      world.blocked.runLoadTest = loadTest.until;
      world.blocked.restoreTraffic = wayBack.until;
      await work();
      const rollout = await start(storyPlan(someApplication()));
      await reach(rollout);
      // Answered before anything is undone: the first undo is still blocked.
      await abort(rollout);
      const back = await until(rollout, ({ progress }) => progress?.phase === 'rollingBack');
      expect(back).toMatchObject({ stop: { kind: 'abort', by: 'cas' } });
      expect(back.held).toBeUndefined();
      await seen(world, 'restoreTraffic');
      wayBack.release();
      expect(await closed(rollout)).toMatchObject({ outcome: 'rolledBack' });
      expect(world.secrets.get('app/staging')).toBe('app/staging-base');
      expect(world.live.get('staging')?.id).toBe('staging-old');
    },
  );
  let loadTest = held();

  // Pods that never came up left the rollout "Progressing" for ever: neither the progress deadline nor an abort ended it,
  // and no other rollout could begin. argoproj/argo-rollouts#4128
  describe('argo-rollouts#4128: what never comes ends at the plan’s deadline, which it says', () => {
    const deadlineMs = 5_000;
    const stuckPlan = (check: CheckStep = checkStep('production')) =>
      planOf(
        someApplication(),
        [{ name: 'production', steps: [secretStep('production'), check, deployStep('production')] }],
        { deadlineMs, notify: [{ kind: 'webhook', config: {}, when: ['rollback'] }] },
      );
    const patientCheck = (): CheckStep => {
      const step = checkStep('production');
      return {
        ...step,
        config: { probes: [scriptedProbe('never')], timeoutMs: 3_600_000, intervalMs: 100 },
      };
    };
    async function endsAtDeadline(plan: ResolvedPlan): Promise<Progress> {
      const rollout = await start(plan);
      const progress = await closed(rollout);
      expect(progress).toMatchObject({
        outcome: 'rolledBack',
        stop: { kind: 'deadline', message: 'the deadline of 5 s has passed' },
      });
      expect(world.notices.join()).toContain('rollback: deadline: the deadline of 5 s has passed');
      expect(world.secrets.get('app/production')).toBe('app/production-base');
      await expect(start(planOf(plan.application, []))).resolves.toBeDefined();
      return progress;
    }

    test('argo-rollouts#4128: a release that never comes up', async () => {
      world.blocked.prepareRelease = new Promise(() => {});
      await work();
      const progress = await endsAtDeadline(stuckPlan());
      expect(progress.stop?.step).toBe('production/deploy');
    });

    test('argo-rollouts#4128: a probe that never answers', async () => {
      const { gates, taken } = createScriptedProbes({ answer: () => new Promise(() => {}) });
      await work(gates);
      const progress = await endsAtDeadline(stuckPlan(patientCheck()));
      expect(progress.stop?.step).toBe('production/check');
      expect(taken('never')).toBeGreaterThan(0);
    });

    test('argo-rollouts#4128: no worker that measures', async () => {
      await work({}, [TASK_QUEUE]);
      const plan = stuckPlan();
      const deploy = plan.stages[0]?.steps.pop();
      expect(deploy?.kind).toBe('deploy');
      const progress = await endsAtDeadline(plan);
      expect(progress.stop?.step).toBe('production/check');
    });

    test('argo-rollouts#4128: nobody resumes what is held', async () => {
      await work();
      const blocked = held();
      world.blocked.putSecret = blocked.until;
      const plan = stuckPlan();
      const ended = endsAtDeadline(plan);
      await seen(world, 'putSecret');
      await headgate.send(plan.application, 'hold', { by: 'ana' });
      blocked.release();
      await ended;
    });

    test('argo-rollouts#4128: an abort ends it before the deadline', async () => {
      world.blocked.prepareRelease = new Promise(() => {});
      await work();
      const rollout = await start(storyPlan(someApplication()));
      await seen(world, 'prepareRelease');
      await abort(rollout);
      expect(await closed(rollout)).toMatchObject({ outcome: 'rolledBack', stop: { kind: 'abort' } });
    });
  });

  // The code went back and the ConfigMap did not: the old pods read the new configuration when they started again, and
  // did not start. argoproj/argo-rollouts#1297
  test('argo-rollouts#1297: the configuration comes back with the code, byte for byte, and is what the old release has in force', async () => {
    const file = join(folder, '.env');
    const original = '# kept\nPOOL=20\nOTHER="as it was"\n';
    await writeFile(file, original, { mode: 0o640 });
    /** As the application does: it reads its file and its secret when it starts, and never again. */
    const running = new Map<string, { limit: number; secret: string }>();
    const boot = async (id: string) => {
      const limit = Number(/^POOL=(\d+)$/m.exec(await readFile(file, 'utf8'))?.[1]);
      running.set(id, { limit, secret: world.secrets.get('app/production') ?? 'app/production-base' });
    };
    await boot('blue');
    const server = await serve((request, response) => {
      const { limit } = running.get(request.url?.split('/')[1] ?? '') ?? { limit: 0 };
      const pool = { active: 1, total: limit, limit, idle: limit - 1, waiting: 0, timeouts_total: 0 };
      response.end(JSON.stringify({ pool, config: { connection_limit: limit } }));
    });
    const releaseOf = (id: string, version: string): Release => ({ id, version, url: `${server.url}/${id}` });
    world.live.set('production', releaseOf('blue', 'v1.0.0'));
    const { gates, monitor } = createScriptedProbes({
      answer: async (probe, nth) => {
        // Meanwhile the platform starts an old pod again: it reads what the new release was given.
        if (probe === 'watched' && nth === 1) await boot('blue');
        return probe === 'watched' && nth > 2 ? FAIL : undefined;
      },
      others: [checked(poolMetricsSchema, createPoolMetricsProbe())],
    });
    const config = createConfigActivities({
      openHost: () => createLocalFiles(),
      texts: dotenvTexts,
      references: new References({
        allowed: [],
        env: {},
        readSecret: async () => '',
        redactor: new Redactor(),
      }),
    });
    await work({
      ...config,
      ...gates,
      ...monitor,
      prepareRelease: async ({ context }) => {
        await boot('green');
        world.candidates.set('production', releaseOf('green', context.version));
        return releaseOf('green', context.version);
      },
      restartRelease: async ({ release }) => {
        await boot(release.id);
        return { summary: 'started again', changed: true };
      },
    });
    const configured: ConfigStep = {
      kind: 'config',
      id: 'env',
      stage: 'production',
      name: 'production/env',
      onRollback: 'revert',
      config: { place: { kind: 'local', file }, set: { POOL: '50' } },
    };
    const deploying = deployStep('production');
    const pool = {
      name: 'pool',
      kind: 'poolMetrics',
      config: { url: '${release:url}/admin/metrics/database' },
      timeoutMs: 2_000,
    };
    const deploy: DeployStep = {
      ...deploying,
      config: {
        ...deploying.config,
        startsFrom: ['production/env', 'production/settings'],
        beforePromotion: [],
        afterPromotion: [{ ...pool, expect: [{ path: 'pool.limit', equals: 50 }] }],
      },
    };
    const rollout = await start(
      planOf(someApplication(), [
        {
          name: 'production',
          steps: [
            configured,
            secretStep('production'),
            deploy,
            scriptedMonitor('production', 60_000, { consecutiveFailureLimit: 2 }),
          ],
        },
      ]),
    );
    const progress = await closed(rollout);
    await server.close();
    expect(progress).toMatchObject({
      outcome: 'rolledBack',
      stop: { kind: 'gate', step: 'production/monitor' },
    });
    // The new release had the new configuration, so that there was something to bring back.
    expect(running.get('green')).toEqual({ limit: 50, secret: 'app/production-new' });
    expect(await readFile(file, 'utf8')).toBe(original);
    expect(world.live.get('production')?.id).toBe('blue');
    expect(running.get('blue')).toEqual({ limit: 20, secret: 'app/production-base' });
    const inForce = progress.restoration?.checks.filter(({ what }) => what.includes('in force'));
    expect(inForce).toContainEqual({
      what: 'production in force: pool.pool.limit',
      expected: '20',
      found: '20',
      ok: true,
    });
    expect(progress.restoration?.checks.map(({ ok }) => ok)).not.toContain(false);
  });
});

describe('flagger', () => {
  /** A program that adds a line to a file each time it runs. */
  function countedRun(stage: string): { step: RunStep; runs: () => Promise<number> } {
    const file = join(folder, 'runs');
    const write = `require('node:fs').appendFileSync(${JSON.stringify(file)}, 'ran\\n')`;
    const step = runStep(stage);
    const config = { command: [process.execPath, '-e', write], timeoutMs: 20_000 };
    const runs = async () => (await readFile(file, 'utf8').catch(() => '')).split('\n').length - 1;
    return { step: { ...step, onRollback: 'keep', config }, runs };
  }

  function realRun(): Partial<HeadgateActivities> {
    const redactor = new Redactor();
    const references = new References({ allowed: [], env: {}, readSecret: async () => '', redactor });
    const artifacts = new ArtifactStore(join(folder, 'home'), redactor);
    return createRunActivities({ runChild, runEnabled: true, references, artifacts, redactor });
  }

  // A gate that answered no began the analysis anew, every interval, and with it the pre-rollout hooks.
  // fluxcd/flagger#1248
  test('flagger#1248: a gate that fails is asked again without repeating what was done before it', async () => {
    const { gates, taken } = createScriptedProbes({
      writes: ['booking'],
      answer: (probe, nth) => (probe === 'traffic' && nth <= 4 ? FAIL : undefined),
    });
    await work({ ...gates, ...realRun() });
    const { step: run, runs } = countedRun('production');
    const step = checkStep('production');
    const check: CheckStep = {
      ...step,
      config: {
        probes: [scriptedProbe('booking'), scriptedProbe('traffic')],
        timeoutMs: 30_000,
        intervalMs: 100,
      },
    };
    const steps = [run, { ...deployStep('production'), config: deployWithoutProbes() }, check];
    const rollout = await start(
      planOf(someApplication(), [{ name: 'production', steps }], { directory: folder }),
    );
    const progress = await closed(rollout);
    expect(progress.outcome).toBe('promoted');
    expect(taken('traffic')).toBe(5);
    expect(taken('booking')).toBe(1);
    expect(await runs()).toBe(1);
    const once = world.calls.filter((call) => /^(prepare|promote)/.test(call));
    expect(once).toEqual(['prepareRelease production/deploy', 'promoteRelease production/deploy']);
    expect(progress.steps.map(({ attempt }) => attempt)).toEqual([1, 1, 1]);
  });

  test('flagger#1248: an approval that is void is asked for again without repeating what it had let pass', async () => {
    world.faults.putSecret = (call) =>
      call === 1 ? ApplicationFailure.nonRetryable('app/production is at v9', FAILURES.drift) : undefined;
    await work(realRun());
    const { step: run, runs } = countedRun('production');
    const changes = [run, secretStep('production')];
    const covers = changes.map(({ name }) => name);
    const rollout = await start(
      planOf(
        someApplication(),
        [{ name: 'production', steps: [approvalStep('production', covers), ...changes] }],
        { directory: folder },
      ),
    );
    await approve(rollout);
    await until(rollout, ({ progress }) => progress?.approvals[0]?.answer === 'voided');
    await approve(rollout);
    const progress = await closed(rollout);
    expect(progress.outcome).toBe('promoted');
    expect(progress.approvals.map(({ answer }) => answer)).toEqual(['voided', 'approved']);
    expect(await runs()).toBe(1);
  });

  function deployWithoutProbes(): DeployStep['config'] {
    return { ...deployStep('production').config, startsFrom: [], beforePromotion: [], afterPromotion: [] };
  }

  /** One region is live and monitored, the next one waits. */
  function twoRegions(forMs = 500): ResolvedPlan {
    const first = { ...deployStep('eu'), config: { ...deployWithoutProbes(), startsFrom: ['eu/settings'] } };
    return planOf(someApplication(), [
      {
        name: 'eu',
        steps: [secretStep('eu'), first, scriptedMonitor('eu', forMs, { consecutiveFailureLimit: 2 })],
      },
      {
        name: 'us',
        window: {
          text: 'Mon-Fri 09:00-17:00 UTC',
          days: [1],
          fromMinute: 540,
          toMinute: 1020,
          timeZone: 'UTC',
        },
        steps: [approvalStep('us', ['us/settings']), secretStep('us')],
      },
    ]);
  }

  /** Of the probe that is watched, from now on. */
  function switched() {
    const state: { sample: Sample | undefined; left: number } = { sample: undefined, left: 0 };
    const probes = createScriptedProbes({
      answer: (probe) => (probe === 'watched' && state.left-- > 0 ? state.sample : undefined),
    });
    const answer = (sample: Sample, times: number) => Object.assign(state, { sample, left: times });
    return { ...probes, answer };
  }

  // While a gate waited for its approval the checks went on failing, 18 where 5 were tolerated, and nothing happened.
  // fluxcd/flagger#1801
  test.each(['approval', 'hold', 'window'])(
    'flagger#1801: what is live and breaks while the next step waits (%s) is rolled back without an answer',
    async (what) => {
      const { monitor, answer, taken } = switched();
      const untilOpenMs = async () => (what === 'window' ? 3_600_000 : 0);
      await work({ ...monitor, measureWindow: untilOpenMs });
      // Long enough for a hold to come before its end.
      const plan = twoRegions(what === 'hold' ? 3_000 : 500);
      const [, us] = plan.stages;
      if (what === 'window') us?.steps.shift();
      const rollout = await start(plan);
      if (what === 'hold') {
        await sampled({ taken }, 'watched', 1);
        await headgate.send(nameOf(rollout), 'hold', { by: 'ana' });
      }
      await waitingFor(rollout, what);
      answer(FAIL, Number.POSITIVE_INFINITY);
      const progress = await closed(rollout);
      expect(progress).toMatchObject({
        outcome: 'rolledBack',
        stop: {
          kind: 'gate',
          step: 'eu/monitor',
          message: expect.stringMatching(
            /watched breached consecutiveFailureLimit 2 .* while us\/\w+ waited/,
          ),
        },
      });
      expect(progress.approvals).toEqual([]);
      expect(stepOf(progress, 'eu/monitor')?.status).toBe('failed');
      expect(world.live.get('eu')?.id).toBe('eu-old');
      expect(world.secrets.get('app/eu')).toBe('app/eu-base');
      expect(world.calls.filter((call) => /^put.* us/.test(call))).toEqual([]);
    },
  );

  test('flagger#1801: neither a blip nor a metric store that is away ends the wait, and the approval still counts', async () => {
    const { monitor, answer, taken } = switched();
    await work(monitor);
    const rollout = await start(twoRegions());
    await waitingFor(rollout, 'approval');
    answer(FAIL, 2);
    await sampled({ taken }, 'watched', 4);
    answer(ERROR, 8);
    await sampled({ taken }, 'watched', 12);
    await approve(rollout);
    const progress = await closed(rollout);
    expect(progress).toMatchObject({ outcome: 'promoted', approvals: [{ answer: 'approved', by: 'ben' }] });
    const samples = taken('watched');
    await seen(world, 'retireRelease');
    expect(taken('watched')).toBe(samples);
  });

  test('flagger#1801: a watch that cannot be kept is told, and ends no wait', async () => {
    const { monitor } = switched();
    let calls = 0;
    await work({
      sampleProbes: async (input) => {
        calls += 1;
        if (calls > 1) throw ApplicationFailure.nonRetryable('no such probe', FAILURES.invalid);
        return monitor.sampleProbes(input);
      },
    });
    const rollout = await start(twoRegions());
    await until(
      rollout,
      ({ progress }) => progress?.warnings.join().includes('is not watched until') ?? false,
    );
    await approve(rollout);
    const { outcome, warnings } = await closed(rollout);
    expect(outcome).toBe('promoted');
    expect(warnings.join()).toMatch(/eu\/monitor is not watched until .*, while it waits: no such probe/);
  });
});

describe('kargo', () => {
  // A promotion that was aborted in its queue left behind a record without the other origins: the next promotion of
  // the stage stood on that. akuity/kargo#6810
  test('kargo#6810: a rollout aborted in its queue leaves nothing behind: the running one and the next one are whole', async () => {
    let isOpen = false;
    await work({ measureWindow: async () => (isOpen ? 0 : 3_600_000) });
    const runningPlan = storyPlan(someApplication());
    const running = await start(runningPlan);
    await waitingFor(running, 'approval');
    world.lockHolder = { ...running, startedBy: 'ana', since: 'then' };

    const queuedPlan = queuedBehind(someApplication());
    const queued = await start(queuedPlan);
    await waitingFor(queued, 'window');
    expect(await isLocked('secret/us-east-1/app/eu')).toBe(true);
    await abort(queued);
    expect(await closed(queued)).toMatchObject({ outcome: 'rolledBack', stop: { kind: 'abort' }, left: [] });
    expect(world.calls.filter((call) => /^(put|prepare|promote|undo).* eu\//.test(call))).toEqual([]);
    expect(await isLocked('secret/us-east-1/app/eu')).toBe(false);
    expect((await headgate.describe(nameOf(queued))).deeds).toBeUndefined();

    // One that wants what the running one holds is refused, and takes nothing from it.
    const refused = await start(storyPlan(someApplication()));
    expect(await closed(refused)).toMatchObject({ outcome: 'refused' });
    expect(await isLocked('secret/us-east-1/app/staging')).toBe(true);

    isOpen = true;
    const next = await start(queuedPlan);
    expect(await closed(next)).toMatchObject({ outcome: 'promoted' });
    await approve(running);
    expect(await closed(running)).toMatchObject({ outcome: 'promoted' });
    expect(Object.fromEntries(world.secrets)).toEqual({
      'app/eu': 'app/eu-new',
      'app/us': 'app/us-new',
      'app/staging': 'app/staging-new',
      'app/production': 'app/production-new',
    });
    const after = await start(storyPlan(runningPlan.application));
    await approve(after);
    expect(await closed(after)).toMatchObject({ outcome: 'promoted' });
  });

  /** Two things to change, behind a window that is closed. */
  function queuedBehind(application: string): ResolvedPlan {
    const window = { text: 'Mon', days: [1], fromMinute: 540, toMinute: 1020, timeZone: 'UTC' };
    return planOf(application, [
      { name: 'eu', window, steps: [secretStep('eu'), deployStep('eu')] },
      { name: 'us', window, steps: [secretStep('us'), deployStep('us')] },
    ]);
  }

  async function isLocked(resource: string): Promise<boolean> {
    const { status } = await env.client.workflow.getHandle(lockWorkflowId(resource)).describe();
    return status.name === 'RUNNING';
  }
});
