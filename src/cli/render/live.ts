/** What a running activity says of itself in its heartbeats, in a few words. Pure. */
import type { PendingActivity } from '../../client.js';

/** After so long it is worth saying that nobody has taken it. */
const UNTAKEN_MS = 20_000;

/** Absent when there is nothing worth a word. */
export function describeLive(pending: PendingActivity[], nowMs: number): string | undefined {
  const words = pending.flatMap((activity) => describeOne(activity, nowMs) ?? []);
  return words.length === 0 ? undefined : words.join('; ');
}

function describeOne(activity: PendingActivity, nowMs: number): string | undefined {
  const { name, state, attempt, scheduledAt, lastFailure } = activity;
  const waitsMs = scheduledAt ? nowMs - scheduledAt.getTime() : 0;
  if (state === 'scheduled' && attempt === 1 && waitsMs > UNTAKEN_MS) {
    return `nobody has taken ${name} for ${Math.round(waitsMs / 1000)} s: is there a worker? (headgate worker)`;
  }
  if (attempt > 1 && lastFailure) return `${name}, attempt ${attempt}: ${lastFailure}`;
  if (!isRecord(activity.heartbeat)) return undefined;
  if (name === 'runLoadTest') return describeLoadTest(activity.heartbeat);
  return describeDoing(activity.heartbeat) ?? describeSamples(activity.heartbeat);
}

function describeLoadTest(beat: Record<string, unknown>): string | undefined {
  const { elapsedMs, virtualUsers, requests, failedRate, p95Ms } = beat;
  if (typeof elapsedMs !== 'number') return undefined;
  return [
    `k6 ${Math.round(elapsedMs / 1000)} s`,
    `${String(virtualUsers)} VUs`,
    `${String(requests)} requests`,
    ...(typeof failedRate === 'number' ? [`${(failedRate * 100).toFixed(1)} % failed`] : []),
    ...(typeof p95Ms === 'number' ? [`p95 ${Math.round(p95Ms)} ms`] : []),
  ].join(', ');
}

/** Of `infra` and of deploys. */
function describeDoing({ doing, resources, done, total }: Record<string, unknown>): string | undefined {
  if (typeof doing !== 'string' || doing === '') return undefined;
  const named = Array.isArray(resources) && resources.length > 0 ? ` ${resources.join(', ')}` : '';
  const share = typeof total === 'number' && total > 0 ? ` (${String(done)} of ${total})` : '';
  return `${doing}${named}${share}`;
}

function describeSamples({ state }: Record<string, unknown>): string | undefined {
  if (!isRecord(state) || !isRecord(state.tallies)) return undefined;
  const tallies = Object.values(state.tallies).filter(isRecord);
  const sum = (key: string) =>
    tallies.reduce((total, tally) => total + (typeof tally[key] === 'number' ? Number(tally[key]) : 0), 0);
  return `${sum('taken')} samples, ${sum('fail')} failed, ${sum('error') + sum('inconclusive')} without evidence`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
