/**
 * One at a time. A lock is a child workflow that does nothing but exist: its id names the resource, the
 * server lets an id run once, and it closes with its parent. Nobody waits for a lock, so two rollouts can never wait
 * for each other: a taken one refuses the rollout.
 */

import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  CancellationScope,
  ChildWorkflowCancellationType,
  ParentClosePolicy,
  sleep,
  startChild,
} from '@temporalio/workflow';
import { LOCK_WORKFLOW, lockWorkflowId } from '../contract/messages.js';
import type { ResolvedPlan, ResolvedStep } from '../plan/resolved.js';
import { quick } from './activity-options.js';
import type { Run } from './run.js';
import { refused, rootCause } from './stop.js';

const TRIES = 5;

/** Holds its id until it is cancelled or its parent closes. */
export async function lock(): Promise<void> {
  await CancellationScope.current().cancelRequested;
}

/** Gives the locks back, and returns when the server has closed them. */
export type GiveBack = () => Promise<void>;

/** A rollout that is refused one lock, or stopped before it has all of them, gives back those that it had. */
export async function takeLocks(run: Run): Promise<GiveBack> {
  // Below a shielded scope: a cancel of the rollout must not give the locks back before the undo.
  const scope = await CancellationScope.nonCancellable(async () => new CancellationScope());
  const memo = {
    application: run.context.application,
    runId: run.context.runId,
    startedBy: run.context.startedBy,
  };
  const held: Promise<void>[] = [];
  const giveBack = async () => {
    scope.cancel();
    await Promise.all(held);
  };
  const taken = await run.sideBySide(lockedResources(run.plan), (resource) =>
    takeLock(resource, memo, scope),
  );
  held.push(...taken.flatMap((each) => (each.status === 'fulfilled' ? [each.value.closed] : [])));
  const refusal = taken.find((each) => each.status === 'rejected');
  if (refusal) {
    await giveBack();
    throw refusal.reason;
  }
  return giveBack;
}

/**
 * The lock lives in `scope`; the waiting for it ends with the caller's.
 * @returns a promise that settles when the lock has been given back, wrapped so that nobody waits for it here
 */
async function takeLock(
  resource: string,
  memo: Record<string, string>,
  scope: CancellationScope,
): Promise<{ closed: Promise<void> }> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await scope.run(() => holdLock(resource, memo));
    } catch (error) {
      if (!(rootCause(error) instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      const holder = await quick(`who holds ${resource}`).describeLockHolder({ resource });
      // Null: the holder has just closed, and the server closes its lock within moments.
      if (holder || attempt === TRIES) {
        throw refused(
          holder
            ? `${resource} is held by rollout ${holder.application}/${holder.runId}, started by ${holder.startedBy} at ${holder.since}; watch it with: headgate watch ${holder.application}`
            : `${resource} is held, and its holder cannot be read; see workflow ${lockWorkflowId(resource)}`,
        );
      }
      await sleep('1s', { summary: `wait for ${resource}` });
    }
  }
}

async function holdLock(resource: string, memo: Record<string, string>): Promise<{ closed: Promise<void> }> {
  const child = await startChild(LOCK_WORKFLOW, {
    workflowId: lockWorkflowId(resource),
    parentClosePolicy: ParentClosePolicy.TERMINATE,
    cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
    memo,
    staticSummary: `held by rollout/${memo.application}`,
  });
  return { closed: child.result().catch(() => undefined) };
}

/** Sorted, without repetition. */
export function lockedResources(plan: ResolvedPlan): string[] {
  const resources = plan.stages.flatMap((stage) => stage.steps.flatMap(resourceOf));
  return [...new Set(resources)].sort();
}

/** What a step has to itself. */
export function resourceOf(step: ResolvedStep): string[] {
  if (step.kind === 'secret') {
    const { id, region } = step.config.awsSecretsManager;
    return [`secret/${region ?? 'default'}/${id}`];
  }
  if (step.kind === 'config') {
    const { place } = step.config;
    return [place.kind === 'ssh' ? `file/${place.host}${place.file}` : `file/${place.file}`];
  }
  if (step.kind === 'infra') {
    const { directory, backendConfig } = step.config;
    return [`state/${directory}/${clippedJson(backendConfig)}`];
  }
  if (step.kind === 'reboot')
    return [`database/${step.config.region ?? 'default'}/${step.config.rdsInstance}`];
  if (step.kind === 'git') return [`repository/${step.config.directory}`];
  if (step.kind === 'deploy') {
    const { target, targetConfig } = step.config;
    // Your own programs may mean another thing in each stage; what the others name is one thing everywhere.
    if (target === 'command')
      return [`deployment/${target}/${step.stage}/${clippedJson(targetConfig.promote)}`];
    return [`deployment/${target}/${clippedJson(PLACE_KEYS.map((key) => targetConfig[key] ?? null))}`];
  }
  return [];
}

/** What of a target's options names the thing that is deployed to. */
const PLACE_KEYS = [
  ...['baseUrl', 'repository', 'workflow', 'inputs'],
  ...['context', 'namespace', 'deployment'],
  ...['stack', 'host', 'directory'],
];

function clippedJson(value: unknown): string {
  return JSON.stringify(value ?? null).slice(0, 200);
}
