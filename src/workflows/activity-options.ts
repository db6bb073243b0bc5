/** How long an activity may take, how often it is repeated, and on which queue it runs. */
import { ActivityCancellationType, type ActivityOptions, proxyActivities } from '@temporalio/workflow';
import type { HeadgateActivities } from '../contract/activities.js';
import { LONG_TASK_QUEUE } from '../contract/messages.js';

const MINUTE_MS = 60_000;

/** Mutating activities are waited for when they are cancelled: an undo must not race what it undoes. */
const cancellationType = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED;

/** Reads, and single calls of an API: no heartbeat, so they are short. */
export function quick(summary: string) {
  return activities(
    { startToCloseTimeout: 30_000, retry: { maximumAttempts: 6, maximumInterval: '15s' } },
    summary,
  );
}

/** Target commands may take minutes; heartbeats tell a dead worker within seconds. */
export function effect(summary: string) {
  return activities(
    {
      startToCloseTimeout: 15 * MINUTE_MS,
      heartbeatTimeout: '10s',
      retry: { maximumAttempts: 6, maximumInterval: '15s' },
    },
    summary,
  );
}

/** Infrastructure takes its time: a changed database may be an hour's work. */
const APPLY_MS = 2 * 60 * MINUTE_MS;

export function applying(summary: string) {
  return activities(
    {
      startToCloseTimeout: APPLY_MS,
      heartbeatTimeout: '10s',
      retry: { maximumAttempts: 6, maximumInterval: '15s' },
    },
    summary,
  );
}

/** What may not be repeated by itself. */
export function once(summary: string, forMs: number) {
  return activities(
    {
      startToCloseTimeout: forMs + MINUTE_MS,
      heartbeatTimeout: '10s',
      retry: { maximumAttempts: 1 },
    },
    summary,
  );
}

/** The way back does not wait for it longer than this, whatever becomes of it. */
export function securing(summary: string) {
  return activities(
    {
      startToCloseTimeout: 45_000,
      scheduleToCloseTimeout: MINUTE_MS,
      heartbeatTimeout: '10s',
      retry: { maximumAttempts: 2 },
    },
    summary,
  );
}

/** On the way back there is nothing to lose by trying longer: about three minutes. */
const UNDO_RETRY = { maximumAttempts: 12, maximumInterval: '20s' } as const;

/** Undo by single calls of an API. */
export function undoing(summary: string) {
  return activities({ startToCloseTimeout: 30_000, retry: UNDO_RETRY }, summary);
}

/** Undo by target commands. */
export function undoingEffect(summary: string) {
  return activities(
    { startToCloseTimeout: 15 * MINUTE_MS, heartbeatTimeout: '10s', retry: UNDO_RETRY },
    summary,
  );
}

export function undoingApply(summary: string) {
  return activities({ startToCloseTimeout: APPLY_MS, heartbeatTimeout: '10s', retry: UNDO_RETRY }, summary);
}

/** Holds a slot for as long as it measures, so it has a queue of its own. A lost worker costs an attempt, never the gate. */
export function measuring(summary: string, forMs: number) {
  return activities(
    {
      taskQueue: LONG_TASK_QUEUE,
      startToCloseTimeout: forMs + 2 * MINUTE_MS,
      heartbeatTimeout: '10s',
      retry: { maximumAttempts: 10, maximumInterval: '10s' },
    },
    summary,
  );
}

/** Best effort: repeated until delivered, for a day at most. */
export function notice(summary: string) {
  return activities(
    { startToCloseTimeout: 30_000, scheduleToCloseTimeout: '24h', retry: { maximumInterval: '5m' } },
    summary,
  );
}

function activities(options: ActivityOptions, summary: string) {
  return proxyActivities<HeadgateActivities>({ ...options, cancellationType, summary });
}
