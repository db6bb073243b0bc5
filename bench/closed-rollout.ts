/** A rollout that has closed, as the server keeps it. */
import type { WorkflowHandle } from '@temporalio/client';
import type { History } from '../test/support/histories.js';

export interface ClosedRollout {
  history: History;
  /** As `describe` counts them. */
  events: number;
  bytes: number;
}

export async function readClosed(handle: WorkflowHandle): Promise<ClosedRollout> {
  const { historyLength, historySize = 0 } = await handle.describe();
  return { history: await handle.fetchHistory(), events: historyLength, bytes: historySize };
}
