/** A rollout in the middle of its story, and the same after its way back. */
import type { RolloutState } from '../../src/client.js';
import type { Progress } from '../../src/contract/progress.js';

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
