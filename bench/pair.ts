/** A server on which rollouts and bare workflows run in turns: the same server, the same worker settings. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, Worker, type WorkerOptions } from '@temporalio/worker';
import type { HeadgateActivities } from '../src/contract/activities.js';
import type { RolloutInput } from '../src/contract/inputs.js';
import {
  LONG_TASK_QUEUE,
  ROLLOUT_WORKFLOW,
  rolloutWorkflowId,
  TASK_QUEUE,
} from '../src/contract/messages.js';
import type { ResolvedPlan } from '../src/plan/resolved.js';
import { BUNDLE, CONVERTER } from '../test/support/temporal.js';
import {
  BARE_LONG_TASK_QUEUE,
  BARE_TASK_QUEUE,
  BARE_WORKFLOW,
  type BareActivities,
  type BareActivity,
} from './bare-contract.js';
import { startServer } from './server.js';
import type { Session } from './session.js';

export interface Pair {
  /** Returns when it has closed. */
  rollOut(plan: ResolvedPlan): Promise<WorkflowHandle>;
  /** Returns when it has closed. */
  runBare(activities: BareActivity[]): Promise<WorkflowHandle>;
}

/** Workflow code, built. */
export interface Bundles {
  rollout: string;
  bare: string;
}

export async function loadBundles(): Promise<Bundles> {
  const silent = () => {};
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
  const { env } = await startServer(session);
  const bareActivities: BareActivities = { async doNothing() {} };
  await startWorkers(session, env, [
    { taskQueue: TASK_QUEUE, workflowBundle: { code: bundles.rollout }, activities: { ...activities } },
    { taskQueue: LONG_TASK_QUEUE, activities: { ...activities } },
    { taskQueue: BARE_TASK_QUEUE, workflowBundle: { code: bundles.bare }, activities: { ...bareActivities } },
    { taskQueue: BARE_LONG_TASK_QUEUE, activities: { ...bareActivities } },
  ]);
  const run = async (type: string, workflowId: string, taskQueue: string, input: unknown) => {
    const handle = await env.client.workflow.start(type, { workflowId, taskQueue, args: [input] });
    await handle.result();
    return handle;
  };
  return {
    rollOut(plan) {
      const input: RolloutInput = { plan, startedBy: 'bench', searchAttributes: true };
      return run(ROLLOUT_WORKFLOW, rolloutWorkflowId(plan.application), TASK_QUEUE, input);
    },
    runBare: (sequence) => run(BARE_WORKFLOW, `bare/${randomUUID()}`, BARE_TASK_QUEUE, sequence),
  };
}

/** They poll until the session ends what it owns. */
export async function startWorkers(
  session: Session,
  env: TestWorkflowEnvironment,
  each: Pick<WorkerOptions, 'taskQueue' | 'workflowBundle' | 'activities'>[],
): Promise<void> {
  const workers: Worker[] = [];
  for (const options of each) workers.push(await createWorker(env, options));
  const running = Promise.all(workers.map((worker) => worker.run()));
  session.own(async () => {
    // The runtime has stopped them already when it got the signal that ends us.
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
    await running;
  });
}

/** With the settings of src/worker.ts. */
function createWorker(
  env: TestWorkflowEnvironment,
  options: Pick<WorkerOptions, 'taskQueue' | 'workflowBundle' | 'activities'>,
): Promise<Worker> {
  return Worker.create({
    ...options,
    connection: env.nativeConnection,
    namespace: env.namespace,
    dataConverter: { payloadConverterPath: CONVERTER },
    maxHeartbeatThrottleInterval: '1s',
    defaultHeartbeatThrottleInterval: '1s',
    shutdownGraceTime: '5s',
  });
}
