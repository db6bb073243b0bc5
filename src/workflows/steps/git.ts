/** `git`: a commit of named paths, an annotated tag, a push. Never by force. */
import type { GitFound, StepResult } from '../../contract/activities.js';
import { fitTogether, sizeOf } from '../../contract/fit.js';
import type { GitStep } from '../../plan/resolved.js';
import { effect, undoingEffect } from '../activity-options.js';
import { clip } from '../progress.js';
import type { Run } from '../run.js';
import { gateFailed } from '../stop.js';
import { nothing, type StepVerbs } from './step-verbs.js';

const LARGEST_RESULTS_BYTES = 6 * 1024;
const SHORT_SUMMARY = 40;

export const git: StepVerbs<GitStep, GitFound> = {
  look: (run, step) => effect(`look at ${step.config.remote}`).lookGit(input(run, step)),

  async act(run, step, look) {
    const { remote } = step.config;
    const pushed = await effect(`push ${whatOf(step)} to ${remote}`).pushGit({
      ...input(run, step),
      base: look.found,
      results: resultsSoFar(run),
    });
    run.pushed.set(step.name, pushed);
    const parts = [
      ...(pushed.commit ? [`commit ${pushed.commit.slice(0, 12)} on ${look.found.branch}`] : []),
      ...(pushed.tag ? [`tag ${pushed.tag} at ${pushed.head.slice(0, 12)}`] : []),
    ];
    return `${parts.join(', ') || 'nothing to commit'}, pushed to ${remote}`;
  },

  async verify(run, step, look) {
    const pushed = run.pushed.get(step.name);
    if (!pushed) throw new TypeError(`${step.name} has pushed nothing`);
    const measurement = await effect(`ask ${step.config.remote}`).verifyGit({
      ...input(run, step),
      base: look.found,
      effect: pushed,
    });
    run.record(step.name, [measurement]);
    if (measurement.outcome !== 'pass') throw gateFailed(step.name, measurement.message);
  },

  undo: {
    describe: (step, look) =>
      deletesTag(step)
        ? `tag ${step.config.tag} is deleted at ${step.config.remote}`
        : `${step.config.remote} ${look.found.branch}: the commit is reverted${step.config.tag ? `; tag ${step.config.tag} stays` : ''}`,
    keeps: (step) => `${whatOf(step)} at ${step.config.remote}`,
    mend: (step, look) =>
      deletesTag(step)
        ? `git push --delete ${step.config.remote} ${step.config.tag}`
        : `git revert COMMIT, then git push ${step.config.remote} ${look.found.branch}`,
    state: (run, step, look) => takeBack(run, step, look.found),
    /** Taking back again finds nothing of ours left at the remote. */
    async measure(run, step, look) {
      const { changed, summary } = await takeBack(run, step, look.found);
      return [
        {
          what: `${step.config.remote} ${look.found.branch}`,
          expected: 'nothing of this step left',
          found: changed ? `something was: ${summary}` : 'nothing of this step left',
          ok: !changed,
        },
      ];
    },
  },

  settle: nothing,
};

function takeBack(run: Run, step: GitStep, base: GitFound) {
  return undoingEffect(`take ${whatOf(step)} back from ${step.config.remote}`).undoGit({
    ...input(run, step),
    base,
    deleteTag: deletesTag(step),
  });
}

/** Others may have fetched a published tag: it goes only where the plan says so, for a step that does nothing else. */
function deletesTag({ config: { tag, paths } }: GitStep): boolean {
  return tag !== undefined && paths.length === 0;
}

function whatOf({ config: { tag, paths } }: GitStep): string {
  return [...paths, ...(tag ? [`tag ${tag}`] : [])].join(', ');
}

/** For the message: what has been measured up to here. */
function resultsSoFar(run: Run): StepResult[] {
  const results = run.progress.steps
    .filter(({ status, kind }) => status === 'succeeded' && kind !== 'approval')
    .map(({ name, summary, measurements }) => ({
      step: name,
      summary: summary ?? 'done',
      measurements: (measurements ?? []).map(({ message }) => message),
    }));
  if (sizeOf(results) <= LARGEST_RESULTS_BYTES) return results;
  const fitted = fitTogether(
    results.map(({ measurements }) => measurements),
    LARGEST_RESULTS_BYTES / 2,
  );
  return results.map(({ step, summary }, index) => ({
    step,
    summary: clip(summary, SHORT_SUMMARY),
    measurements: fitted[index] ?? [],
  }));
}

function input(run: Run, step: GitStep) {
  return { context: run.contextOf(step.stage), step };
}
