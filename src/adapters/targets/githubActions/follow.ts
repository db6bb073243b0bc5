/** A run from its beginning to its end, and the ways to end it early. */
import { CancelledFailure } from '@temporalio/common';
import { invalid } from '../../../platform/failures.js';
import type { TargetCall } from '../target.js';
import { growingDelays, type Pace, sleep } from './pace.js';
import { requireSame } from './pin.js';
import { describeRun, type GithubRun, isOpen, WorkflowRuns } from './runs.js';
import type { Config } from './schema.js';

type Call = Pick<TargetCall<Config>, 'config' | 'context' | 'step' | 'tell' | 'signal'>;

export interface Followed {
  run: number;
  /** Epoch ms of its dispatch. */
  atMs: number;
  /** The commit that it has to be of. */
  pinned?: string;
}

/**
 * Returns when the run has succeeded. An abort cancels it and waits until it has ended.
 * @throws ApplicationFailure that is not repeated when it came to another end; the signal's reason
 */
export async function followRun(
  call: Call,
  runs: WorkflowRuns,
  followed: Followed,
  pace: Pace,
): Promise<GithubRun> {
  try {
    return await watchRun(call, runs, followed, pace);
  } catch (error) {
    if (!call.signal.aborted) throw error;
    if (isStop(call.signal.reason)) await endAborted(call, followed.run, pace);
    throw call.signal.reason;
  }
}

async function watchRun(
  call: Call,
  runs: WorkflowRuns,
  { run: id, atMs, pinned }: Followed,
  pace: Pace,
): Promise<GithubRun> {
  for (const delayMs of growingDelays(pace.pollMs)) {
    const run = await runs.get(id);
    if (pinned !== undefined && run.head_sha !== pinned) {
      await endRun(call, id, pace);
      requireSame(call, pinned, run.head_sha);
    }
    const told = describeRun(run, await runs.jobs(id));
    call.tell(told);
    if (!isOpen(run) && run.conclusion === 'success') return run;
    if (!isOpen(run)) {
      throw invalid(
        `${call.step}: ${told}. Look there at what it has done and why; it is not dispatched again by itself.`,
      );
    }
    if (Date.now() - atMs > pace.longestRunMs) {
      await endRun(call, id, pace);
      throw invalid(
        `${call.step}: ${told} for more than ${Math.round(pace.longestRunMs / 60_000)} minutes, and was cancelled. What takes longer, or waits for people in GitHub, cannot be followed: put an approval step into the plan instead.`,
      );
    }
    await sleep(delayMs, call.signal);
  }
  throw new TypeError('the delays never end');
}

/** A worker that stops, and an attempt whose time is over, leave the run to the next attempt. */
function isStop(reason: unknown): boolean {
  return !(reason instanceof CancelledFailure) || reason.message === 'CANCELLED';
}

/**
 * Aborted only when somebody else goes on with the run. What waits by it for a run that has been dispatched waits on
 * when the rollout is stopped: only a run that is known can be cancelled.
 */
export function untilHandedOver(signal: AbortSignal): AbortSignal {
  const handedOver = new AbortController();
  const onAbort = () => {
    if (!isStop(signal.reason)) handedOver.abort(signal.reason);
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return handedOver.signal;
}

/** The reason of the abort is what matters then: what is left open the way back ends. */
async function endAborted(call: Call, id: number, pace: Pace): Promise<void> {
  try {
    await endRun(call, id, pace);
  } catch (error) {
    call.tell(error instanceof Error ? error.message : String(error));
  }
}

/**
 * Cancels it and waits until it has ended, by force after a while. Of a run that has ended already that is all.
 * @throws Error that may be repeated when it does not end
 */
export async function endRun(call: Call, id: number, pace: Pace): Promise<GithubRun> {
  const signal = AbortSignal.timeout(pace.cancelWithinMs);
  const runs = new WorkflowRuns(call, pace, signal);
  const startedAt = Date.now();
  let last: GithubRun | undefined;
  try {
    await runs.cancel(id, 'cancel');
    for (let isForced = false; ; ) {
      last = await runs.get(id);
      if (!isOpen(last)) return last;
      call.tell(`${describeRun(last)}, and is being cancelled`);
      if (!isForced && Date.now() - startedAt > pace.forceAfterMs) {
        isForced = true;
        await runs.cancel(id, 'force-cancel');
      }
      await sleep(pace.pollMs / 5, signal);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    const what = last ? describeRun(last) : `run ${id}`;
    throw new Error(
      `${call.step}: ${what}, and does not end although it was cancelled, by force too. End it in GitHub: ${last?.html_url ?? runs.page}`,
    );
  }
}
