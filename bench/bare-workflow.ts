/**
 * The yardstick of the overhead: as many activities as a rollout, one after the other, with the options of
 * src/workflows/activity-options.ts (`quick` and `measuring`), and nothing else.
 */
import { ActivityCancellationType, proxyActivities } from '@temporalio/workflow';
import { BARE_LONG_TASK_QUEUE, type BareActivities, type BareActivity } from './bare-contract.js';

const cancellationType = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED;

const short = proxyActivities<BareActivities>({
  startToCloseTimeout: '30s',
  retry: { maximumAttempts: 6, maximumInterval: '15s' },
  cancellationType,
});

const long = proxyActivities<BareActivities>({
  taskQueue: BARE_LONG_TASK_QUEUE,
  startToCloseTimeout: '7m',
  heartbeatTimeout: '10s',
  retry: { maximumAttempts: 10, maximumInterval: '10s' },
  cancellationType,
});

export async function bare(activities: BareActivity[]): Promise<void> {
  for (const activity of activities) {
    await (activity === 'long' ? long : short).doNothing();
  }
}
