/** What a run has left behind, as the server alone tells it: no worker has to answer, and the run need not be open. */
import { defaultPayloadConverter } from '@temporalio/common';
import type { Deeds, RolloutInput, RolloutMemo } from './contract/inputs.js';
import { rolloutWorkflowId } from './contract/messages.js';
import type { Compensation, Progress } from './contract/progress.js';
import type { ResolvedPlan } from './plan/resolved.js';
import type { TemporalConnection } from './platform/connection.js';

/** Compensations that were never carried out, or were begun and not ended. */
const OPEN: Compensation['status'][] = ['recorded', 'undoing', 'failed'];

/** What can still be taken back; undefined when there is nothing. */
export function openDeeds(memo: Partial<RolloutMemo> | undefined): Deeds | undefined {
  const { deeds, progress } = memo ?? {};
  if (!deeds) return undefined;
  const records = deeds.records.filter(({ step }) => isOpen(progress, step));
  return records.length === 0 ? undefined : { ...deeds, records };
}

/** What the progress does not know yet was begun after the last step that ended. */
function isOpen(progress: Progress | undefined, step: string): boolean {
  const status = progress?.compensations.find((each) => each.step === step)?.status;
  return status === undefined || OPEN.includes(status);
}

/** A run that ended without saying how: terminated, timed out on the server, or broken. */
export function isUnfinished(temporalStatus: string, progress: Progress | undefined): boolean {
  return ['TERMINATED', 'TIMED_OUT', 'FAILED'].includes(temporalStatus) && progress?.outcome === undefined;
}

/** The plan of a run, from the first event of its history. */
export async function readPlan(
  { connection, namespace }: TemporalConnection,
  application: string,
  runId: string,
): Promise<ResolvedPlan> {
  const { history } = await connection.workflowService.getWorkflowExecutionHistory({
    namespace,
    execution: { workflowId: rolloutWorkflowId(application), runId },
    maximumPageSize: 1,
  });
  const [payload] = history?.events?.[0]?.workflowExecutionStartedEventAttributes?.input?.payloads ?? [];
  if (!payload) throw new Error(`the history of ${application}/${runId} does not begin with its plan`);
  return defaultPayloadConverter.fromPayload<RolloutInput>(payload).plan;
}
