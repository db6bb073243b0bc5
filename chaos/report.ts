/** A run in words, and the table in docs/reliability.md. Pure. */
import type { RunResult } from './run.js';
import type { DrawnStep, Fault, Schedule } from './schedule.js';

const BEGIN = '<!-- chaos: written by npm run chaos -- --write -->';
const END = '<!-- chaos: end -->';

/** One line of a run that held; of one that did not, all that is needed to look into it. */
export function describeRun(run: RunResult): string[] {
  const { seed, end, seconds, faults, struck, summary, answered } = run;
  const met = struck.map(({ fault, failed }) => (failed ? `${fault.name} (could not be done)` : fault.name));
  const line = `seed ${seed}: ${end} in ${seconds.toFixed(1)} s, met ${met.join(', ') || 'nothing'}`;
  if (faults.length === 0) return [line];
  return [
    `${line}: DID NOT HOLD`,
    ...faults.map((fault) => `  did not hold: ${fault}`),
    ...describeSchedule(run.schedule).map((each) => `  ${each}`),
    ...struck.map(
      ({ fault, afterMs, failed }) =>
        `  struck after ${afterMs} ms: ${fault.name}${failed ? `: ${failed}` : ''}`,
    ),
    `  answered: ${answered.join(', ') || 'nothing'}`,
    ...summary.map((each) => `  ${each}`),
    `  again: npm run chaos -- --runs 1 --seed ${seed}`,
  ];
}

export function describeSchedule({ stages, ending, faults, deadlineMs, ...rest }: Schedule): string[] {
  return [
    ...stages.map(
      ({ name, steps }) => `stage ${name}: ${steps.map(describeStep).join(', ')}, gate ${ending}`,
    ),
    ...(deadlineMs === undefined ? [] : [`deadline ${deadlineMs} ms`]),
    ...faults.map((fault) => `drawn: ${describeFault(fault)}`),
    `when stuck: ${rest.whenStuck}; when asked: ${rest.whenAsked}; away for ${rest.awayMs} ms`,
  ];
}

function describeStep({ kind, ...rest }: DrawnStep): string {
  const details = Object.entries(rest).map(([name, value]) => `${name} ${JSON.stringify(value)}`);
  return details.length === 0 ? kind : `${kind} (${details.join(', ')})`;
}

function describeFault({ name, at, stage, times, forMs, same }: Fault): string {
  const moment =
    'fact' in at ? `at "${at.fact}"${at.nth > 1 ? `, time ${at.nth}` : ''}` : `after ${at.afterMs} ms`;
  return `${name} ${moment}${stage ? ` in ${stage}` : ''} (times ${times}, for ${forMs} ms, same ${same})`;
}

/** @throws Error when the text has no marks */
export function replaceTable(
  text: string,
  { table, verdict, seed, results }: { table: string; verdict: string; seed: number; results: RunResult[] },
): string {
  const [before, rest] = split(text, BEGIN);
  const [, after] = split(rest, END);
  const seconds = results.map((result) => result.seconds).sort((a, b) => a - b);
  const median = seconds[Math.floor(seconds.length / 2)] ?? 0;
  const largest = Math.max(...results.map(({ largestPayloadBytes }) => largestPayloadBytes));
  const facts = `**${verdict}**: \`npm run chaos -- --runs ${results.length} --seed ${seed}\`, median ${median.toFixed(0)} s a run, the longest ${(seconds.at(-1) ?? 0).toFixed(0)} s; largest payload of a history ${largest} bytes.`;
  return `${before}${BEGIN}\n\n${facts}\n\n${table}\n\n${END}${after}`;
}

function split(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  if (at < 0) throw new Error(`there is no "${mark}" to write behind`);
  return [text.slice(0, at), text.slice(at + mark.length)];
}
