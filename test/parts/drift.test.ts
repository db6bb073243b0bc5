/**
 * What was approved is what is applied: for each kind of evidence somebody changes the real thing after the approval.
 * Nothing of the step is applied, the approval is void and says why, it is asked again with another digest, the old
 * one does nothing, and the new answer goes through.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createEvidenceActivities } from '../../src/activities/evidence.js';
import type { HeadgateActivities } from '../../src/contract/activities.js';
import type { RolloutInput, RolloutResult } from '../../src/contract/inputs.js';
import { PROGRESS_QUERY, rolloutWorkflowId, TASK_QUEUE } from '../../src/contract/messages.js';
import type { Progress } from '../../src/contract/progress.js';
import { ArtifactStore } from '../../src/platform/artifacts.js';
import { Redactor } from '../../src/platform/redaction.js';
import * as kinds from '../support/drift-kinds.js';
import * as targets from '../support/drift-targets.js';
import { createFakeWorld } from '../support/fake-world.js';
import { type Moto, motoIsMissing, startMoto } from '../support/moto.js';
import { approvalStep, planOf } from '../support/plans.js';
import { ensureRegistry, type Registry, startRegistry } from '../support/registry.js';
import { type LocalRds, startLocalRds } from '../support/sandbox-rds.js';
import { startTemporal, startWorkers } from '../support/temporal.js';

let env: TestWorkflowEnvironment;
let home: string;
let open: kinds.OpenKind | undefined;
let workers: Awaited<ReturnType<typeof startWorkers>> | undefined;
let handle: WorkflowHandle | undefined;

beforeAll(async () => {
  env = await startTemporal();
});
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'headgate-drift-home-'));
});
afterEach(async () => {
  await handle?.terminate('end of the test').catch(() => undefined);
  await workers?.stop();
  await open?.close();
  [handle, workers, open] = [undefined, undefined, undefined];
  await rm(home, { recursive: true, force: true });
});
afterAll(async () => env?.teardown());

async function begin(kind: kinds.DriftKind, beforeEffect?: () => Promise<unknown>): Promise<kinds.OpenKind> {
  open = await kind.open();
  const { step, directory, real } = open;
  const artifacts = new ArtifactStore(home, new Redactor());
  const activities: HeadgateActivities = {
    ...createFakeWorld().activities,
    ...createEvidenceActivities({ artifacts }),
    ...real,
  };
  workers = await startWorkers(env, interrupted(activities, kind, beforeEffect));
  const gate = approvalStep('production', [step.name]);
  const plan = planOf(`app-${randomUUID().slice(0, 8)}`, [{ name: 'production', steps: [gate, step] }], {
    directory,
  });
  handle = await env.client.workflow.start('rollout', {
    workflowId: rolloutWorkflowId(plan.application),
    taskQueue: TASK_QUEUE,
    args: [{ plan, startedBy: 'ana', searchAttributes: false } satisfies RolloutInput],
  });
  return open;
}

/** The effect finds what somebody has changed since the look right before it. */
function interrupted(
  activities: HeadgateActivities,
  { effect }: kinds.DriftKind,
  beforeEffect: (() => Promise<unknown>) | undefined,
): HeadgateActivities {
  let isFirst = beforeEffect !== undefined;
  const act = activities[effect] as (input: unknown) => Promise<unknown>;
  const first = async (input: unknown) => {
    if (isFirst) {
      isFirst = false;
      await beforeEffect?.();
    }
    return act(input);
  };
  return { ...activities, [effect]: first };
}

async function until(isTrue: (progress: Progress) => boolean): Promise<Progress> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const progress = await handle?.query<Progress>(PROGRESS_QUERY);
    if (progress && isTrue(progress)) return progress;
    if (progress?.outcome || Date.now() > deadline)
      throw new Error(`it never came: ${JSON.stringify(progress, null, 1)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const asked = async (times: number) => {
  const { waiting } = await until(
    ({ waiting, approvals }) => waiting?.for === 'approval' && approvals.length === times,
  );
  return { gate: waiting?.gate ?? '', digest: waiting?.digest ?? '' };
};

const approve = (answer: { gate: string; digest: string }) =>
  handle?.executeUpdate('approve', { args: [{ ...answer, by: 'ben' }] });

/** From the drift on. */
async function asksAgain(
  { isApplied }: kinds.OpenKind,
  first: { gate: string; digest: string },
  says: RegExp,
): Promise<void> {
  const second = await asked(1);
  expect(await isApplied(), 'nothing of the step was applied').toBe(false);
  const { approvals, warnings } = await until(() => true);
  expect(approvals).toEqual([
    expect.objectContaining({ answer: 'voided', digest: first.digest, reason: expect.stringMatching(says) }),
  ]);
  expect(warnings.join()).toContain(`approval of ${first.gate} is void`);
  expect(second.digest).not.toBe(first.digest);
  await expect(approve(first)).rejects.toMatchObject({
    cause: { message: expect.stringContaining('is not what the gate shows now') },
  });
  expect((await until(() => true)).waiting?.digest).toBe(second.digest);
  await approve(second);
  const { outcome, progress }: RolloutResult = await (handle as WorkflowHandle).result();
  expect(outcome, progress.stop?.message).toBe('promoted');
  expect(progress.approvals.map(({ answer }) => answer)).toEqual(['voided', 'approved']);
  expect(await isApplied()).toBe(true);
}

function describeDrift(name: string, kindOf: () => kinds.DriftKind): void {
  describe(name, () => {
    test('changed between the approval and the look before the effect', async () => {
      const kind = kindOf();
      const opened = await begin(kind);
      const first = await asked(0);
      await opened.change();
      await approve(first);
      await asksAgain(opened, first, kind.says.look);
    });

    test('changed between that look and the effect, which compares again', async () => {
      const kind = kindOf();
      const opened = await begin(kind, () => opened.change());
      const first = await asked(0);
      await approve(first);
      await asksAgain(opened, first, kind.says.effect);
    });
  });
}

describeDrift('the dotenv file', () => kinds.config);
describeDrift('what terraform would change', () => kinds.infraPlan);
describeDrift('the folder of terraform', () => kinds.infraFiles);
describeDrift('the head of git', () => kinds.gitHead);
describeDrift('the files that git would commit', () => kinds.gitFiles);
describeDrift('the template of the message', () => kinds.gitTemplate);
describeDrift('the program of a run step', () => kinds.run);
describeDrift('the script of a load test', () => kinds.loadTest);
describeDrift('the live release', () => targets.liveRelease);
describeDrift('the programs of a command target', () => targets.deployProgram);

describe.skipIf(motoIsMissing())('secrets', () => {
  let moto: Moto;
  beforeAll(async () => {
    moto = await startMoto();
  });
  afterAll(() => moto?.stop());
  describeDrift('the version of the secret', () => kinds.secret);
});

describe('parameters', () => {
  let world: LocalRds;
  beforeAll(async () => {
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'testing', AWS_SECRET_ACCESS_KEY: 'testing' });
    world = await startLocalRds({ max_connections: '80' });
  });
  afterAll(() => world?.stop());
  describeDrift('what a reboot would put in force', () => targets.rebootOf(world));
});

const program = await ensureRegistry();
describe.skipIf(program === undefined)('the image', () => {
  let registry: Registry;
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'headgate-docker-config-'));
    registry = await startRegistry(program ?? '');
    const auth = Buffer.from('canary:canary-password').toString('base64');
    await writeFile(join(folder, 'config.json'), JSON.stringify({ auths: { [registry.host]: { auth } } }));
    await registry.push('team/shop', 'v1.0.1', 'first');
  });
  afterAll(async () => {
    await registry?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test('of another digest under the same tag voids the approval', async () => {
    const kind = targets.imageOf(registry, folder);
    const opened = await begin(kind);
    const first = await asked(0);
    await opened.change();
    await approve(first);
    await asksAgain(opened, first, kind.says.look);
  });
});
