/**
 * One at a time. A lock is a child workflow that does nothing but exist: its id names the resource, the
 * server lets an id run once, and it closes with its parent. Locks are taken in sorted order, so two
 * rollouts can never wait for each other; nobody waits at all: a taken lock refuses the rollout.
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

/** @returns the scope that the locks live in; cancelling it gives them back */
export async function takeLocks(run: Run): Promise<CancellationScope> {
  // Below a shielded scope: a cancel of the rollout must not give the locks back before the undo.
  const scope = await CancellationScope.nonCancellable(async () => new CancellationScope());
  const memo = {
    application: run.context.application,
    runId: run.context.runId,
    startedBy: run.context.startedBy,
  };
  for (const resource of lockedResources(run.plan)) {
    await scope.run(() => takeLock(resource, memo));
  }
  return scope;
}

async function takeLock(resource: string, memo: Record<string, string>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const child = await startChild(LOCK_WORKFLOW, {
        workflowId: lockWorkflowId(resource),
        parentClosePolicy: ParentClosePolicy.TERMINATE,
        cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_REQUESTED,
        memo,
        staticSummary: `held by rollout/${memo.application}`,
      });
      child.result().catch(() => undefined);
      return;
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

/** Sorted, without repetition. */
export function lockedResources(plan: ResolvedPlan): string[] {
  const resources = plan.stages.flatMap((stage) => stage.steps.flatMap(resourceOf));
  return [...new Set(resources)].sort();
}

function resourceOf(step: ResolvedStep): string[] {
  if (step.kind === 'secret') {
    const { id, region } = step.config.awsSecretsManager;
    return [`secret/${region ?? 'default'}/${id}`];
  }
  if (step.kind === 'deploy') {
    return [
      `deployment/${step.config.target}/${step.stage}/${clippedJson(step.config.targetConfig.promote)}`,
    ];
  }
  return [];
}

function clippedJson(value: unknown): string {
  return JSON.stringify(value ?? null).slice(0, 200);
}
