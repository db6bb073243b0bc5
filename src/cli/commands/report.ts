/** `report`: what was done and measured; from the server, else from the artifacts, without a worker. */
import { ClientError, type RolloutState } from '../../client.js';
import type { Progress } from '../../contract/progress.js';
import { renderReportMarkdown } from '../../platform/report.js';
import { CommandError, type Context, EXIT, exitCodeOf } from '../context.js';
import { withClient } from '../loading.js';
import { outcomeLine } from '../render/events.js';

export async function report(
  context: Context,
  rollout: string,
  { format }: { format: 'md' | 'json' },
): Promise<number> {
  const { output } = context;
  const { progress, temporalStatus, application } = await findReport(context, rollout);
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

type Reported = Pick<RolloutState, 'application' | 'temporalStatus' | 'progress'>;

/** The server forgets a run when its retention has passed, and of one that failed it has only what fits into a memo. */
async function findReport(context: Context, rollout: string): Promise<Reported> {
  try {
    const state = await withClient((headgate) => headgate.describe(rollout));
    if (state.source === 'workflow' || state.temporalStatus === 'RUNNING') return state;
    const progress = await readKept(context, `${state.application}/${state.runId}`);
    return { ...state, progress: progress ?? state.progress };
  } catch (error) {
    if (!(error instanceof ClientError) || error.code !== 'unknown') throw error;
    const progress = await readKept(context, rollout);
    if (!progress) throw error;
    return { application: progress.application, temporalStatus: 'COMPLETED', progress };
  }
}

/** What a worker wrote when the run closed, into a bucket, or a folder that this machine sees too. */
async function readKept({ loadArtifacts, output }: Context, rollout: string): Promise<Progress | undefined> {
  const [application = '', runId] = rollout.split('/');
  if (!runId) return undefined;
  try {
    const text = await (await loadArtifacts()).read({ application, runId }, 'report.json');
    return text === undefined ? undefined : JSON.parse(text);
  } catch (error) {
    output.note(`The kept report cannot be read: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}
