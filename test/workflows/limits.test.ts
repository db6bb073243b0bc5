/**
 * Nothing above 16 KB crosses an activity's boundary, however much there is to say: a plan with as many steps as there
 * may be, each of which finds as much as it may. The plan itself is the workflow's input, and its progress the result.
 */
import { randomUUID } from 'node:crypto';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { temporal } from '@temporalio/proto';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEvidenceActivities } from '../../src/activities/evidence.js';
import { LARGEST_PAYLOAD_BYTES } from '../../src/contract/fit.js';
import type { RolloutInput } from '../../src/contract/inputs.js';
import { PROGRESS_QUERY, rolloutWorkflowId, TASK_QUEUE } from '../../src/contract/messages.js';
import type { Progress } from '../../src/contract/progress.js';
import type { InfraStep } from '../../src/plan/resolved.js';
import { mapError } from '../../src/platform/failures.js';
import { Redactor } from '../../src/platform/redaction.js';
import { createFakeWorld } from '../support/fake-world.js';
import { payloadsOf } from '../support/histories.js';
import { approvalStep, checkStep, gitStep, infraStep, planOf } from '../support/plans.js';
import { startTemporal, startWorkers } from '../support/temporal.js';

const STEPS = 61;
const PROBES = 20;
const ARTIFACT = { path: 'evidence.json', sha256: 'a'.repeat(64), bytes: 1 };

let env: TestWorkflowEnvironment;
beforeAll(async () => {
  env = await startTemporal();
});
afterAll(async () => env?.teardown());

const words = (bytes: number) => Array.from({ length: Math.ceil(bytes / 200) }, () => 'ü'.repeat(98));

function manySteps(): InfraStep[] {
  return Array.from({ length: STEPS }, (_, index) => {
    const id = `infrastructure-of-the-region-number-${index}`;
    const step = infraStep('production');
    return { ...step, id, name: `production/${id}`, config: { ...step.config, directory: id } };
  });
}

/** As much as the capabilities let through, and more of what they do not. */
function createLargeWorld() {
  const world = createFakeWorld();
  const { activities } = world;
  const measured = (outcome: 'pass' | 'fail') =>
    Array.from({ length: PROBES }, (_, index) => ({
      probe: `probe-${index}`,
      outcome,
      at: new Date().toISOString(),
      message: 'ü'.repeat(200),
      values: { figure: 'x'.repeat(200) },
      durationMs: 1,
    }));
  world.activities = {
    ...activities,
    ...createEvidenceActivities({ artifacts: { write: async () => ARTIFACT, cite: () => 'evidence.json' } }),
    async lookInfra(input) {
      const look = await activities.lookInfra(input);
      return {
        ...look,
        found: {
          ...look.found,
          planned: { large: { action: 'update', before: '', after: 'x'.repeat(7_000) } },
        },
        changes: words(4_000),
        warnings: words(2_000),
        digest: 'd'.repeat(64),
      };
    },
    awaitProbes: async ({ subject }) => {
      const outcome = subject.step === 'production/check' ? 'pass' : 'fail';
      return { outcome, measurements: measured(outcome), rounds: 1 };
    },
    async applyInfra(input) {
      if (!input.step.name.endsWith(`-${STEPS - 1}`)) return activities.applyInfra(input);
      const error = ApplicationFailure.nonRetryable('ü'.repeat(1_000_000), 'Conflict', {
        text: 'ü'.repeat(100_000),
      });
      throw mapError(error, new Redactor());
    },
  };
  return world;
}

/** Of every activity, what it was given and what came of it; and the progress that is kept for want of a worker. */
async function largeOnes({ workflowId }: WorkflowHandle): Promise<string[]> {
  const large: string[] = [];
  const types = new Map<string, string>();
  let nextPageToken: Uint8Array | undefined;
  do {
    const page: temporal.api.workflowservice.v1.IGetWorkflowExecutionHistoryResponse =
      await env.client.workflowService.getWorkflowExecutionHistory({
        namespace: 'default',
        execution: { workflowId },
        maximumPageSize: 50,
        nextPageToken,
      });
    for (const event of page.history?.events ?? []) {
      const { eventId, activityTaskScheduledEventAttributes: scheduled } = event;
      if (scheduled?.activityType?.name) types.set(String(eventId), scheduled.activityType.name);
      const ended = event.activityTaskCompletedEventAttributes ?? event.activityTaskFailedEventAttributes;
      const type = types.get(String(ended?.scheduledEventId ?? eventId));
      const kept = event.workflowPropertiesModifiedEventAttributes?.upsertedMemo?.fields?.progress;
      if (!type && !kept) continue;
      const payloads = payloadsOf({
        events: [
          kept
            ? { eventId, workflowExecutionSignaledEventAttributes: { input: { payloads: [kept] } } }
            : event,
        ],
      });
      for (const { bytes } of payloads) {
        if (bytes > LARGEST_PAYLOAD_BYTES)
          large.push(`${scheduled ? 'into' : 'of'} ${type ?? 'memo'}: ${bytes} bytes`);
      }
    }
    nextPageToken = page.nextPageToken?.length ? page.nextPageToken : undefined;
  } while (nextPageToken);
  expect(new Set(types.values())).toContain('composeEvidence');
  return [...new Set(large)];
}

test('a plan as large as may be, approved, failing at its last step and restored', async () => {
  const world = createLargeWorld();
  const workers = await startWorkers(env, world.activities);
  try {
    const steps = manySteps();
    const covers = ['production/check', ...steps.map(({ name }) => name)];
    const plan = planOf(`app-${randomUUID().slice(0, 8)}`, [
      {
        name: 'production',
        steps: [approvalStep('production', covers), checkStep('production'), ...steps, gitStep('production')],
      },
    ]);
    const handle = await env.client.workflow.start('rollout', {
      workflowId: rolloutWorkflowId(plan.application),
      taskQueue: TASK_QUEUE,
      args: [{ plan, startedBy: 'ana', searchAttributes: false } satisfies RolloutInput],
    });
    for (;;) {
      const { waiting, stop } = await handle.query<Progress>(PROGRESS_QUERY);
      expect(stop).toBeUndefined();
      if (!waiting) continue;
      const { gate, digest } = waiting;
      await handle.executeUpdate('approve', { args: [{ gate, digest, by: 'ben' }] });
      break;
    }
    await handle.result();
    const { outcome, steps: shown } = await handle.query<Progress>(PROGRESS_QUERY);
    expect(outcome).toBe('rolledBack');
    expect(shown).toHaveLength(STEPS + 3);
    expect(await largeOnes(handle)).toEqual([]);
  } finally {
    await workers.stop();
  }
});
