/** What people and scripts read: pure functions from a state to text and lines. */
import { describe, expect, it } from 'vitest';
import { exitCodeOf } from '../../../src/cli/context.js';
import { renderChecklist } from '../../../src/cli/render/checklist.js';
import { diffProgress, outcomeLine } from '../../../src/cli/render/events.js';
import { renderFault } from '../../../src/cli/render/faults.js';
import { renderFindings } from '../../../src/cli/render/findings.js';
import { describeLive } from '../../../src/cli/render/live.js';
import { fitTo, paintIf } from '../../../src/cli/render/paint.js';
import { renderPreview } from '../../../src/cli/render/preview.js';
import { renderEvidence } from '../../../src/cli/render/waiting.js';
import { renderLine } from '../../../src/cli/render/words.js';
import type { StepProgress } from '../../../src/contract/progress.js';
import { renderReportMarkdown } from '../../../src/platform/report.js';
import { timelineOf } from '../../../src/platform/report-timeline.js';
import { storyPlan } from '../../support/plans.js';
import {
  notRestored,
  progressAt,
  promoted,
  rolledBack,
  stateOf,
  waitingForApproval,
} from '../../support/progress.js';

const plain = paintIf(false);
const options = { paint: plain, columns: 200, nowMs: Date.parse('2026-01-16T12:00:09.000Z') };

describe('the checklist', () => {
  it('says what runs, with its live figures', () => {
    const heartbeat = { elapsedMs: 6_000, virtualUsers: 500, requests: 886, failedRate: 0.024, p95Ms: 504.3 };
    const pending = [{ name: 'runLoadTest', state: 'started' as const, attempt: 1, heartbeat }];
    expect(renderChecklist(stateOf(progressAt(), { pending }), options)).toMatchSnapshot();
  });

  it('says what it waits for, and the commands that answer', () => {
    expect(renderChecklist(stateOf(waitingForApproval()), options)).toMatchSnapshot();
  });

  it('shows each tick of a check with its measurement; of one that turned round also why, and where to look', () => {
    expect(renderChecklist(stateOf(promoted()), options)).toMatchSnapshot();
    expect(renderChecklist(stateOf({ ...rolledBack(), undoes: 'shop/run-0' }), options)).toMatchSnapshot();
  });

  it('names what is left, with the command that mends it', () => {
    expect(renderChecklist(stateOf(notRestored()), options)).toMatchSnapshot();
  });

  it('says that it is old when no worker answers, and what there is when nothing is known', () => {
    const old = renderChecklist(stateOf(progressAt(), { source: 'memo' }), options);
    expect(old[1]).toContain('no worker answers');
    const unknown = renderChecklist(stateOf(progressAt(), { progress: undefined }), options);
    expect(unknown).toEqual([
      'shop v1.0.1  running, started by ana at 2026-01-16T12:00:00.000Z',
      '  no step has ended yet, and no worker answers',
    ]);
  });

  it('is cut to the terminal, colours not counted', () => {
    const lines = renderChecklist(stateOf(waitingForApproval()), {
      ...options,
      paint: paintIf(true),
      columns: 30,
    });
    const shown = lines.map((line) =>
      line
        .split('\u001b')
        .map((part, index) => (index === 0 ? part : part.replace(/^\[\d+m/, '')))
        .join(''),
    );
    for (const line of shown) expect(line.length).toBeLessThanOrEqual(30);
    expect(fitTo('abcdef', 4)).toBe('abc…');
  });
});

describe('lines of --json', () => {
  it('a first state says all of it, the same state nothing', () => {
    expect(diffProgress(undefined, waitingForApproval())).toMatchSnapshot();
    expect(diffProgress(waitingForApproval(), waitingForApproval())).toEqual([]);
  });

  it('the steps that a change makes, in order', () => {
    const after = progressAt({ phase: 'rollingBack', stop: notRestored().stop });
    for (const step of after.steps) if (step.id === 'loadTest') step.status = 'failed';
    for (const compensation of after.compensations) compensation.status = 'undoing';
    const lines = diffProgress(progressAt(), after);
    expect(lines.map(({ type, stage, step, status }) => [type, stage, step, status])).toEqual([
      ['step', 'staging', 'loadTest', 'failed'],
      ['compensation', 'staging', 'settings', 'undoing'],
      ['rollout', undefined, undefined, 'rollingBack'],
    ]);
  });

  it('diagnostics are news, and stand beside advice in the lines of the rollout and of its outcome', () => {
    const { diagnostics, ...before } = rolledBack();
    const [line, ...others] = diffProgress(before, { ...before, diagnostics });
    expect(others).toEqual([]);
    const advice = [expect.stringContaining('read the error log')];
    expect(line).toMatchObject({ type: 'rollout', data: { advice, diagnostics, stop: { advice } } });
    expect(outcomeLine(rolledBack(), 1).data).toMatchObject({ advice, diagnostics });
    const { changed } = promoted();
    expect(outcomeLine({ ...promoted(), undoes: 'shop/run-0' }, 0).data).toMatchObject({
      changed,
      undoes: 'shop/run-0',
    });
  });

  it('advice and diagnostics in words', () => {
    const { outcome: _outcome, ...open } = rolledBack();
    const lines = diffProgress(undefined, { ...open, phase: 'rollingBack' });
    const words = lines.flatMap((line) => renderLine(line, '2026-01-16T12:00:09.000Z') ?? []).at(-1);
    expect(words?.split('\n').slice(1)).toEqual([
      '           advice: healthy: status = 503, expected 200: read the error log of the release',
      '           diagnostics of green: diagnostics/production-green',
    ]);
  });

  it('the outcome is the last word', () => {
    const progress = progressAt({ phase: 'closed', outcome: 'rolledBack' });
    expect(outcomeLine(progress, 1)).toMatchObject({
      type: 'outcome',
      status: 'rolledBack',
      data: { exitCode: 1 },
    });
  });

  it('in words, where nothing can be drawn', () => {
    const lines = diffProgress(undefined, waitingForApproval());
    const words = lines.flatMap((line) => renderLine(line, '2026-01-16T12:00:09.000Z') ?? []);
    expect(words).toMatchSnapshot();
  });
});

it('exit codes are those of the outcome; a run that was ended from outside was not taken back', () => {
  const codes = (['promoted', 'rolledBack', 'refused', 'rollbackIncomplete'] as const).map((outcome) =>
    exitCodeOf('COMPLETED', progressAt({ outcome })),
  );
  expect(codes).toEqual([0, 1, 5, 3]);
  expect([exitCodeOf('RUNNING', progressAt()), exitCodeOf('TERMINATED', progressAt())]).toEqual([0, 3]);
});

describe('live figures', () => {
  it('say so when nobody takes an activity', () => {
    const scheduledAt = new Date(options.nowMs - 30_000);
    const pending = [{ name: 'sampleProbes', state: 'scheduled' as const, attempt: 1, scheduledAt }];
    expect(describeLive(pending, options.nowMs)).toBe(
      'nobody has taken sampleProbes for 30 s: is there a worker? (headgate worker)',
    );
    expect(
      describeLive(
        [{ ...pending[0], name: 'a', state: 'scheduled', attempt: 1, scheduledAt: new Date(options.nowMs) }],
        options.nowMs,
      ),
    ).toBeUndefined();
  });

  it('say why something is repeated, and count samples', () => {
    const failing = { name: 'putSecret', state: 'scheduled' as const, attempt: 3, lastFailure: 'throttled' };
    expect(describeLive([failing], 0)).toBe('putSecret, attempt 3: throttled');
    const heartbeat = { state: { tallies: { a: { taken: 5, fail: 1, error: 0, inconclusive: 2 } } } };
    const watching = { name: 'sampleProbes', state: 'started' as const, attempt: 1, heartbeat };
    expect(describeLive([watching], 0)).toBe('5 samples, 1 failed, 2 without evidence');
  });

  it('say what a deploy and terraform are at', () => {
    const at = (name: string, heartbeat: unknown) =>
      describeLive([{ name, state: 'started' as const, attempt: 1, heartbeat }], 0);
    expect(at('promoteRelease', { doing: '2 of 3 pods are ready' })).toBe('2 of 3 pods are ready');
    expect(at('promoteRelease', { doing: '' })).toBeUndefined();
    const applying = { doing: 'applying', resources: ['aws_db_instance.main'], done: 1, total: 3 };
    expect(at('applyInfra', applying)).toBe('applying aws_db_instance.main (1 of 3)');
  });
});

it('a fault is said with its place, what was expected and what mends it', () => {
  const fault = {
    code: 'unknownProbe' as const,
    file: 'rollout.yaml',
    line: 19,
    column: 29,
    path: 'stages[0].steps[2].deploy.beforePromotion[0]',
    message: 'There is no probe "helthy".',
    expected: 'a probe: healthy',
    found: 'helthy',
    fix: 'Did you mean "healthy"?',
  };
  expect(renderFault(fault, 'fault', plain)).toMatchSnapshot();
});

it('evidence shows everything that an answer is bound to', () => {
  const { waiting } = waitingForApproval();
  if (!waiting) throw new Error('it waits');
  expect(renderEvidence(waiting)).toMatchSnapshot();
});

it('findings say what mends them', () => {
  expect(
    renderFindings(
      [
        { what: 'Temporal', status: 'ok', detail: '127.0.0.1:7233' },
        { what: 'worker', status: 'missing', detail: 'nobody polls headgate', fix: 'headgate worker' },
      ],
      plain,
    ),
  ).toEqual([
    '✓ Temporal  127.0.0.1:7233',
    '✗ worker    nobody polls headgate',
    '            headgate worker',
  ]);
});

it('the preview shows changes, undo and budget', () => {
  const look = {
    found: null,
    changes: ['shop/config#POOL: set to "50" (now: another value)'],
    warnings: ['it rotates by itself'],
    effect: 'idempotent' as const,
    undo: 'AWSCURRENT back to version 1',
    estimateMs: 2_000,
    digest: '',
  };
  const preview = {
    steps: [
      { name: 'staging/settings', kind: 'secret', look },
      { name: 'staging/deploy', kind: 'deploy', error: 'no such program' },
    ],
    budgets: [
      { stage: 'staging', result: { lines: ['database: 100 connections'], warnings: [], fault: 'too many' } },
    ],
  };
  expect(renderPreview(storyPlan('shop'), preview, plain)).toMatchSnapshot();
});

describe('the report', () => {
  it.each([
    ['one that waits', waitingForApproval()],
    ['one that could not be restored', notRestored()],
    ['one that was promoted', promoted()],
    ['one that was rolled back', rolledBack()],
  ])('%s', (_what, progress) => {
    expect(renderReportMarkdown(progress)).toMatchSnapshot();
  });

  it('of an undo: which run it takes back', () => {
    expect(renderReportMarkdown(progressAt({ undoes: 'shop/run-0' }))).toContain(
      '- takes back: `shop/run-0`',
    );
  });

  it('the timeline is in the order of time, whatever the order of what it is made from', () => {
    const times = timelineOf(rolledBack()).map(({ at }) => at);
    expect(times).toEqual([...times].sort());
    const { steps, ...rest } = rolledBack();
    const settings = { ...steps[0], status: 'undone', endedAt: '2026-01-16T12:01:15.000Z' };
    const undone = timelineOf({
      ...rest,
      steps: [settings as StepProgress],
      compensations: rest.compensations.map((each) => ({ ...each, step: 'staging/settings' })).slice(1),
    });
    expect(undone.filter(({ what }) => what.startsWith('staging/settings')).map(({ what }) => what)).toEqual([
      'staging/settings begins',
      'staging/settings taken back: shop/config: AWSCURRENT back to version 1',
    ]);
  });
});
