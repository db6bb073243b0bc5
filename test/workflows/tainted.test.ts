/** Somebody else changes what a monitor's verdict is about: what it says, what it waits for, and each answer. */
import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { SampleInput } from '../../src/contract/activities.js';
import type { RolloutInput, RolloutMemo, RolloutResult } from '../../src/contract/inputs.js';
import { PROGRESS_QUERY, rolloutWorkflowId, TASK_QUEUE } from '../../src/contract/messages.js';
import type { Progress } from '../../src/contract/progress.js';
import type { MonitorStep, ResolvedStep } from '../../src/plan/resolved.js';
import { renderReportMarkdown } from '../../src/platform/report.js';
import { createFakeWorld, type FakeWorld } from '../support/fake-world.js';
import {
  approvalStep,
  configStep,
  deployStep,
  infraStep,
  monitorStep,
  planOf,
  rebootStep,
  secretStep,
} from '../support/plans.js';
import { startTemporal, startWorkers } from '../support/temporal.js';

let env: TestWorkflowEnvironment;
let world: FakeWorld;
let workers: Awaited<ReturnType<typeof startWorkers>> | undefined;
/** What the sampler was given, each time. */
let sampled: SampleInput[];
const begun: WorkflowHandle[] = [];

beforeAll(async () => {
  env = await startTemporal();
});
beforeEach(() => {
  world = createFakeWorld();
  sampled = [];
  const { activities } = world;
  world.activities = {
    ...activities,
    sampleProbes(input) {
      sampled.push(input);
      return activities.sampleProbes(input);
    },
  };
});
afterEach(async () => {
  for (const handle of begun.splice(0)) await handle.terminate('end of the test').catch(() => undefined);
  await workers?.stop();
  workers = undefined;
});
afterAll(async () => env?.teardown());

const THEIRS = { id: 'production-theirs', version: 'v9', url: 'http://theirs.invalid' };

function watched(config: Partial<MonitorStep['config']> = {}, forMs = 300): MonitorStep {
  const step = monitorStep('production', forMs);
  return { ...step, config: { ...step.config, ...config } };
}

async function begin(steps: ResolvedStep[]): Promise<WorkflowHandle> {
  workers = await startWorkers(env, world.activities);
  const when: ('waiting' | 'rollback')[] = ['waiting', 'rollback'];
  const plan = planOf(`app-${randomUUID().slice(0, 8)}`, [{ name: 'production', steps }], {
    notify: [{ kind: 'webhook', config: {}, when }],
  });
  const input: RolloutInput = { plan, startedBy: 'ana', searchAttributes: false };
  const handle = await env.client.workflow.start('rollout', {
    workflowId: rolloutWorkflowId(plan.application),
    taskQueue: TASK_QUEUE,
    args: [input],
  });
  begun.push(handle);
  return handle;
}

const STEPS = () => [secretStep('production'), deployStep('production')];

/** Just before the `nth` window is sampled. */
function beforeWindow(nth: number, change: () => void): void {
  world.faults.sampleProbes = (call) => {
    if (call === nth) change();
    return undefined;
  };
}

const changeSecret = () => world.secrets.set('app/production', 'theirs');

async function until(handle: WorkflowHandle, isTrue: (progress: Progress) => boolean): Promise<Progress> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const progress = await handle.query<Progress>(PROGRESS_QUERY);
    if (isTrue(progress)) return progress;
    if (Date.now() > deadline) throw new Error(`not in time: ${JSON.stringify(progress, null, 1)}`);
  }
}

const held = (handle: WorkflowHandle) => until(handle, ({ waiting }) => waiting?.tainted !== undefined);
const resultOf = (handle: WorkflowHandle): Promise<RolloutResult> => handle.result();
const monitorOf = ({ steps }: Progress) => steps.find(({ kind }) => kind === 'monitor');

describe('what is fenced', () => {
  test('the release, the secret, the file and the parameters of the stage, as the steps have made them', async () => {
    const steps = [
      configStep('production'),
      infraStep('production'),
      rebootStep('production'),
      ...STEPS(),
      watched(),
    ];
    expect((await resultOf(await begin(steps))).outcome).toBe('promoted');
    expect(sampled[0]?.fences?.map(({ step, expected }) => [step.name, expected])).toEqual([
      ['production/config', { kind: 'file', sha256: 'new' }],
      ['production/reboot', expect.objectContaining({ kind: 'parameters', values: { max: '100' } })],
      ['production/settings', { kind: 'secret', versionId: 'app/production-new' }],
      [
        'production/deploy',
        { kind: 'release', release: expect.objectContaining({ id: 'production-new', version: 'v1.0.1' }) },
      ],
    ]);
    expect(sampled[0]?.isLast).toBe(true);
    // What is put into a secret or a file is no business of a reading.
    expect(JSON.stringify(sampled[0]?.fences)).not.toContain('DB_CONNECTION_LIMIT');
  });

  test('not what another stage has made, nor parameters that an infra step has applied since', async () => {
    workers = await startWorkers(env, world.activities);
    const plan = planOf(`app-${randomUUID().slice(0, 8)}`, [
      { name: 'staging', steps: [secretStep('staging')] },
      { name: 'production', steps: [rebootStep('production'), infraStep('production'), watched()] },
    ]);
    const handle = await env.client.workflow.start('rollout', {
      workflowId: rolloutWorkflowId(plan.application),
      taskQueue: TASK_QUEUE,
      args: [{ plan, startedBy: 'ana', searchAttributes: false } satisfies RolloutInput],
    });
    expect((await resultOf(handle)).outcome).toBe('promoted');
    expect(sampled.map(({ fences }) => fences)).toEqual([undefined]);
  });

  test('of two steps on the same thing the later one', async () => {
    const second = { ...secretStep('production'), id: 'settings-2', name: 'production/settings-2' };
    expect((await resultOf(await begin([secretStep('production'), second, watched()]))).outcome).toBe(
      'promoted',
    );
    expect(sampled[0]?.fences?.map(({ step }) => step.name)).toEqual(['production/settings-2']);
  });
});

describe('hold, which is what is done when the plan says nothing', () => {
  test('waits for a decision, and says what, in the details, the notice, the memo and the report', async () => {
    beforeWindow(1, changeSecret);
    const handle = await begin([...STEPS(), watched()]);
    const progress = await held(handle);
    expect(progress).toMatchObject({ phase: 'waiting', waiting: { for: 'decision' } });
    const { waiting } = progress;
    expect(waiting?.message).toMatch(
      /^tainted, somebody else has changed it meanwhile: what production\/settings made is .*theirs.*, expected ours \(onTainted: hold\)\. retry takes what is there now as given/,
    );
    expect(waiting?.answers).toEqual(['retry', 'skip', 'abort']);
    expect(waiting?.tainted).toEqual([
      expect.objectContaining({ what: 'what production/settings made', expected: 'ours' }),
    ]);
    expect(monitorOf(progress)).toMatchObject({ status: 'waiting', tainted: waiting?.tainted });
    await until(handle, () => world.notices.length > 0);
    expect(world.notices.join()).toContain(
      `| headgate retry ${progress.application}/${progress.runId} production/monitor | headgate skip`,
    );
    const details = await handle.query<{ currentDetails?: string } | string>('__temporal_workflow_metadata');
    expect(JSON.stringify(details)).toContain('**Tainted**');
    const { memo } = await handle.describe();
    expect((memo as unknown as RolloutMemo).progress?.waiting?.tainted).toEqual(waiting?.tainted);
    expect(renderReportMarkdown(progress)).toContain(
      '## Changed by somebody else while it was watched\n\n- production/monitor: what production/settings made is',
    );
  });

  test('retry takes what is there as given and watches anew, the whole time', async () => {
    beforeWindow(1, changeSecret);
    const handle = await begin([...STEPS(), watched()]);
    await held(handle);
    await handle.executeUpdate('retry', { args: [{ step: 'monitor', by: 'cas' }] });
    const { outcome, progress } = await resultOf(handle);
    expect(outcome).toBe('promoted');
    expect(monitorOf(progress)?.summary).toContain('no breach');
    expect(progress.warnings.join()).toMatch(/what production\/settings made: .* was taken as given by cas/);
    const [first, ...rest] = sampled;
    const last = rest.at(-1);
    expect(last?.startedAtMs).toBeGreaterThan(first?.startedAtMs ?? Number.POSITIVE_INFINITY);
    expect(last?.fences?.find(({ step }) => step.kind === 'secret')?.expected).toEqual({
      kind: 'secret',
      versionId: 'theirs',
    });
  });

  test('after a retry another change taints again', async () => {
    const order: string[] = [];
    world.faults.sampleProbes = () => {
      // The vigil of the wait reads no fences, so that only monitors count here.
      const isMonitor = sampled.at(-1)?.isLast === true;
      if (isMonitor) order.push(`theirs-${order.length}`);
      if (isMonitor && order.length <= 2) world.secrets.set('app/production', order.at(-1) ?? '');
      return undefined;
    };
    const handle = await begin([...STEPS(), watched()]);
    await held(handle);
    await handle.executeUpdate('retry', { args: [{ by: 'cas' }] });
    await until(
      handle,
      ({ waiting }) => waiting?.tainted?.some(({ found }) => found.includes('theirs-1')) ?? false,
    );
    await handle.executeUpdate('retry', { args: [{ by: 'cas' }] });
    const { outcome, progress } = await resultOf(handle);
    expect([outcome, monitorOf(progress)?.tainted?.length]).toEqual(['promoted', 2]);
  });

  test('retry after another deploy watches what is live now', async () => {
    beforeWindow(1, () => world.live.set('production', THEIRS));
    const handle = await begin([...STEPS(), watched()]);
    await held(handle);
    expect(sampled[0]?.subject.release?.id).toBe('production-new');
    await handle.executeUpdate('retry', { args: [{ by: 'cas' }] });
    expect((await resultOf(handle)).outcome).toBe('promoted');
    expect(sampled.at(-1)?.subject.release?.id).toBe('production-theirs');
  });

  test('skip lets it pass with its reason; without one it does nothing', async () => {
    beforeWindow(1, changeSecret);
    const handle = await begin([...STEPS(), watched()]);
    await held(handle);
    await expect(
      handle.executeUpdate('skip', { args: [{ step: 'monitor', by: 'cas' }] }),
    ).rejects.toMatchObject({ cause: { message: expect.stringContaining('reason is missing') } });
    await handle.executeUpdate('skip', { args: [{ step: 'monitor', by: 'cas', reason: 'our own fix' }] });
    const { outcome, progress } = await resultOf(handle);
    expect(outcome).toBe('promoted');
    expect(monitorOf(progress)?.summary).toContain('let pass by cas: our own fix');
  });

  test('abort rolls back', async () => {
    beforeWindow(1, changeSecret);
    const handle = await begin([...STEPS(), watched()]);
    await held(handle);
    await handle.executeUpdate('abort', { args: [{ by: 'cas' }] });
    const { outcome, progress } = await resultOf(handle);
    expect([outcome, progress.stop?.kind]).toEqual(['rolledBack', 'abort']);
    expect(world.live.get('production')?.id).toBe('production-old');
  });

  test('what breaks while it waits is rolled back without an answer', async () => {
    world.faults.sampleProbes = (call) => {
      if (call === 1) changeSecret();
      // The second is taken while it waits.
      if (call === 2) world.outcomes.set('watched', 'fail');
      return undefined;
    };
    const { outcome, progress } = await resultOf(await begin([...STEPS(), watched()]));
    expect(outcome).toBe('rolledBack');
    expect(progress.stop).toMatchObject({
      kind: 'gate',
      step: 'production/monitor',
      message: expect.stringMatching(/^watched breached .* while production\/monitor waited/),
    });
    expect(monitorOf(progress)?.tainted).toHaveLength(1);
  });
});

describe('rollback', () => {
  test('goes back as a failed gate that says what was changed', async () => {
    beforeWindow(1, changeSecret);
    const { outcome, progress } = await resultOf(
      await begin([...STEPS(), watched({ onTainted: 'rollback' })]),
    );
    expect(outcome).toBe('rolledBack');
    expect(progress.stop).toMatchObject({
      kind: 'gate',
      step: 'production/monitor',
      message: expect.stringMatching(
        /^tainted, somebody else has changed it meanwhile: what production\/settings made .*\(onTainted: rollback\)$/,
      ),
    });
    expect(world.notices.join()).toContain('rollback: gate: tainted');
    expect(sampled).toHaveLength(1);
  });

  test('a long monitor ends with the taint, and not with its time', async () => {
    beforeWindow(1, changeSecret);
    const handle = await begin([...STEPS(), watched({ onTainted: 'rollback' }, 3_600_000)]);
    expect((await resultOf(handle)).outcome).toBe('rolledBack');
  });
});

describe('what could not be looked at', () => {
  test('is missing evidence, which is asked about or rolled back as such', async () => {
    world.unreadable.add('production/settings');
    const handle = await begin([...STEPS(), watched()]);
    const { waiting } = await until(handle, ({ waiting }) => waiting?.for === 'decision');
    expect(waiting?.message).toContain(
      'not enough evidence: what production/settings has made could not be looked at at all: denied',
    );
    expect(waiting?.tainted).toBeUndefined();
    world.unreadable.clear();
    await handle.executeUpdate('retry', { args: [{ by: 'cas' }] });
    expect((await resultOf(handle)).outcome).toBe('promoted');
  });

  test('is none with a worker that reads no fences: one that is older than they are', async () => {
    const { activities } = world;
    world.activities = {
      ...activities,
      sampleProbes: ({ fences: _fences, ...input }) => activities.sampleProbes(input),
    };
    changeSecret();
    expect((await resultOf(await begin([...STEPS(), watched()]))).outcome).toBe('promoted');
  });
});

describe('a monitor that has passed', () => {
  test('is no other verdict for what is changed while a later step waits: it is said, once', async () => {
    beforeWindow(2, changeSecret);
    const handle = await begin([
      ...STEPS(),
      watched(),
      approvalStep('production', ['production/config']),
      configStep('production'),
    ]);
    const { waiting, warnings } = await until(handle, (p) => p.warnings.length > 0);
    expect(warnings).toEqual([
      expect.stringMatching(
        /^production\/monitor had passed when somebody else changed what it watches, while production\/approval waited: what production\/settings made is .*theirs/,
      ),
    ]);
    expect(waiting?.for).toBe('approval');
    const { gate, digest } = waiting ?? {};
    await handle.executeUpdate('approve', { args: [{ gate, digest, by: 'ben' }] });
    const { outcome, progress } = await resultOf(handle);
    expect([outcome, progress.warnings.length]).toEqual(['promoted', 1]);
  });
});
