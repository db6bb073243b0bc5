/** What a monitor has counted, and when that is too much. Pure. */
import type { ProbeTally, SamplerState } from '../../contract/activities.js';
import { fitMeasurements, sizeOf } from '../../contract/fit.js';
import type { Measurement } from '../../contract/progress.js';
import type { Json, ProbeLimits } from '../../plan/resolved.js';

/** Of all that is handed on: a step with its probes stands beside it in what the next window is given. */
const LARGEST_COUNTS = 9 * 1024;
/** Of all cursors together; windows give way to them. */
const LARGEST_CURSORS = 3 * 1024;
const LARGEST_MEASUREMENTS = 4 * 1024;
const LARGEST_BREACH = 1024;
const DIGITS = 9;
/** `-1.23456789e-10,` */
const BYTES_PER_VALUE = 16;
const LONGEST_WINDOW = 60;

export function newTally(nextDueMs: number): ProbeTally {
  return {
    taken: 0,
    pass: 0,
    fail: 0,
    inconclusive: 0,
    error: 0,
    consecutiveFailures: 0,
    consecutiveErrors: 0,
    windows: {},
    nextDueMs,
  };
}

/**
 * Only a pass ends a row of failures: an error in between is no sign that it holds again. Any answer ends a row of
 * errors.
 */
export function count(tally: ProbeTally, measurement: Measurement): ProbeTally {
  const { outcome } = measurement;
  const failures = outcome === 'fail' ? tally.consecutiveFailures + 1 : tally.consecutiveFailures;
  return {
    ...tally,
    taken: tally.taken + 1,
    [outcome]: tally[outcome] + 1,
    consecutiveFailures: outcome === 'pass' ? 0 : failures,
    consecutiveErrors: outcome === 'error' ? tally.consecutiveErrors + 1 : 0,
    last: measurement,
  };
}

/**
 * A limit is what is still tolerated; one more breaches it. A probe without any limit of failures tolerates none.
 * @returns the limit in words, or undefined while everything is tolerated
 */
export function breachedLimit(tally: ProbeTally, limits: ProbeLimits): string | undefined {
  const { consecutiveFailureLimit, inconclusiveLimit, consecutiveErrorLimit } = limits;
  const failureLimit = limits.failureLimit ?? (consecutiveFailureLimit === undefined ? 0 : undefined);
  if (tally.last?.outcome === 'fail' && exceeds(tally.consecutiveFailures, consecutiveFailureLimit)) {
    return `consecutiveFailureLimit ${consecutiveFailureLimit} (${tally.consecutiveFailures} failures in a row)`;
  }
  if (exceeds(tally.fail, failureLimit)) return `failureLimit ${failureLimit} (${tally.fail} failures)`;
  if (exceeds(tally.inconclusive, inconclusiveLimit)) {
    return `inconclusiveLimit ${inconclusiveLimit} (${tally.inconclusive} inconclusive)`;
  }
  if (exceeds(tally.consecutiveErrors, consecutiveErrorLimit)) {
    return `consecutiveErrorLimit ${consecutiveErrorLimit} (${tally.consecutiveErrors} errors in a row)`;
  }
  return undefined;
}

/** What a followed probe says passes between two samples: it counts nothing, but ends what was in a row. */
export function note(tally: ProbeTally, measurement: Measurement): ProbeTally {
  const { outcome } = measurement;
  return {
    ...tally,
    consecutiveFailures: outcome === 'pass' ? 0 : tally.consecutiveFailures,
    consecutiveErrors: outcome === 'error' ? tally.consecutiveErrors : 0,
    last: measurement,
  };
}

function exceeds(found: number, limit: number | undefined): boolean {
  return limit !== undefined && found > limit;
}

/**
 * Keeps the state within 16 KB, in place: figures to nine digits, windows of 60 values (fewer when more than eight
 * paths are aggregated), messages cut, cursors dropped that are too large.
 */
export function fitState(state: SamplerState): void {
  const tallies = Object.values(state.tallies);
  const cursors = fitCursors(tallies);
  const fences = sizeOf([state.fences, state.tainted]);
  const counts = sizeOf(tallies.map(({ windows: _w, last: _l, cursor: _c, ...rest }) => rest));
  const windows = tallies.reduce((sum, tally) => sum + Object.keys(tally.windows).length, 0);
  const longest = Math.min(
    LONGEST_WINDOW,
    Math.floor((LARGEST_COUNTS - cursors - fences - counts) / BYTES_PER_VALUE / Math.max(1, windows)),
  );
  const last = tallies.flatMap((tally) => (tally.last ? [tally.last] : []));
  const fitted = new Map(fitMeasurements(last, LARGEST_MEASUREMENTS).map((each) => [each.probe, each]));
  for (const tally of tallies) {
    if (tally.last) tally.last = fitted.get(tally.last.probe);
    for (const [address, values] of Object.entries(tally.windows)) {
      tally.windows[address] = values.slice(-Math.max(1, longest)).map(roundFigure);
    }
  }
  const { breach } = state;
  if (breach)
    breach.measurement = fitMeasurements([breach.measurement], LARGEST_BREACH)[0] ?? breach.measurement;
}

/** The largest go first. @returns bytes of those that are kept */
function fitCursors(tallies: ProbeTally[]): number {
  let bytes = tallies.reduce((sum, { cursor }) => sum + sizeOfCursor(cursor), 0);
  while (bytes > LARGEST_CURSORS) {
    const largest = tallies.reduce((a, b) => (sizeOfCursor(b.cursor) > sizeOfCursor(a.cursor) ? b : a));
    bytes -= sizeOfCursor(largest.cursor);
    largest.cursor = null;
  }
  return bytes;
}

function sizeOfCursor(cursor: Json | undefined): number {
  return cursor === undefined || cursor === null ? 0 : sizeOf(cursor);
}

function roundFigure(value: number): number {
  return Number.isSafeInteger(value) ? value : Number(value.toPrecision(DIGITS));
}
