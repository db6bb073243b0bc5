/** `report`: what was done and measured; from the server alone, without a worker. */
import { renderReportMarkdown } from '../../platform/report.js';
import { CommandError, type Context, EXIT, exitCodeOf } from '../context.js';
import { withClient } from '../loading.js';
import { outcomeLine } from '../render/events.js';

export async function report(
  { output }: Context,
  rollout: string,
  { format }: { format: 'md' | 'json' },
): Promise<number> {
  const { progress, temporalStatus, application } = await withClient((headgate) =>
    headgate.describe(rollout),
  );
  if (!progress) {
    throw new CommandError(
      EXIT.infrastructure,
      'noWorker',
      `No step of ${application} has ended yet, and no worker answers: there is nothing to report.`,
    );
  }
  const text =
    format === 'json' ? JSON.stringify(progress, null, 2) : renderReportMarkdown(progress).trimEnd();
  output.print(text);
  output.line({ type: 'rollout', application, runId: progress.runId, status: 'report', data: progress });
  output.line(outcomeLine(progress, exitCodeOf(temporalStatus, progress)));
  return 0;
}
