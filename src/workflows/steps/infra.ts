/** `infra`: terraform or tofu. What was approved is planned again and applied in one activity. */
import { ApplicationFailure } from '@temporalio/common';
import type { InfraFound } from '../../contract/activities.js';
import { applyBackLine } from '../../contract/mend.js';
import type { InfraStep } from '../../plan/resolved.js';
import { applying, undoingApply } from '../activity-options.js';
import type { Run } from '../run.js';
import { gateFailed, rootCause } from '../stop.js';
import type { StepVerbs } from './step-verbs.js';

export const infra: StepVerbs<InfraStep, InfraFound> = {
  look: (run, step) => applying(`plan ${nameOf(step)}`).lookInfra(input(run, step)),

  async act(run, step, look) {
    const { added, changed, destroyed } = await applying(`apply ${nameOf(step)}`)
      .applyInfra({ ...input(run, step), base: look.found })
      .catch((error: unknown) => {
        if (saysNeverApplied(error)) run.neverApplied.add(step.name);
        throw error;
      });
    if (added + changed + destroyed === 0) return `${nameOf(step)}: nothing to change`;
    return `${nameOf(step)}: ${added} added, ${changed} changed, ${destroyed} destroyed`;
  },

  async verify(run, step) {
    const measurement = await applying(`plan ${nameOf(step)} again`).verifyInfra(input(run, step));
    run.record(step.name, [measurement]);
    if (measurement.outcome !== 'pass') throw gateFailed(step.name, measurement.message);
  },

  undo: {
    describe: (step) =>
      step.config.undo
        ? `${nameOf(step)}: applied with ${variablesOf(step)}`
        : `${nameOf(step)}: no way back is declared`,
    keeps: (step) => `what ${nameOf(step)} has applied`,
    mend: ({ config }) => applyBackLine(config),
    async state(run, step, look) {
      if (!step.config.undo) return { summary: `${nameOf(step)} declares no undo`, changed: false };
      const neverApplied = run.neverApplied.has(step.name);
      return undoingApply(`take ${nameOf(step)} back`).undoInfra({
        ...input(run, step),
        base: look.found,
        ...(neverApplied ? { neverApplied } : {}),
      });
    },
    async measure(run, step, { found: base }) {
      const { found } = await applying(`look at ${nameOf(step)}`).lookInfra(input(run, step));
      return [
        {
          what: `state of ${nameOf(step)}`,
          expected: base.stateDigest.slice(0, 12),
          found: found.stateDigest.slice(0, 12),
          ok: found.stateDigest === base.stateDigest,
        },
      ];
    },
  },

  async settle() {
    // What was applied is what stays.
  },
};

/** It was refused as drift before anything was changed. */
function saysNeverApplied(error: unknown): boolean {
  const cause = rootCause(error);
  const detail: unknown = cause instanceof ApplicationFailure ? cause.details?.[0] : undefined;
  return (
    typeof detail === 'object' && detail !== null && 'neverApplied' in detail && detail.neverApplied === true
  );
}

function input(run: Run, step: InfraStep) {
  return { context: run.contextOf(step.stage), step };
}

function nameOf({ config: { tool, directory } }: InfraStep): string {
  return `${tool} ${directory}`;
}

function variablesOf({ config: { undo } }: InfraStep): string {
  const vars = Object.entries(undo?.vars ?? {}).map(([key, value]) => `${key}=${value}`);
  return [...(undo?.varFiles ?? []), ...vars].join(', ');
}
