/** Whether the holder of a state lock is a process of ours that has ended. In any doubt it is not. */
import { hostname, userInfo } from 'node:os';
import type { ProcessFacts } from '../platform/process-facts.js';
import type { StateLock } from './terraform-output.js';
import type { FormerRun } from './terraform-runs.js';

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
  /** Processes of this machine that run terraform or tofu, whoever has started them. */
  running: { startedAtMs: number }[];
}

/**
 * True only when all of it holds: the lock bears our user and machine; it was taken while a run of ours was doing just
 * that, and both that run and its worker have ended; nothing of ours works on this state; and no terraform of anybody
 * on this machine is old enough to be the holder.
 */
export function isHolderDead(lock: StateLock, { who, runs, running }: LockFacts): boolean {
  const { createdMs, operation } = lock;
  if (lock.who !== who || createdMs === undefined) return false;
  if (runs.some(({ state, command }) => state === 'alive' && command !== undefined)) return false;
  if (running.some(({ startedAtMs }) => startedAtMs <= createdMs + START_TOLERANCE_MS)) return false;
  return runs.some(
    ({ state, command, terraform, startedAtMs, seenAtMs }) =>
      state === 'dead' &&
      command !== undefined &&
      terraform !== undefined &&
      OPERATIONS[command] === operation &&
      createdMs >= startedAtMs &&
      createdMs <= seenAtMs + SEEN_TOLERANCE_MS,
  );
}

export async function lockFacts(
  runs: FormerRun[],
  facts: ProcessFacts,
  programs: string[],
): Promise<LockFacts> {
  return { who: ownName(), runs, running: await facts.running(programs) };
}
