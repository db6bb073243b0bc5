/** Whether the holder of a state lock is a process of ours that has ended. In any doubt it is not. */
import { hostname, userInfo } from 'node:os';
import type { StateLock } from './output.js';
import type { FormerRun } from './runs.js';

/** The worker says once a second that a run is there, and the guardian ends it within half a second. */
const SEEN_TOLERANCE_MS = 3_000;
/** Where the system tells when a process has started to the second only. */
const START_TOLERANCE_MS = 1_000;
const OPERATIONS = { plan: 'OperationTypePlan', apply: 'OperationTypeApply' } as const;

/** As terraform writes it: `user@host`; `@host` in a container whose user has no name. */
export function ownName(): string {
  let user = '';
  try {
    user = userInfo().username;
  } catch {
    // No entry for its number: terraform finds none either.
  }
  return `${user}@${hostname()}`;
}

export interface LockFacts {
  who: string;
  /** Of this state. */
  runs: FormerRun[];
  /** Commands of ours that have ended just now because they found the state locked. */
  ended: EndedCommand[];
  /** Processes of this machine that run terraform or tofu, whoever has started them. */
  running: { startedAtMs: number }[];
}

export interface EndedCommand {
  command: 'plan' | 'apply';
  startedAtMs: number;
  endedAtMs: number;
}

/**
 * True only when all of it holds: the lock bears our user and machine; it was taken while a command of ours was doing
 * just that, and that has ended (with its worker, or before our eyes: a lock whose answer was lost on the way is asked
 * for again by the backend, which then finds its own); nothing of ours works on this state; and no terraform of anybody
 * on this machine is old enough to be the holder.
 */
export function isHolderDead(lock: StateLock, { who, runs, ended, running }: LockFacts): boolean {
  const { createdMs, operation } = lock;
  if (lock.who !== who || createdMs === undefined) return false;
  if (runs.some(({ state, command }) => state === 'alive' && command !== undefined)) return false;
  if (running.some(({ startedAtMs }) => startedAtMs <= createdMs + START_TOLERANCE_MS)) return false;
  return [...runs.flatMap(killedCommand), ...ended].some(
    ({ command, startedAtMs, endedAtMs }) =>
      OPERATIONS[command] === operation && createdMs >= startedAtMs && createdMs <= endedAtMs,
  );
}

function killedCommand({ state, command, terraform, startedAtMs, seenAtMs }: FormerRun): EndedCommand[] {
  if (state !== 'dead' || command === undefined || terraform === undefined) return [];
  return [{ command, startedAtMs, endedAtMs: seenAtMs + SEEN_TOLERANCE_MS }];
}
