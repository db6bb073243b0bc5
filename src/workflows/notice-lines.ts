/** What a notification says of a rollout that has ended or turned round, and what a person may type now. Pure. */
import type { RolloutContext } from '../contract/activities.js';
import { type Asked, commandOf } from '../contract/commands.js';
import type { Diagnostics, Progress } from '../contract/progress.js';
import type { NotifyMoment } from '../plan/resolved.js';
import { clip } from './progress.js';
import { isTicked, tickOf } from './ticks.js';

const MOST_LINES = 60;
const LONGEST_LINE = 200;

/** The likeliest first: what answers a question, else what shows the rollout. */
export function commandsOf(
  { application, runId }: Pick<RolloutContext, 'application' | 'runId'>,
  moment: NotifyMoment,
  asked?: Asked,
): string[] {
  const rollout = `${application}/${runId}`;
  if (asked) return asked.answers.map((answer) => commandOf(answer, rollout, asked));
  return [`headgate ${moment === 'outcome' ? 'report' : 'watch'} ${rollout}`];
}

/** Why it turned round and what to do about it, the ticks of its checklists, where the diagnostics are, what stays as it is. */
export function outcomeLines(progress: Progress): string[] {
  const lines = [
    ...stopLines(progress),
    ...tickLines(progress),
    ...(progress.diagnostics ?? []).map(diagnosticsLine),
    ...progress.left.map((line) => `left: ${line}`),
  ].map((line) => clip(line, LONGEST_LINE));
  if (lines.length <= MOST_LINES) return lines;
  const more = `… and ${lines.length - MOST_LINES} more: headgate report ${progress.application}/${progress.runId}`;
  return [...lines.slice(0, MOST_LINES), more];
}

function stopLines({ stop, undoes }: Progress): string[] {
  return [
    ...(undoes ? [`takes back run ${undoes}`] : []),
    ...(stop ? [stop.message, ...(stop.advice ?? []).map((line) => `advice: ${line}`)] : []),
  ];
}

function tickLines(progress: Progress): string[] {
  return progress.steps.flatMap((step) => {
    const { name, measurements = [] } = step;
    return isTicked(progress, step) ? measurements.map((each) => `${name}: ${tickOf(each)}`) : [];
  });
}

function diagnosticsLine({ stage, release, folder, files, missing, manifestSha256 }: Diagnostics): string {
  const not = missing.length === 0 ? '' : `, ${missing.length} missing`;
  return `diagnostics of ${release} (${stage}): ${folder}, ${files.length} files${not}, manifest sha256 ${manifestSha256.slice(0, 12)}`;
}
