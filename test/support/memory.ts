/** How much memory a piece of work holds at its worst. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

export const MIB = 1024 * 1024;
const EVERY_MS = 50;

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

export interface Held<T> {
  result: T;
  /** What of this process' heap and buffers was in use at its highest, less what was before, in MiB. */
  heldMiB: number;
}

/** Without what the collector has not got round to: that depends on the machine, and not on the work. */
export async function measureHeld<T>(work: () => Promise<T>): Promise<Held<T>> {
  const before = inUse();
  let highest = before;
  const timer = setInterval(() => {
    highest = Math.max(highest, inUse());
  }, EVERY_MS);
  try {
    const result = await work();
    highest = Math.max(highest, inUse());
    return { result, heldMiB: Math.round((highest - before) / MIB) };
  } finally {
    clearInterval(timer);
  }
}

function inUse(): number {
  collect();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
