/** Results as Markdown, so that they can be put into docs/performance.md as they are. Pure. */
import type { Machine } from './machine.js';
import type { Breakdown, Row, Spread } from './row.js';

export function renderMachine(machine: Machine, quick: boolean): string {
  const { cores, processor, memoryGb, system, node, temporal, load } = machine;
  const lines = [
    `${cores} cores (${processor}), ${memoryGb} GB, ${system}; Node ${node}; Temporal ${temporal}; load ${figure(load)} before the run`,
    ...(quick ? ['**Quick run: it shows that the benchmark works, not how fast anything is.**'] : []),
  ];
  return lines.join('\n\n');
}

export function renderRows(rows: Row[]): string {
  const header = ['what', 'measured', 'beside', 'ratio', 'reach', 'runs', 'note'];
  return renderTable(
    header,
    rows.map((row) => [
      row.what,
      spread(row.measured, row.unit),
      row.beside ? `${spread(row.beside, row.unit)}, ${row.beside.what}` : '',
      row.ratio === undefined ? '' : `${row.ratio.toFixed(2)} ×`,
      row.reach ? `${row.reach.text}${verdict(row.reach.reached)}` : '',
      String(row.runs),
      row.note ?? '',
    ]),
  );
}

export function renderBreakdown({ title, columns, rows }: Breakdown): string {
  return `${title}\n\n${renderTable(
    columns,
    rows.map((row) => row.map((cell) => (typeof cell === 'number' ? figure(cell) : cell))),
  )}`;
}

function renderTable(header: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

function verdict(reached: boolean | undefined): string {
  return reached === undefined ? '' : reached ? ': reached' : ': **missed**';
}

/** Median, and the tenth and ninetieth percentile where they differ from it. */
function spread({ median, p10, p90 }: Spread, unit: string): string {
  const range = p10 === p90 ? '' : ` (${figure(p10)}–${figure(p90)})`;
  return `${figure(median)} ${unit}${range}`;
}

function figure(value: number): string {
  if (Number.isInteger(value) || Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}
