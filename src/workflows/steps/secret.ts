/** `secret`: merges keys into a secret by compare-and-set, and puts the version before it back. */
import type { SecretFound } from '../../contract/activities.js';
import { moveSecretLine } from '../../contract/mend.js';
import type { SecretStep } from '../../plan/resolved.js';
import { quick, undoing } from '../activity-options.js';
import { recordMade } from '../fences.js';
import type { Run } from '../run.js';
import { gateFailed } from '../stop.js';
import type { StepVerbs } from './step-verbs.js';

export const secret: StepVerbs<SecretStep, SecretFound> = {
  look: (run, step) => quick(`look at secret ${idOf(step)}`).lookSecret(input(run, step)),

  async act(run, step, look) {
    const { versionId, changedKeys } = await quick(`set ${keysOf(step)} in ${idOf(step)}`).putSecret({
      ...input(run, step),
      base: look.found,
    });
    recordMade(run, step, { kind: 'secret', versionId });
    if (changedKeys.length === 0) return `${idOf(step)} already held what the plan sets`;
    return `${idOf(step)}: ${changedKeys.join(', ')} (version ${versionId.slice(0, 8)})`;
  },

  async verify(run, step, look) {
    const measurement = await quick(`read ${idOf(step)} back`).verifySecret({
      ...input(run, step),
      base: look.found,
    });
    run.record(step.name, [measurement]);
    if (measurement.outcome !== 'pass') throw gateFailed(step.name, measurement.message);
  },

  undo: {
    describe: (step, look) => `${idOf(step)}: AWSCURRENT back to version ${look.found.versionId.slice(0, 8)}`,
    mend: (step, look) => moveSecretLine(step.config.awsSecretsManager, look.found.versionId),
    state: (run, step, look) =>
      undoing(`put ${idOf(step)} back`).undoSecret({ ...input(run, step), base: look.found }),
    tidy: (run, step, look) => dropLabels(run, step, look.found),
    async measure(run, step, look) {
      const after = await quick(`look at secret ${idOf(step)}`).lookSecret(input(run, step));
      const expected = look.found.versionId;
      const found = after.found.versionId;
      return [
        {
          what: `secret ${idOf(step)}`,
          expected: `version ${expected}`,
          found: `version ${found}`,
          ok: found === expected,
        },
      ];
    },
  },

  settle: (run, step, look) => dropLabels(run, step, look.found),
};

/** A version that bears a label is kept by AWS for good, and there is only room for so many. */
async function dropLabels(run: Run, step: SecretStep, base: SecretFound): Promise<void> {
  await quick(`drop the private labels of ${idOf(step)}`).settleSecret({ ...input(run, step), base });
}

function input(run: Run, step: SecretStep) {
  return { context: run.contextOf(step.stage), step };
}

function idOf(step: SecretStep): string {
  return step.config.awsSecretsManager.id;
}

function keysOf(step: SecretStep): string {
  return Object.keys(step.config.set).join(', ');
}
