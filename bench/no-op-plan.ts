/** A rollout that changes nothing, and the activities that it runs. */
import type { WorkflowHandle } from '@temporalio/client';
import { LONG_TASK_QUEUE } from '../src/contract/messages.js';
import type { ResolvedPlan, SecretStep } from '../src/plan/resolved.js';
import { planOf, secretStep } from '../test/support/plans.js';
import type { BareActivity } from './bare-contract.js';

export const STEPS = 12;

/**
 * Steps that look, act, read back and settle in a world in memory.
 * @param resources on how many resources they work; a rollout holds a lock on each
 */
export function planOfNothing(name: string, resources: number): ResolvedPlan {
  const steps = Array.from({ length: STEPS }, (_, index): SecretStep => {
    const step = secretStep('production');
    const id = `settings-${index + 1}`;
    const awsSecretsManager = { id: `app/${index % resources}`, region: 'us-east-1' };
    return { ...step, id, name: `production/${id}`, config: { ...step.config, awsSecretsManager } };
  });
  return planOf(`bench-${name}`, [{ name: 'production', steps }]);
}

/** The activities of a closed workflow, in their order, by queue. */
export async function readActivities(handle: WorkflowHandle): Promise<BareActivity[]> {
  const { events } = await handle.fetchHistory();
  return (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: scheduled }): BareActivity[] => {
    if (!scheduled) return [];
    return [scheduled.taskQueue?.name === LONG_TASK_QUEUE ? 'long' : 'short'];
  });
}
