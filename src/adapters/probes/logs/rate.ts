/** How often lines match now, against the hour before the change. Pure. */
import type { NoSample } from '../endpoint.js';
import type { LogCount } from './line-counter.js';

const MINUTE_MS = 60_000;
const HOUR_MINUTES = 60;
const NOW_MINUTES = 5;
/** A log that reaches back less far says nothing of before. */
const SHORTEST_REACH_MINUTES = 0.5;
/** One line in the hour before: below that nothing can be compared, and a single new line would be infinitely more. */
const LOWEST_BEFORE = 1 / HOUR_MINUTES;

export type Ratio = { kind: 'ratio'; value: number } | NoSample;

/**
 * Lines a minute in the last five minutes (since the start, if that is later), over lines a minute in the hour
 * before the start, or in as much of it as the log reaches back to.
 */
export function rateRatio(count: LogCount, startedAtMs: number | undefined, nowMs: number): Ratio {
  if (startedAtMs === undefined) return unknown('nothing says when the change began');
  if (count.oldest === undefined)
    return unknown('its lines carry no time, so before and after look the same');
  const reachMinutes = (startedAtMs - Date.parse(count.oldest)) / MINUTE_MS;
  if (reachMinutes < SHORTEST_REACH_MINUTES) {
    return unknown(`it begins at ${count.oldest}, less than half a minute before the change`);
  }
  const before = Math.max(count.before / Math.min(reachMinutes, HOUR_MINUTES), LOWEST_BEFORE);
  const fromMs = Math.max(startedAtMs, nowMs - NOW_MINUTES * MINUTE_MS);
  const minutes = Math.max((nowMs - fromMs) / MINUTE_MS, 1);
  const fromMinute = Math.floor(fromMs / MINUTE_MS);
  const recent = [...count.byMinute].filter(([minute]) => minute >= fromMinute);
  const now = recent.reduce((sum, [, lines]) => sum + lines, 0) / minutes;
  return { kind: 'ratio', value: now / before };
}

function unknown(why: string): NoSample {
  return { kind: 'inconclusive', message: `the log cannot be compared with the hour before: ${why}` };
}
