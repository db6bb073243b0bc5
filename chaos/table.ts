/** What was injected, how often, how the runs ended and what held. Pure. */
import type { RunResult } from './run.js';
import type { FaultName } from './schedule.js';

/** Beside the faults of `FaultName`: what the plan itself, or whoever answers it, brings about. */
type Cause =
  | FaultName
  | 'last gate fails'
  | 'approval rejected'
  | 'approval never answered'
  | typeof TOGETHER
  | 'deadline passes'
  | 'nothing that struck';

const TOGETHER = 'approve and abort together';

const HEADER = [
  'fault',
  'struck',
  'in runs',
  'moment never came',
  'promoted',
  'restored',
  'left open and said',
  'held',
];

interface Row {
  struck: number;
  missed: number;
  runs: RunResult[];
}

export function renderTable(results: RunResult[]): string {
  const rows = new Map<Cause, Row>();
  const rowOf = (cause: Cause) => {
    const row = rows.get(cause) ?? { struck: 0, missed: 0, runs: [] };
    rows.set(cause, row);
    return row;
  };
  for (const result of results) {
    const causes = causesOf(result);
    for (const cause of causes.struck) rowOf(cause).struck += 1;
    for (const cause of new Set(causes.struck)) rowOf(cause).runs.push(result);
    for (const cause of causes.missed) rowOf(cause).missed += 1;
  }
  const lines = [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([cause, row]) => cellsOf(cause, row));
  const all = cellsOf('all', {
    struck: sum([...rows.values()].map(({ struck }) => struck)),
    missed: sum([...rows.values()].map(({ missed }) => missed)),
    runs: results,
  });
  return [HEADER, HEADER.map(() => '---'), ...lines, all]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}

export function renderVerdict(results: RunResult[]): string {
  const held = results.filter(({ faults }) => faults.length === 0).length;
  return `${held} of ${results.length} held`;
}

function causesOf({ schedule, struck, stop, answered }: RunResult): {
  struck: Cause[];
  missed: FaultName[];
} {
  const done = struck.filter(({ failed }) => failed === undefined).map(({ fault }) => fault);
  const missed = schedule.faults.filter((fault) => !done.includes(fault)).map(({ name }) => name);
  const own: Cause[] = [];
  if (stop?.kind === 'gate' && stop.step === 'production/gate') own.push('last gate fails');
  if (stop?.kind === 'rejected') own.push('approval rejected');
  if (stop?.kind === 'timeout') own.push('approval never answered');
  if (stop?.kind === 'deadline') own.push('deadline passes');
  if (answered.includes(TOGETHER)) own.push(TOGETHER);
  const all: Cause[] = [...done.map(({ name }) => name), ...own];
  return { struck: all.length > 0 ? all : ['nothing that struck'], missed };
}

function cellsOf(name: string, { struck, missed, runs }: Row): string[] {
  const ended = (...ends: RunResult['end'][]) => String(runs.filter(({ end }) => ends.includes(end)).length);
  const held = runs.filter(({ faults }) => faults.length === 0).length;
  const open = runs.filter(({ leftOpen }) => leftOpen > 0).length;
  return [
    name,
    String(struck),
    String(runs.length),
    String(missed),
    ended('promoted'),
    ended('restored', 'refused'),
    String(open),
    `${held} of ${runs.length}`,
  ];
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
