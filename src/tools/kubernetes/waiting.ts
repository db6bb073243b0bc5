/** Waits for a fact of the cluster: looked at when something has changed, and every few seconds all the same. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './client.js';
import { statusOfError } from './errors.js';
import type { Kind } from './kinds.js';

/** What rings when it changes. */
export interface Watched {
  kind: Kind;
  labelSelector?: string;
  fieldSelector?: string;
}

/** A watch that tells nothing, or that may not be made, costs time and never the fact. */
const POLL_MS = 2_000;
/** Changes come in crowds. */
const SHORTEST_GAP_MS = 50;
const REOPEN_MS = 1_000;

/**
 * @param look returns undefined as long as the fact is not there; what it throws ends the waiting
 * @throws the signal's reason
 */
export async function waitForFact<T>(
  { cluster, namespace, signal }: { cluster: Cluster; namespace: string; signal: AbortSignal },
  watched: Watched[],
  look: () => Promise<T | undefined>,
): Promise<T> {
  const first = await look();
  if (first !== undefined) return first;
  const end = new AbortController();
  const bell = new Bell();
  const watches = watched.map((each) => ring(cluster, namespace, each, bell, end.signal));
  try {
    for (;;) {
      await bell.wait(POLL_MS, signal);
      await sleep(SHORTEST_GAP_MS, undefined, { signal });
      const fact = await look();
      if (fact !== undefined) return fact;
    }
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    end.abort();
    await Promise.all(watches);
  }
}

class Bell {
  #hasRung = false;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#hasRung = true;
    this.#wake?.();
  }

  async wait(longestMs: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#hasRung) {
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, longestMs);
        signal.addEventListener('abort', done, { once: true });
        this.#wake = done;
      });
    }
    this.#hasRung = false;
    signal.throwIfAborted();
  }
}

/** Never throws. */
async function ring(
  cluster: Cluster,
  namespace: string,
  { kind, ...query }: Watched,
  bell: Bell,
  end: AbortSignal,
): Promise<void> {
  while (!end.aborted) {
    try {
      for await (const _ of cluster.watch(kind, namespace, query, end)) bell.ring();
    } catch (error) {
      // Without the right to watch there is the right to look.
      if (statusOfError(error) === 403) return;
    }
    await sleep(REOPEN_MS, undefined, { signal: end }).catch(() => {});
  }
}
