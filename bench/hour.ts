/**
 * The story's plan with its hour, on the real server, 250 times as fast.
 *
 * The workflow is the built one but for the length of a window, the plan is the real one but for the times of its
 * monitor, and the samplers are the product's own by a clock that keeps the plan's times: events and bytes are those
 * of the hour. The time-skipping server would not do: it schedules workflow tasks and fills events in its own way.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { createMonitorActivities } from '../src/activities/monitor/index.js';
import type { Sample } from '../src/adapters/probes/probe.js';
import type { HeadgateActivities, SampleInput } from '../src/contract/activities.js';
import type { RolloutInput, RolloutResult } from '../src/contract/inputs.js';
import {
  LONG_TASK_QUEUE,
  PROGRESS_QUERY,
  ROLLOUT_WORKFLOW,
  rolloutWorkflowId,
  TASK_QUEUE,
} from '../src/contract/messages.js';
import type { Progress } from '../src/contract/progress.js';
import type { Expectation, Json, ProbeSpec, ResolvedPlan } from '../src/plan/resolved.js';
import { loadPlan } from '../src/platform/load-plan.js';
import { createFakeSampler, ManualClock, UNCHANGED } from '../test/support/fake-sampler.js';
import { createFakeWorld } from '../test/support/fake-world.js';
import { STORY } from '../test/support/product.js';
import { BUNDLE } from '../test/support/temporal.js';
import { type ClosedRollout, readClosed } from './closed-rollout.js';
import { startWorkers } from './pair.js';
import { answerAsRecorded } from './recorded-world.js';
import { startServer } from './server.js';
import type { Session } from './session.js';

/** An hour in 14.4 s, a sample every 20 ms. */
const TIMES_AS_FAST = 250;
/** Of src/workflows/steps/monitor.ts, as it is built. */
const WINDOW = /(const WINDOW_MS = [\d_ *]+);/;
const TIMEOUT_MS = 120_000;
const POLL_MS = 50;
const SAMPLE_TAKES_MS = 12;

/**
 * @param recorded the story of this run: every step but the monitor answers as it did there
 * @throws Error when it was not promoted
 */
export async function watchForAnHour(session: Session, recorded?: ClosedRollout): Promise<ClosedRollout> {
  const plan = hasten(await readPlan());
  const code = await readHastenedBundle();
  const { activities } = createFakeWorld();
  const world = recorded ? answerAsRecorded(recorded.history, activities) : activities;
  session.log(`history: an hour of monitoring, ${TIMES_AS_FAST} times as fast`);
  const { env } = await startServer(session);
  await startWorkers(session, env, [
    { taskQueue: TASK_QUEUE, workflowBundle: { code }, activities: { ...world } },
    { taskQueue: LONG_TASK_QUEUE, activities: { ...world, sampleProbes } },
  ]);
  return carryOut(session, env, plan);
}

async function readPlan(): Promise<ResolvedPlan> {
  const { plan, faults, missing } = await loadPlan(STORY, {});
  if (plan) return plan;
  const why = [...faults, ...missing].map(({ line, message }) => `${line}: ${message}`);
  throw new Error(`the story's plan cannot be rolled out: ${why.join('; ')}`);
}

function hasten(plan: ResolvedPlan): ResolvedPlan {
  for (const step of plan.stages.flatMap(({ steps }) => steps)) {
    if (step.kind !== 'monitor') continue;
    step.config.forMs /= TIMES_AS_FAST;
    for (const { limits } of step.config.probes) limits.intervalMs /= TIMES_AS_FAST;
  }
  return plan;
}

async function readHastenedBundle(): Promise<string> {
  const code = await readFile(BUNDLE, 'utf8');
  if (!WINDOW.test(code)) throw new Error(`the built workflows hold no window: ${WINDOW.source}`);
  return code.replace(WINDOW, `$1 / ${TIMES_AS_FAST};`);
}

async function carryOut(
  session: Session,
  env: TestWorkflowEnvironment,
  plan: ResolvedPlan,
): Promise<ClosedRollout> {
  const input: RolloutInput = { plan, startedBy: 'bench', searchAttributes: true };
  const handle = await env.client.workflow.start(ROLLOUT_WORKFLOW, {
    workflowId: rolloutWorkflowId(plan.application),
    taskQueue: TASK_QUEUE,
    args: [input],
  });
  const deadline = Date.now() + TIMEOUT_MS;
  while ((await handle.describe()).status.name === 'RUNNING') {
    session.interrupted.throwIfAborted();
    if (Date.now() > deadline) throw new Error(`the hour was not over within ${TIMEOUT_MS / 1_000} s`);
    const { waiting } = await handle.query<Progress>(PROGRESS_QUERY);
    if (waiting?.gate) {
      const { gate, digest } = waiting;
      await handle.executeUpdate('approve', { args: [{ gate, digest, by: 'bench-approver' }] });
    }
    await sleep(POLL_MS);
  }
  const { outcome, progress } = (await handle.result()) as RolloutResult;
  if (outcome !== 'promoted') throw new Error(`the hour ended as ${outcome}: ${progress.stop?.message}`);
  return readClosed(handle);
}

/** The product's own sampling, from its judgements to its tallies, at the plan's pace; it ends when the window does. */
const sampleProbes: HeadgateActivities['sampleProbes'] = async (input) => {
  const slow = atThePlansPace(input);
  const clock = new ManualClock(beginOf(slow));
  const sampler = createFakeSampler({ clock, answer: satisfy, durationMs: () => SAMPLE_TAKES_MS });
  const state = await clock.run(
    createMonitorActivities({ sampler, clock, fences: UNCHANGED }).sampleProbes(slow),
  );
  await sleep(Math.max(0, input.untilMs - Date.now()));
  return state;
};

function atThePlansPace(input: SampleInput): SampleInput {
  const { startedAtMs, untilMs, probes } = input;
  return {
    ...input,
    untilMs: startedAtMs + (untilMs - startedAtMs) * TIMES_AS_FAST,
    probes: probes.map((probe) => {
      const intervalMs = probe.limits.intervalMs * TIMES_AS_FAST;
      return { ...probe, limits: { ...probe.limits, intervalMs } };
    }),
  };
}

/** Where the window before has ended. */
function beginOf({ startedAtMs, state }: SampleInput): number {
  const due = Object.values(state?.tallies ?? {}).map(({ nextDueMs }) => nextDueMs);
  return due.length === 0 ? startedAtMs : Math.min(...due);
}

/** A sample that meets what is expected, with figures as long as those of a real one. */
function satisfy({ expect }: ProbeSpec, nth: number): Sample {
  const value = {};
  for (const expectation of expect) put(value, expectation.path.split('.'), goodValue(expectation, nth));
  return { kind: 'sample', value };
}

function goodValue({ equals, lt, lte, gt, gte }: Expectation, nth: number): Json {
  if (equals !== undefined) return equals;
  const highest = lt ?? lte;
  const figure = highest === undefined ? (gt ?? gte ?? 0) + 1 : highest * (0.5 + Math.sin(nth) / 4);
  return highest !== undefined && highest < 2 ? figure : Math.floor(figure);
}

function put(into: { [key: string]: Json }, [key = '', ...rest]: string[], value: Json): void {
  if (rest.length === 0) {
    into[key] = value;
    return;
  }
  const inner = into[key];
  const next = typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? inner : {};
  into[key] = next;
  put(next, rest, value);
}
