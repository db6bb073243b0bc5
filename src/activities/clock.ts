/** Wall-clock and waiting, handed in so that tests of an hour take no hour. */
import { setTimeout as wait } from 'node:timers/promises';

export interface Clock {
  /** Epoch ms. */
  now(): number;
  /** Rejects with the signal's reason. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: Date.now,
  async sleep(ms, signal) {
    try {
      await wait(Math.max(0, ms), undefined, { signal });
    } catch (error) {
      throw signal.aborted ? signal.reason : error;
    }
  },
};
