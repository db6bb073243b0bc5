/**
 * `run`: a program of the user's. It is run once: when the worker dies in the middle nobody knows what it has
 * done. With a `verify` the program itself is asked, without one a person is.
 */
import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/workflow';
import type { RunFound } from '../../contract/activities.js';
import { shellLine } from '../../contract/mend.js';
import type { RunStep } from '../../plan/resolved.js';
import { effect, once, undoingEffect } from '../activity-options.js';
import type { Run } from '../run.js';
import { gateFailed } from '../stop.js';
import { nothing, type StepVerbs } from './step-verbs.js';

export const run: StepVerbs<RunStep, RunFound> = {
  look: (rollout, step) => effect(`look at ${programOf(step)}`).lookRun(input(rollout, step)),

  async act(rollout, step, { found: base }) {
    for (;;) {
      try {
        const { said } = await once(`run ${programOf(step)}`, step.config.timeoutMs).runCommand({
          ...input(rollout, step),
          base,
        });
        return said || `${programOf(step)} exited 0`;
      } catch (error) {
        if (!isUnknown(error)) throw error;
        const settled = await settleUnknown(rollout, step);
        if (settled !== undefined) return settled;
      }
    }
  },

  async verify(rollout, step) {
    if (!step.config.verify) return;
    const measurement = await effect(`verify ${programOf(step)}`).verifyCommand(input(rollout, step));
    rollout.record(step.name, [measurement]);
    if (measurement.outcome !== 'pass') throw gateFailed(step.name, measurement.message);
  },

  undo: {
    describe: (step) =>
      step.config.undo
        ? `${step.name}: ${step.config.undo.join(' ')}`
        : `${step.name}: no way back is declared`,
    keeps: (step) => `what ${programOf(step)} has done`,
    mend: ({ name, config: { undo } }) =>
      undo ? shellLine(undo) : `take back by hand what ${name} has done`,
    async state(rollout, step) {
      if (!step.config.undo) return { summary: `${step.name} declares no undo`, changed: false };
      return undoingEffect(`undo ${programOf(step)}`).undoCommand(input(rollout, step));
    },
    /** Only the program knows what it has changed: its `verify` has to say what it said before. */
    async measure(rollout, step, { found: { held } }) {
      if (held === null) return [];
      const { outcome, message } = await effect(`verify ${programOf(step)}`).verifyCommand(
        input(rollout, step),
      );
      const expected = held ? 'its verify passes' : 'its verify fails';
      return [{ what: step.name, expected, found: message, ok: outcome === (held ? 'pass' : 'fail') }];
    },
  },

  settle: nothing,
};

/** @returns what to say of the step when it counts as done; undefined when it is to run again */
async function settleUnknown(rollout: Run, step: RunStep): Promise<string | undefined> {
  let message = `the worker was lost while ${programOf(step)} ran: nobody knows whether it is done`;
  if (step.config.verify) {
    const verified = await effect(`verify ${programOf(step)}`).verifyCommand(input(rollout, step));
    if (verified.outcome === 'pass') return 'the worker was lost meanwhile; its verify says that it is done';
    if (verified.outcome === 'fail') return undefined;
    // A verify that was ended or did not end is no evidence that nothing was done.
    message = `${message}, and its verify could not tell: ${verified.message}`;
  }
  rollout.tell('waiting', `${step.name}: ${message}`, [], {
    answers: ['retry', 'skip', 'abort'],
    step: step.name,
  });
  const answer = await rollout.ask({
    for: 'decision',
    step: step.name,
    message: `${message}. retry runs it again, skip takes it as done, abort rolls back`,
    answers: ['retry', 'skip', 'abort'],
  });
  if (answer.name === 'retry') return undefined;
  return `${message}; taken as done by ${answer.by}: ${answer.reason}`;
}

/** No answer came: the worker died, was stopped, or the connection to it was lost. */
function isUnknown(error: unknown): boolean {
  if (!(error instanceof ActivityFailure)) return false;
  const { cause } = error;
  return (
    cause instanceof TimeoutFailure ||
    (cause instanceof ApplicationFailure && cause.type === 'WorkerShutdown')
  );
}

function programOf({ config: { command } }: RunStep): string {
  return command[0] ?? '';
}

function input(rollout: Run, step: RunStep) {
  return { context: rollout.contextOf(step.stage), step };
}
