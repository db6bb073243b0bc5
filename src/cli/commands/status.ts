/** `status` and `list`: how it stands now. */
import type { RolloutState } from '../../client.js';
import { type Context, exitCodeOf } from '../context.js';
import { withClient } from '../loading.js';
import { renderChecklist } from '../render/checklist.js';
import { diffProgress, outcomeLine } from '../render/events.js';
import { paintIf } from '../render/paint.js';
import { renderTable } from '../render/table.js';

export async function status({ output }: Context, rollout: string): Promise<number> {
  const state = await withClient((headgate) => headgate.describe(rollout));
  const paint = paintIf(output.color);
  // Not cut: the commands that it names are to be copied.
  const columns = Number.POSITIVE_INFINITY;
  for (const line of renderChecklist(state, { paint, columns, nowMs: Date.now() })) {
    output.print(line);
  }
  for (const warning of state.progress?.warnings ?? [])
    output.print(`  ${paint.yellow(`warning: ${warning}`)}`);
  if (state.progress) {
    for (const line of diffProgress(undefined, state.progress)) output.line(line);
    output.line(outcomeLine(state.progress, exitCodeOf(state.temporalStatus, state.progress)));
  } else {
    const { application, runId, temporalStatus } = state;
    output.line({ type: 'outcome', application, runId, status: temporalStatus.toLowerCase() });
  }
  return 0;
}

export async function list({ output }: Context): Promise<number> {
  const states = await withClient((headgate) => headgate.list());
  for (const state of states) {
    const { application, runId, version, startedBy, startedAt, closedAt } = state;
    const data = { version, startedBy, startedAt, closedAt };
    output.line({ type: 'rollout', application, runId, status: wordOf(state), data });
  }
  if (states.length === 0) output.print('There is no rollout.');
  else output.print(renderTable(['rollout', 'version', 'status', 'by', 'started'], states.map(toRow)));
  return 0;
}

function toRow(state: RolloutState): string[] {
  const { application, runId, version, startedBy, startedAt } = state;
  return [
    `${application}/${runId}`,
    version,
    wordOf(state),
    startedBy,
    startedAt.toISOString().slice(0, 19).replace('T', ' '),
  ];
}

function wordOf({ progress, temporalStatus }: RolloutState): string {
  if (progress?.outcome) return progress.outcome;
  return temporalStatus === 'RUNNING' ? (progress?.phase ?? 'starting') : temporalStatus.toLowerCase();
}
