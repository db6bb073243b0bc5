/** One figure out of a window of samples. Pure. */
import type { Aggregate } from '../../plan/resolved.js';

/**
 * Percentiles are by nearest rank, so the figure is one that was measured: of twelve samples p95 is the largest.
 * @returns NaN for an empty window, which no condition is ever met by
 */
export function aggregateWindow(window: number[], aggregate: Aggregate): number {
  if (window.length === 0) return Number.NaN;
  const sum = window.reduce((total, value) => total + value, 0);
  switch (aggregate) {
    case 'p50':
      return percentile(window, 0.5);
    case 'p90':
      return percentile(window, 0.9);
    case 'p95':
      return percentile(window, 0.95);
    case 'p99':
      return percentile(window, 0.99);
    case 'max':
      return window.reduce((a, b) => Math.max(a, b));
    case 'min':
      return window.reduce((a, b) => Math.min(a, b));
    case 'mean':
      return sum / window.length;
    case 'sum':
      return sum;
    case 'last':
      return window.at(-1) ?? Number.NaN;
  }
}

function percentile(window: number[], share: number): number {
  const sorted = [...window].sort((a, b) => a - b);
  return sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN;
}
