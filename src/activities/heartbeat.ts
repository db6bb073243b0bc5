/** Heartbeats carry progress to `watch`, state over a crash, and a cancel back to us. */
import { Context } from '@temporalio/activity';

const EVERY_MS = 1000;

/** Beats at once and then every second, with what `details` says at that moment, as long as `work` takes. */
export async function withHeartbeat<T>(
  details: () => unknown,
  work: (signal: AbortSignal, beat: () => void) => Promise<T>,
): Promise<T> {
  const context = Context.current();
  const beat = () => context.heartbeat(details());
  beat();
  const timer = setInterval(beat, EVERY_MS);
  try {
    return await work(context.cancellationSignal, beat);
  } finally {
    clearInterval(timer);
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
