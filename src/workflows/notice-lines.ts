/** What a notification says of a rollout that has ended or turned round. Pure. */
import type { Diagnostics, Progress } from '../contract/progress.js';
import { clip } from './progress.js';
import { isTicked, tickOf } from './ticks.js';

const MOST_LINES = 60;
const LONGEST_LINE = 200;

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
