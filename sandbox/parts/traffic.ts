/** A little traffic on production, so that a monitor watches a service that is used. */
import { setTimeout as sleep } from 'node:timers/promises';

const PAUSE_MS = 300;
const TIMEOUT_MS = 5_000;

export interface RunningTraffic {
  /** Requests so far, and those that did not answer 200. */
  counts(): { sent: number; failed: number };
  stop(): Promise<void>;
}

export function startTraffic(address: string): RunningTraffic {
  const abort = new AbortController();
  const counts = { sent: 0, failed: 0 };
  const ended = send(address, counts, abort.signal);
  return {
    counts: () => ({ ...counts }),
    stop: async () => {
      abort.abort();
      await ended;
    },
  };
}

async function send(
  address: string,
  counts: { sent: number; failed: number },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    counts.sent += 1;
    const ok = await ask(`${address}/api/availability`, signal);
    if (!ok && !signal.aborted) counts.failed += 1;
    await sleep(PAUSE_MS, undefined, { signal }).catch(() => {});
  }
}

async function ask(url: string, signal: AbortSignal): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]) });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}
