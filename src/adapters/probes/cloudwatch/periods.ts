/** Which periods of a metric are asked for, and which datum counts. Pure. */

export interface Span {
  /** Epoch ms, the beginning of a period. */
  fromMs: number;
  /** Epoch ms, exclusive: the end of a period. */
  untilMs: number;
}

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;
/** Figures go on arriving for a while after a period has ended; judged at once, its last minute would be missing. */
const LONGEST_SETTLING_MS = MINUTE_MS;
const LATEST_MS = 5 * MINUTE_MS;
/** The most that CloudWatch gives at once. */
const MOST_DATA = 1440;

/**
 * The complete periods whose datum would still be fresh: they ended at most two periods and five minutes ago, and
 * long enough ago to be whole.
 */
export function freshSpan(periodMs: number, nowMs: number): Span {
  const untilMs = floorTo(nowMs - Math.min(periodMs, LONGEST_SETTLING_MS), periodMs);
  const oldestEndMs = nowMs - 2 * periodMs - LATEST_MS;
  return { fromMs: Math.ceil(oldestEndMs / periodMs) * periodMs - periodMs, untilMs };
}

/** As far back as it makes sense to say since when there is nothing: a day, or what CloudWatch keeps and gives. */
export function longSpan(periodMs: number, nowMs: number): Span {
  const fresh = freshSpan(periodMs, nowMs);
  const keptMs = periodMs < MINUTE_MS ? 3 * HOUR_MS : 24 * HOUR_MS;
  const backMs = Math.min(keptMs, MOST_DATA * periodMs);
  return { ...fresh, fromMs: Math.min(fresh.fromMs, floorTo(fresh.untilMs - backMs, periodMs)) };
}

function floorTo(ms: number, stepMs: number): number {
  return Math.floor(ms / stepMs) * stepMs;
}
