/** What taints a verdict is said in the same words wherever somebody may look. */
import { expect, it } from 'vitest';
import { renderChecklist } from '../../../src/cli/render/checklist.js';
import { diffProgress } from '../../../src/cli/render/events.js';
import { paintIf } from '../../../src/cli/render/paint.js';
import type { Progress, Taint } from '../../../src/contract/progress.js';
import { renderReportMarkdown } from '../../../src/platform/report.js';
import { timelineOf } from '../../../src/platform/report-timeline.js';
import { renderDetails } from '../../../src/workflows/details.js';
import { progressAt, stateOf } from '../../support/progress.js';

const AT = '2026-01-16T12:00:05.000Z';
const TAINT: Taint = {
  what: 'secret shop/config',
  found: 'version 9f8e7d6c',
  expected: 'version 1a2b3c4d',
  at: AT,
};
const LINE = 'secret shop/config is version 9f8e7d6c, expected version 1a2b3c4d';

function tainted(): Progress {
  const before = progressAt();
  const [settings, ...others] = before.steps;
  const monitor = {
    ...(settings ?? { stage: 'staging', attempt: 1 }),
    id: 'monitor',
    name: 'staging/monitor',
    kind: 'monitor' as const,
    status: 'waiting' as const,
    tainted: [TAINT],
  };
  return {
    ...before,
    phase: 'waiting',
    steps: [...others, monitor],
    waiting: {
      for: 'decision',
      step: 'staging/monitor',
      since: AT,
      message: `tainted: ${LINE} (onTainted: hold)`,
      tainted: [TAINT],
      answers: ['retry', 'skip', 'abort'],
    },
  };
}

it('in the checklist, with the commands that answer', () => {
  const lines = renderChecklist(stateOf(tainted()), {
    paint: paintIf(false),
    columns: 200,
    nowMs: Date.parse(AT),
  });
  expect(lines).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^ {3}⏸ monitor/),
      `       tainted 12:00:05 ${LINE}`,
      `  waits: tainted: ${LINE} (onTainted: hold)`,
      '    headgate retry shop staging/monitor',
      '    headgate skip shop staging/monitor --reason TEXT',
      '    headgate abort shop',
    ]),
  );
});

it('in the lines of --json: at the step and at what is waited for', () => {
  const lines = diffProgress(progressAt(), tainted());
  expect(lines).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        type: 'step',
        step: 'monitor',
        data: expect.objectContaining({ tainted: [TAINT] }),
      }),
      expect.objectContaining({
        type: 'rollout',
        data: expect.objectContaining({ waiting: expect.objectContaining({ tainted: [TAINT] }) }),
      }),
    ]),
  );
});

it('in the details of the Temporal UI', () => {
  expect(renderDetails(tainted())).toContain(`  - **Tainted** ${AT}: ${LINE}`);
});

it('in the report, and in its timeline', () => {
  expect(renderReportMarkdown(tainted())).toContain(
    `## Changed by somebody else while it was watched\n\n- staging/monitor: ${LINE} (${AT})`,
  );
  expect(timelineOf(tainted())).toContainEqual({ at: AT, what: `staging/monitor is tainted: ${LINE}` });
});
