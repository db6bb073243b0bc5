/** Regular expressions of a plan over what others wrote: bounded in time, because with some of them a match never ends. */
import { createContext, Script } from 'node:vm';

/** Everything else on the worker waits meanwhile. What does not backtrack badly takes milliseconds. */
const LONGEST_MS = 1_000;
/** So long one that was too slow is not tried again: a probe asks every second. */
const SHUNNED_MS = 60_000;
const MOST_SHUNNED = 1_000;

export class SlowPatternError extends Error {
  override readonly name = 'SlowPatternError';

  constructor() {
    super(
      'the pattern backtracks without end on what was found: write it without a repetition inside a repetition, such as (a+)+ or (a|a)*',
    );
  }
}

const context = createContext(Object.create(null));
const script = new Script('run()');
const shunned = new Map<string, number>();

/**
 * What `work` gives, which does nothing but match `pattern`. It may be broken off at any place.
 * @throws SlowPatternError when it takes longer than a second, and for a minute afterwards at once
 */
export function matchInTime<T>(pattern: RegExp, work: () => T): T {
  if ((shunned.get(pattern.source) ?? 0) > Date.now()) throw new SlowPatternError();
  const results: T[] = [];
  context.run = () => {
    results.push(work());
  };
  try {
    script.runInContext(context, { timeout: LONGEST_MS });
  } catch (error) {
    if (!isTimeout(error)) throw error;
    shun(pattern.source);
  } finally {
    context.run = undefined;
  }
  for (const result of results) return result;
  throw new SlowPatternError();
}

function shun(source: string): void {
  shunned.delete(source);
  shunned.set(source, Date.now() + SHUNNED_MS);
  const [oldest] = shunned.keys();
  if (shunned.size > MOST_SHUNNED && oldest !== undefined) shunned.delete(oldest);
}

/** It is an Error of the other context. */
function isTimeout(error: unknown): boolean {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
  );
}
