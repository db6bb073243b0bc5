/** The crash matrix as a table: a line per subject, a column per moment. */
import type { StepKind } from '../../src/plan/resolved.js';
import { type Cell, MOMENTS, type Moment, type Subject } from './crash-kind.js';

/** @param held seconds of the cells that held */
export function renderMatrix(
  subjects: { kind: StepKind; subject: Subject }[],
  cells: Cell[],
  held: ReadonlyMap<Cell, number>,
): string {
  const textOf = (subject: Subject, moment: Moment) => {
    if (moment === 'undo' && typeof subject.undo === 'string') return 'not applicable';
    const own = cells.filter((cell) => cell.subject === subject && cell.moment === moment);
    if (own.length === 0) return '';
    const seconds = own.flatMap((cell) => held.get(cell) ?? []);
    const times = seconds.map((each) => `${each.toFixed(0)} s`).join(', ');
    return seconds.length === own.length
      ? `${own.length} held (${times})`
      : `${seconds.length} of ${own.length} held`;
  };
  const rows = [
    ['killed', ...MOMENTS],
    ...subjects.map(({ subject }) => [subject.name, ...MOMENTS.map((moment) => textOf(subject, moment))]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  const lines = rows.map((row) =>
    row
      .map((text, column) => text.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const inapplicable = subjects.filter(({ subject }) => typeof subject.undo === 'string').length;
  return `${lines.join('\n')}\n${held.size} of ${cells.length} cells held, ${inapplicable} not applicable`;
}
