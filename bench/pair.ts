/** A server on which rollouts and bare workflows run in turns: the same server, the same worker settings. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, Worker, type WorkerOptions } from '@temporalio/worker';
import type { HeadgateActivities } from '../src/contract/activities.js';
import type { RolloutInput } from '../src/contract/inputs.js';
import { LONG_TASK_QUEUE, ROLLOUT_WORKFLOW, rolloutWorkflowId, TASK_QUEUE } from '../src/contract/messages.js';
import type { ResolvedPlan } from '../src/plan/resolved.js';
import { BUNDLE, CONVERTER, startTemporal } from '../test/support/temporal.js';
import {
  BARE_LONG_TASK_QUEUE,
  BARE_TASK_QUEUE,
  BARE_WORKFLOW,
  type BareActivities,
  type BareActivity,
} from './bare-contract.js';
import type { Session } from './session.js';

export interface Pair {
  /** Returns when it has closed. */
  rollOut(plan: ResolvedPlan): Promise<WorkflowHandle>;
  /** Returns when it has closed. */
  runBare(activities: BareActivity[]): Promise<WorkflowHandle>;
  end(): Promise<void>;
}

export interface Bundles {
  rollout: string;
  bare: string;
}

const silent = () => {};

export async function loadBundles(): Promise<Bundles> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('./bare-workflow.ts', import.meta.url)),
    payloadConverterPath: CONVERTER,
    logger: { trace: silent, debug: silent, info: silent, warn: silent, error: silent, log: silent },
  });
  return { rollout: await readFile(BUNDLE, 'utf8'), bare: code };
}

export async function startPair(
  session: Session,
  bundles: Bundles,
  activities: HeadgateActivities,
): Promise<Pair> {
  const starting = startTemporal();
  const endServer = session.own(async () => (await starting).teardown());
  const env = await starting;
  const bareActivities: BareActivities = { async doNothing() {} };
  const endWorkers = await startWorkers(session, env, [
    { taskQueue: TASK_QUEUE, workflowBundle: { code: bundles.rollout }, activities: { ...activities } },
    { taskQueue: LONG_TASK_QUEUE, activities: { ...activities } },
    { taskQueue: BARE_TASK_QUEUE, workflowBundle: { code: bundles.bare }, activities: { ...bareActivities } },
    { taskQueue: BARE_LONG_TASK_QUEUE, activities: { ...bareActivities } },
  ]);
  const { workflow } = env.client;
  return {
    async rollOut(plan) {
      const input: RolloutInput = { plan, startedBy: 'bench', searchAttributes: true };
      const workflowId = rolloutWorkflowId(plan.application);
      const handle = await workflow.start(ROLLOUT_WORKFLOW, {
        workflowId,
        taskQueue: TASK_QUEUE,
        args: [input],
      });
      await handle.result();
      return handle;
    },
    async runBare(sequence) {
      const workflowId = `bare/${randomUUID()}`;
      const handle = await workflow.start(BARE_WORKFLOW, {
        workflowId,
        taskQueue: BARE_TASK_QUEUE,
        args: [sequence],
      });
      await handle.result();
      return handle;
    },
    async end() {
      await endWorkers();
      await endServer();
    },
  };
}

async function startWorkers(
  session: Session,
  env: TestWorkflowEnvironment,
  each: Pick<WorkerOptions, 'taskQueue' | 'workflowBundle' | 'activities'>[],
): Promise<() => Promise<void>> {
  const workers: Worker[] = [];
  for (const options of each) {
    workers.push(
      await Worker.create({
        ...options,
        connection: env.nativeConnection,
        namespace: env.namespace,
        dataConverter: { payloadConverterPath: CONVERTER },
        // As src/worker.ts has them.
        maxHeartbeatThrottleInterval: '1s',
        defaultHeartbeatThrottleInterval: '1s',
        shutdownGraceTime: '5s',
      }),
    );
  }
  const running = Promise.all(workers.map((worker) => worker.run()));
  return session.own(async () => {
    for (const worker of workers) worker.shutdown();
    await running;
  });
}
