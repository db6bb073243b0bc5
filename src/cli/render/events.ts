/** What changed from one state of a rollout to the next, as lines: `--json` prints them, `watch` puts them into words. Pure. */
import type { Progress, StepProgress } from '../../contract/progress.js';
import type { Line } from '../output.js';
import { answerCommands } from './waiting.js';

export function diffProgress(before: Progress | undefined, after: Progress): Line[] {
  return [
    ...after.steps.flatMap((step) =>
      diffStep(
        before?.steps.find(({ name }) => name === step.name),
        step,
      ),
    ),
    ...diffApprovals(before, after),
    ...diffCompensations(before, after),
    ...diffRollout(before, after),
  ].map((line) => ({ application: after.application, runId: after.runId, ...line }));
}

function diffRollout(before: Progress | undefined, after: Progress): Line[] {
  const key = ({ phase, stage, held, waiting, stop, warnings, diagnostics }: Progress) =>
    JSON.stringify([
      ...[phase, stage, held, waiting?.for, waiting?.step, waiting?.since, stop],
      ...[warnings.length, diagnostics?.length],
    ]);
  if (before && key(before) === key(after)) return [];
  const { version, phase, stage, startedBy, startedAt, deadlineAt, planDigest, overrides } = after;
  const { held, waiting, stop, warnings, ignored, diagnostics, undoes } = after;
  return [
    {
      type: 'rollout',
      status: phase,
      data: {
        ...{ version, stage, startedBy, startedAt, deadlineAt, planDigest, overrides },
        ...{ held, stop, advice: stop?.advice, diagnostics, undoes, warnings, ignored },
        waiting: waiting && { ...waiting, evidence: undefined, commands: answerCommands(after, waiting) },
      },
    },
  ];
}

function diffStep(before: StepProgress | undefined, step: StepProgress): Line[] {
  const lines: Line[] = [];
  const place = { stage: step.stage, step: step.id };
  const moved = before?.status !== step.status || before.attempt !== step.attempt;
  if (moved && step.status !== 'pending') {
    const { kind, summary, startedAt, endedAt, tainted } = step;
    lines.push({
      type: 'step',
      ...place,
      status: step.status,
      attempt: step.attempt,
      data: { name: step.name, kind, summary, startedAt, endedAt, ...(tainted ? { tainted } : {}) },
    });
  }
  const known = new Set((before?.measurements ?? []).map(({ probe, at }) => `${probe} ${at}`));
  for (const measurement of step.measurements ?? []) {
    if (known.has(`${measurement.probe} ${measurement.at}`)) continue;
    lines.push({
      type: 'measurement',
      ...place,
      status: measurement.outcome,
      attempt: step.attempt,
      data: measurement,
    });
  }
  return lines;
}

function diffApprovals(before: Progress | undefined, after: Progress): Line[] {
  const lines: Line[] = [];
  const { waiting } = after;
  if (waiting?.gate && waiting.digest !== before?.waiting?.digest) {
    lines.push({
      type: 'approval',
      ...placeOf(waiting.gate),
      status: 'waiting',
      data: {
        gate: waiting.gate,
        digest: waiting.digest,
        until: waiting.until,
        evidence: waiting.evidence,
        commands: answerCommands(after, waiting),
      },
    });
  }
  for (const [index, approval] of after.approvals.entries()) {
    if (before?.approvals[index]?.answer === approval.answer) continue;
    lines.push({ type: 'approval', ...placeOf(approval.gate), status: approval.answer, data: approval });
  }
  return lines;
}

function diffCompensations(before: Progress | undefined, after: Progress): Line[] {
  return after.compensations.flatMap((compensation): Line[] => {
    const known = before?.compensations.find(({ step }) => step === compensation.step);
    if (known?.status === compensation.status) return [];
    return [
      {
        type: 'compensation',
        ...placeOf(compensation.step),
        status: compensation.status,
        data: compensation,
      },
    ];
  });
}

export function outcomeLine(progress: Progress, exitCode: number): Line {
  const { application, runId, version, outcome, stop, left, warnings, closedAt, startedAt } = progress;
  const { restoration, diagnostics, changed, undoes } = progress;
  return {
    type: 'outcome',
    application,
    runId,
    status: outcome ?? progress.phase,
    data: {
      ...{ exitCode, version, startedAt, closedAt, stop, advice: stop?.advice },
      ...{ restoration, diagnostics, changed, undoes, left, warnings },
    },
  };
}

function placeOf(name: string): { stage: string; step: string } {
  const [stage = '', step = ''] = name.split('/');
  return { stage, step };
}
