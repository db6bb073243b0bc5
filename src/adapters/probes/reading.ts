/** Asking a tool on behalf of a probe: in time, and what it means when the tool cannot tell. */
import type { NoSample } from './endpoint.js';

export interface Reading<T> {
  kind: 'read';
  value: T;
}

/**
 * What `read` gives; an `error` when it rejects or is not done in time. Rejects only with the signal's reason. A tool
 * that takes no signal is left behind with what it is still doing.
 */
export async function readInTime<T>(
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
  read: (end: AbortSignal) => Promise<T>,
): Promise<Reading<T> | NoSample> {
  signal.throwIfAborted();
  // In a variable: a timeout that nothing but `any` knows is collected, and never comes.
  const late = AbortSignal.timeout(timeoutMs);
  const end = AbortSignal.any([signal, late]);
  try {
    return { kind: 'read', value: await orAborted(read(end), end) };
  } catch (error) {
    signal.throwIfAborted();
    if (late.aborted) return { kind: 'error', message: `no answer within ${timeoutMs} ms` };
    return { kind: 'error', message: error instanceof Error ? error.message : String(error) };
  }
}

async function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = () => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
