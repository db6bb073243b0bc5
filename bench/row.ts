/** A figure of the benchmark, beside what was measured in the same run for comparison. Pure. */

/** Of several runs. */
export interface Spread {
  median: number;
  p10: number;
  p90: number;
}

export interface Row {
  what: string;
  unit: 'ms' | 'events' | 'events/s' | 'KB' | 'requests' | 'samples';
  measured: Spread;
  beside?: Spread & { what: string };
  /** Measured to beside: the median of the pairs' ratios where runs alternate. */
  ratio?: number;
  /** What is to be reached, and whether it was; absent where nothing is. */
  reach?: { text: string; reached?: boolean };
  runs: number;
  note?: string;
}

/** What a figure is made of. */
export interface Breakdown {
  title: string;
  columns: string[];
  rows: (string | number)[][];
}

export interface Result {
  rows: Row[];
  breakdowns?: Breakdown[];
  /** What could not be measured, a sentence each. */
  failures?: string[];
  /** What this machine has no part for, a sentence each. */
  leftOut?: string[];
}

/** @throws TypeError when there are none */
export function spreadOf(values: number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: quantile(sorted, 0.5), p10: quantile(sorted, 0.1), p90: quantile(sorted, 0.9) };
}

/** @param pairs `[measured, beside]`, of runs that alternated */
export function comparePairs(pairs: [number, number][], beside: string) {
  return {
    measured: spreadOf(pairs.map(([measured]) => measured)),
    beside: { what: beside, ...spreadOf(pairs.map(([, other]) => other)) },
    ratio: spreadOf(pairs.map(([measured, other]) => measured / other)).median,
    runs: pairs.length,
  } satisfies Partial<Row>;
}

function quantile(sorted: number[], share: number): number {
  const at = (sorted.length - 1) * share;
  const below = sorted[Math.floor(at)];
  const above = sorted[Math.ceil(at)];
  if (below === undefined || above === undefined) throw new TypeError('no runs');
  return below + (above - below) * (at - Math.floor(at));
}
