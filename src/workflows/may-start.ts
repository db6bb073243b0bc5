/** Before a step begins: not while the rollout is held, and a change not outside its window. */
import type { ResolvedStep } from '../plan/resolved.js';
import { quick } from './activity-options.js';
import type { Run } from './run.js';
import { verbsOf } from './steps/index.js';
import { now } from './stop.js';
import { watchWhile } from './vigil.js';

export async function mayStart(run: Run, step: ResolvedStep): Promise<void> {
  const { window } = run.stageOf(step);
  for (;;) {
    if (run.progress.held) {
      await untilResumed(run, step, run.progress.held.by);
      continue;
    }
    const waitMs = window && verbsOf(step).undo ? await quick('change window').measureWindow({ window }) : 0;
    if (!run.progress.held && waitMs === 0) return;
    if (waitMs > 0) await untilOpen(run, step, window?.text, waitMs);
  }
}

async function untilResumed(run: Run, step: ResolvedStep, by: string): Promise<void> {
  const message = `held by ${by} before ${step.name}`;
  await watchWhile(run, () =>
    run.waitFor(
      { for: 'hold', step: step.name, since: now(), message, answers: ['resume', 'abort'] },
      () => run.progress.held === undefined,
    ),
  );
}

async function untilOpen(
  run: Run,
  step: ResolvedStep,
  window: string | undefined,
  waitMs: number,
): Promise<void> {
  const message = `${step.name} waits for its window (${window})`;
  await watchWhile(run, () =>
    run.waitFor(
      { for: 'window', step: step.name, since: now(), message, answers: ['abort'] },
      () => run.progress.held !== undefined,
      waitMs,
    ),
  );
}
