/** A rollout in the middle of its story, and the same after its way back. */
import type { RolloutState } from '../../src/client.js';
import type { MeasurementOutcome, Progress, StepProgress } from '../../src/contract/progress.js';

const AT = '2026-01-16T12:00:00.000Z';

export function progressAt(change: Partial<Progress> = {}): Progress {
  return {
    v: 1,
    application: 'shop',
    version: 'v1.0.1',
    runId: 'run-1',
    planDigest: 'd'.repeat(64),
    startedBy: 'ana',
    startedAt: AT,
    deadlineAt: '2026-01-17T00:00:00.000Z',
    overrides: { monitorFor: '20s' },
    phase: 'running',
    revision: 7,
    stage: 'staging',
    steps: [
      {
        stage: 'staging',
        id: 'settings',
        name: 'staging/settings',
        kind: 'secret',
        status: 'succeeded',
        attempt: 1,
        startedAt: AT,
        endedAt: '2026-01-16T12:00:01.200Z',
        summary: 'shop/config: POOL (version a2fc0270)',
        measurements: [
          {
            probe: 'secret',
            outcome: 'pass',
            at: AT,
            message: 'shop/config: 1 keys as set, 30 other keys unchanged',
            values: {},
            durationMs: 20,
          },
        ],
      },
      {
        stage: 'staging',
        id: 'loadTest',
        name: 'staging/loadTest',
        kind: 'loadTest',
        status: 'running',
        attempt: 2,
        startedAt: '2026-01-16T12:00:02.000Z',
      },
      {
        stage: 'production',
        id: 'approval',
        name: 'production/approval',
        kind: 'approval',
        status: 'pending',
        attempt: 0,
      },
    ],
    approvals: [],
    compensations: [
      {
        step: 'staging/settings',
        kind: 'secret',
        description: 'shop/config: AWSCURRENT back to version 1',
        status: 'recorded',
      },
    ],
    left: [],
    warnings: [],
    ...change,
  };
}

export function waitingForApproval(): Progress {
  const progress = progressAt({ phase: 'waiting' });
  return {
    ...progress,
    waiting: {
      for: 'approval',
      step: 'production/approval',
      since: AT,
      until: '2026-01-17T12:00:00.000Z',
      message: 'production/approval needs an approval of 2 steps',
      gate: 'production/approval',
      digest: '1a2b3c4d',
      answers: ['approve', 'reject', 'abort'],
      evidence: {
        gate: 'production/approval',
        digest: '1a2b3c4d',
        covers: ['production/settings', 'production/deploy'],
        changes: ['shop/config: set POOL'],
        warnings: ['at the next deploy it will be tight'],
        results: ['staging/loadTest: 1841 requests'],
        compensations: ['traffic back on blue'],
        looks: {},
      },
    },
  };
}

/** The last step of the story: the checklist, as far as it fits into a test. */
function checklistStep(healthy: 'pass' | 'fail'): StepProgress {
  const measured = (probe: string, outcome: MeasurementOutcome, message: string) => ({
    ...{ probe, outcome, message },
    at: '2026-01-16T12:01:00.000Z',
    values: {},
    durationMs: 20,
  });
  return {
    stage: 'production',
    id: 'checklist',
    name: 'production/checklist',
    kind: 'check',
    status: healthy === 'pass' ? 'succeeded' : 'failed',
    attempt: 1,
    startedAt: '2026-01-16T12:00:30.000Z',
    endedAt: '2026-01-16T12:01:00.000Z',
    summary: healthy === 'pass' ? '2 of 2 probes pass' : 'check: healthy fail: status = 503, expected 200',
    measurements: [
      measured('healthy', healthy, `status = ${healthy === 'pass' ? 200 : 503}, expected 200`),
      measured('poolLimit', 'pass', 'pool.limit = 50, expected 50'),
    ],
  };
}

/** Everything held: what is in force has changed. */
export function promoted(): Progress {
  const progress = progressAt({
    phase: 'closed',
    outcome: 'promoted',
    closedAt: '2026-01-16T13:01:02.000Z',
    approvals: [
      {
        gate: 'production/approval',
        digest: '1a2b3c4d',
        answer: 'approved',
        by: 'ben',
        verified: false,
        at: '2026-01-16T12:00:20.000Z',
        reason: 'looks | good',
      },
    ],
    changed: [
      { what: 'production live release', before: 'v1.0.0 (blue)', after: 'v1.0.1 (green)' },
      { what: 'production poolLimit.pool.limit', before: '20', after: '50' },
    ],
    warnings: ['at the next deploy it will be tight'],
  });
  return { ...progress, steps: [...progress.steps, checklistStep('pass')] };
}

/** The checklist did not hold: everything was taken back, but for what the plan keeps. */
export function rolledBack(): Progress {
  const progress = progressAt({
    phase: 'closed',
    outcome: 'rolledBack',
    closedAt: '2026-01-16T12:01:20.000Z',
    stop: {
      kind: 'gate',
      message: 'check: healthy fail: status = 503, expected 200',
      step: 'production/checklist',
      at: '2026-01-16T12:01:00.500Z',
      advice: ['healthy: status = 503, expected 200: read the error log of the release'],
    },
    compensations: [
      {
        step: 'production/infra',
        kind: 'infra',
        description: 'max_connections back to 60',
        status: 'kept',
        at: '2026-01-16T12:01:01.000Z',
      },
      {
        step: 'production/settings',
        kind: 'secret',
        description: 'shop/config: AWSCURRENT back to version 1',
        status: 'undone',
        at: '2026-01-16T12:01:15.000Z',
      },
    ],
    restoration: {
      checks: [{ what: 'secret shop/config', expected: 'version 1', found: 'version 1', ok: true }],
    },
    diagnostics: [
      {
        stage: 'production',
        release: 'green',
        folder: 'diagnostics/production-green',
        manifestSha256: 'abcdef0123456789'.repeat(4),
        files: ['release.log', 'measurements.json'],
        missing: ['pg_stat_activity.json: connection refused'],
      },
    ],
    left: ['production/infra: kept (max_connections back to 60 was not done)'],
  });
  return { ...progress, steps: [...progress.steps, checklistStep('fail')] };
}

export function notRestored(): Progress {
  return progressAt({
    phase: 'stuck',
    stop: {
      kind: 'gate',
      message: 'healthy: status = 503, expected 200',
      step: 'production/monitor',
      at: AT,
    },
    compensations: [
      {
        step: 'staging/settings',
        kind: 'secret',
        description: 'shop/config: AWSCURRENT back to version 1',
        status: 'failed',
        item: 'secret shop/config',
        found: 'version 3',
        expected: 'version 1',
        command: 'aws secretsmanager update-secret-version-stage …',
        error: 'somebody else changed it',
      },
    ],
    restoration: {
      checks: [{ what: 'secret shop/config', expected: 'version 1', found: 'version 3', ok: false }],
    },
    waiting: {
      for: 'undo',
      step: 'staging/settings',
      since: AT,
      message: 'not restored: secret shop/config',
      answers: ['retry', 'accept'],
    },
    ignored: { signal: 'approve', at: AT, why: 'no gate waits for an approval' },
  });
}

export function stateOf(progress: Progress, change: Partial<RolloutState> = {}): RolloutState {
  return {
    application: progress.application,
    runId: progress.runId,
    temporalStatus: 'RUNNING',
    version: progress.version,
    startedBy: progress.startedBy,
    startedAt: new Date(progress.startedAt),
    progress,
    source: 'workflow',
    pending: [],
    ...change,
  };
}
