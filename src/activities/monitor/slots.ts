/** When samples are due. Pure. */
import type { MonitoredProbe } from '../../plan/resolved.js';

/** The slot that is open now, or the next one: never one that has passed, never one that was taken. */
export function openSlot(
  probe: Pick<MonitoredProbe, 'limits'>,
  startedAtMs: number,
  nextDueMs: number,
  nowMs: number,
): number {
  return Math.max(nextDueMs, slotAt(probe, startedAtMs, nowMs));
}

/** When the slot began that `nowMs` lies in; before the first one, when that begins. */
export function slotAt(
  { limits: { initialDelayMs, intervalMs } }: Pick<MonitoredProbe, 'limits'>,
  startedAtMs: number,
  nowMs: number,
): number {
  const firstMs = startedAtMs + initialDelayMs;
  return Math.max(firstMs, firstMs + Math.floor((nowMs - firstMs) / intervalMs) * intervalMs);
}
