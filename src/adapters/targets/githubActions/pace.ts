/** How long things are waited for; only tests have another pace. */
import { setTimeout as wait } from 'node:timers/promises';

export interface Pace {
  /** From one look at a run to the next, at most; the first ones come sooner. */
  pollMs: number;
  /** Until what was kept has certainly left the worker, so that a next attempt knows of the dispatch. */
  durableMs: number;
  /** How long a run may take to appear in the list. */
  visibleMs: number;
  /** How long a look at a run that is followed may fail. */
  patienceMs: number;
  /** A cancelled run that goes on is ended by force. */
  forceAfterMs: number;
  /** A run that does not end for so long after its cancel is left to people. */
  cancelWithinMs: number;
  /** How long the application may go on telling the old version after its run has succeeded. */
  switchMs: number;
  /** Below what one attempt of a deploy may last. */
  longestRunMs: number;
}

export const PACE: Pace = {
  pollMs: 5_000,
  durableMs: 1_500,
  visibleMs: 60_000,
  patienceMs: 10 * 60_000,
  forceAfterMs: 60_000,
  cancelWithinMs: 2 * 60_000,
  switchMs: 60_000,
  longestRunMs: 110 * 60_000,
};

/** @throws the signal's reason */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await wait(ms, undefined, { signal });
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
}

/** Delays that grow from a fifth of the longest to it. */
export function* growingDelays(longestMs: number): Generator<number, never> {
  for (let ms = longestMs / 5; ; ms = Math.min(ms * 1.5, longestMs)) yield ms;
}
