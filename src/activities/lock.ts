/** Who holds a resource: the memo of the lock's workflow says it. */
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import type { HeadgateActivities, LockHolder } from '../contract/activities.js';
import { lockWorkflowId } from '../contract/messages.js';

export interface LockDeps {
  client: Pick<Client, 'workflow'>;
}

export function createLockActivities({ client }: LockDeps) {
  return {
    async describeLockHolder({ resource }): Promise<LockHolder | null> {
      try {
        const lock = await client.workflow.getHandle(lockWorkflowId(resource)).describe();
        if (lock.status.name !== 'RUNNING') return null;
        const { application, runId, startedBy } = lock.memo ?? {};
        return {
          application: textOr(application, 'an unnamed application'),
          runId: textOr(runId, 'an unnamed run'),
          startedBy: textOr(startedBy, 'somebody'),
          since: lock.startTime.toISOString(),
        };
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return null;
        throw error;
      }
    },
  } satisfies Pick<HeadgateActivities, 'describeLockHolder'>;
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise;
}
