/**
 * What has been monitored goes on being watched while the rollout waits for people or a window: a release that breaks
 * then must not wait for an answer.
 *
 * Concurrency: the wait and one watch per passed monitor run in one scope, and the first to end ends the others. Only
 * failures end a wait. Nothing passes here for want of evidence, so that a metric store which is away for a night is
 * no reason to take a change back.
 *
 * The fences are read as well. The verdict has been given, and what a colleague changes afterwards does not make it
 * another one: it is said, once, and ends no wait.
 */
import { CancellationScope, isCancellation, patched, sleep } from '@temporalio/workflow';
import type { Fence, SamplerState } from '../contract/activities.js';
import { describeTaint } from '../contract/taint.js';
import type { MonitoredProbe, MonitorStep } from '../plan/resolved.js';
import { measuring } from './activity-options.js';
import { fencesOf, showTaint } from './fences.js';
import type { Run } from './run.js';
import { describeError, gateFailed } from './stop.js';

/** The counts begin anew then, so that blips do not add up over a long wait. */
const WINDOW_MS = 60 * 60_000;
const UNLIMITED = Number.MAX_SAFE_INTEGER;

/**
 * Ends as `wait` does; throws a failed gate when a limit for failures is breached before.
 * @param tainted monitors that have given no verdict, because of what a person is just asked about
 */
export async function watchWhile<Result>(
  run: Run,
  wait: () => Promise<Result>,
  tainted: MonitorStep[] = [],
): Promise<Result> {
  if (run.monitored.length + tainted.length === 0 || !patched('vigil')) return wait();
  const scope = new CancellationScope();
  const underway: Promise<unknown>[] = [];
  try {
    return await scope.run(() => {
      const waiting = wait();
      const watching = [
        ...run.monitored.map((step) => watchOn(run, step, fencesOf(run, step))),
        ...tainted.map((step) => watchOn(run, step, [])),
      ];
      underway.push(waiting, ...watching);
      return Promise.race([waiting, ...watching]);
    });
  } finally {
    scope.cancel();
    await Promise.allSettled(underway);
  }
}

async function watchOn(run: Run, step: MonitorStep, fences: Fence[]): Promise<never> {
  let fenced = fences;
  for (;;) {
    const startedAtMs = Date.now();
    const untilMs = startedAtMs + WINDOW_MS;
    const { breach, tainted } = await sampleUntil(run, step, fenced, startedAtMs, untilMs);
    if (tainted) {
      const waits = run.progress.waiting?.step ?? 'the rollout';
      showTaint(run, step, tainted);
      run.warn(
        ...tainted.map(
          (each) =>
            `${step.name} had passed when somebody else changed what it watches, while ${waits} waited: ${describeTaint(each)}`,
        ),
      );
      fenced = fenced.filter((fence) => !tainted.some(({ step: name }) => name === fence.step.name));
      continue;
    }
    if (breach) {
      const { probe, limit, measurement } = breach;
      const waits = run.progress.waiting?.step ?? 'the rollout';
      const message = `${probe} breached ${limit} while ${waits} waited: ${measurement.message}`;
      run.record(step.name, [measurement]);
      run.endStep(step.name, 'failed', message);
      throw gateFailed(step.name, message);
    }
    // Also for a worker whose clock is ahead: asking again at once would spin.
    const earlyMs = untilMs - Date.now();
    if (earlyMs > 0) await sleep(earlyMs, { summary: 'end of the window' });
  }
}

async function sampleUntil(
  run: Run,
  step: MonitorStep,
  fences: Fence[],
  startedAtMs: number,
  untilMs: number,
): Promise<Pick<SamplerState, 'breach' | 'tainted'>> {
  try {
    return await measuring(`${step.name} goes on while it waits`, WINDOW_MS).sampleProbes({
      subject: run.subjectOf(step),
      probes: step.config.probes.map(failuresOnly),
      startedAtMs,
      untilMs,
      state: { tallies: {} },
      ...(fences.length > 0 ? { fences } : {}),
    });
  } catch (error) {
    if (isCancellation(error)) throw error;
    const until = new Date(untilMs).toISOString();
    run.warn(`${step.name} is not watched until ${until}, while it waits: ${describeError(error)}`);
    return {};
  }
}

function failuresOnly(probe: MonitoredProbe): MonitoredProbe {
  const { limits } = probe;
  return {
    ...probe,
    limits: {
      ...limits,
      initialDelayMs: 0,
      inconclusiveLimit: UNLIMITED,
      consecutiveErrorLimit: UNLIMITED,
    },
  };
}
