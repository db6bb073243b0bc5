/** Where a person sees a run. Pure. */
import type { Info } from '@temporalio/activity';

/** @param temporalUi as in `Settings`; the form is the same for Temporal's own UI and for Temporal Cloud */
export function linkToRun(
  temporalUi: string,
  {
    workflowNamespace: namespace,
    workflowExecution: run,
  }: Pick<Info, 'workflowNamespace' | 'workflowExecution'>,
): string | undefined {
  if (!run || !namespace) return undefined;
  const path = ['namespaces', namespace, 'workflows', run.workflowId, run.runId, 'history'];
  return [temporalUi, ...path.map((part) => encodeURIComponent(part))].join('/');
}
