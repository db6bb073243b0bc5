/** The progress of a rollout: how it begins, and the shortened form that fits into a memo. */
import { sizeOf } from '../contract/fit.js';
import type { RolloutInput } from '../contract/inputs.js';
import type { Measurement, Progress, StepProgress } from '../contract/progress.js';

export const MEMO_LIMIT_BYTES = 16_000;
/** While it is under way: written again with every step, and the query tells the rest. */
export const INTERIM_LIMIT_BYTES = 4_000;
const MESSAGE_LIMIT = 400;
const MOST_FAILED = 5;

export function beginProgress(input: RolloutInput, runId: string, startedAtMs: number): Progress {
  const { plan } = input;
  return {
    v: 1,
    application: plan.application,
    version: plan.version,
    runId,
    planDigest: plan.digest,
    ...(plan.source ? { source: plan.source } : {}),
    startedBy: input.startedBy,
    startedAt: new Date(startedAtMs).toISOString(),
    deadlineAt: new Date(startedAtMs + plan.deadlineMs).toISOString(),
    overrides: plan.overrides,
    phase: 'starting',
    revision: 0,
    steps: plan.stages.flatMap((stage) =>
      stage.steps.map(
        ({ id, name, kind }): StepProgress => ({
          stage: stage.name,
          id,
          name,
          kind,
          status: 'pending',
          attempt: 0,
        }),
      ),
    ),
    approvals: [],
    compensations: [],
    left: [],
    warnings: [],
  };
}

export function clip(text: string, limit = MESSAGE_LIMIT): string {
  return text.length <= limit ? text : `${text.slice(0, limit - 1)}…`;
}

/** The same progress, below the limit: first the figures behind the sentences go, then the sentences of old gates. */
export function compactProgress(progress: Progress, limitBytes: number): Progress {
  const levels = [
    progress,
    mapMeasurements(progress, (measurements) => measurements.map((m) => ({ ...m, values: {} }))),
    mapMeasurements(progress, (measurements) => measurements.filter((m) => m.outcome !== 'pass').slice(0, 5)),
  ];
  const short = withoutEvidence(mapMeasurements(progress, () => []));
  return [...levels, short].find((level) => sizeOf(level) <= limitBytes) ?? withoutWords(short);
}

/** What is left of a rollout with a great many steps: which they are, and how each ended. */
function withoutWords(progress: Progress): Progress {
  return {
    ...progress,
    steps: progress.steps.map(({ startedAt: _s, endedAt: _e, measurements: _m, summary, ...step }) =>
      step.status === 'failed' || step.status === 'undoFailed' ? { ...step, summary } : step,
    ),
    compensations: progress.compensations
      .filter(({ status }) => status === 'failed')
      .slice(0, MOST_FAILED)
      .map((each) => ({ ...each, description: clip(each.description, 80), error: undefined })),
    left: progress.left.slice(0, MOST_FAILED).map((each) => clip(each, 80)),
    warnings: progress.warnings.slice(0, 5),
    changed: progress.changed?.slice(0, 5),
    restoration: progress.restoration && {
      checks: progress.restoration.checks.filter(({ ok }) => !ok).slice(0, 5),
    },
  };
}

function mapMeasurements(progress: Progress, map: (measurements: Measurement[]) => Measurement[]): Progress {
  return {
    ...progress,
    steps: progress.steps.map((step) =>
      step.measurements ? { ...step, measurements: map(step.measurements) } : step,
    ),
  };
}

function withoutEvidence(progress: Progress): Progress {
  const { waiting, ...rest } = progress;
  return {
    ...rest,
    waiting: waiting && { ...waiting, evidence: undefined },
    steps: progress.steps.map((step) => ({ ...step, summary: step.summary && clip(step.summary, 80) })),
    compensations: progress.compensations.map((c) => ({ ...c, description: clip(c.description, 80) })),
    diagnostics: progress.diagnostics?.map((each) => ({ ...each, files: [], missing: [] })),
    changed: progress.changed?.map((row) => ({
      ...row,
      before: clip(row.before, 80),
      after: clip(row.after, 80),
    })),
  };
}
