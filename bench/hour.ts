/** The story's plan with its hour, on Temporal's time-skipping server. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { createMonitorActivities } from '../src/activities/monitor.js';
import type { Sample } from '../src/adapters/probes/probe.js';
import type { HeadgateActivities, SampleInput } from '../src/contract/activities.js';
import type { RolloutInput, RolloutResult } from '../src/contract/inputs.js';
import { PROGRESS_QUERY, ROLLOUT_WORKFLOW, rolloutWorkflowId, TASK_QUEUE } from '../src/contract/messages.js';
import type { Progress } from '../src/contract/progress.js';
import type { Expectation, Json, ProbeSpec, ResolvedPlan } from '../src/plan/resolved.js';
import { loadPlan } from '../src/platform/load-plan.js';
import { createFakeSampler, ManualClock } from '../test/support/fake-sampler.js';
import { createFakeWorld } from '../test/support/fake-world.js';
import type { History } from '../test/support/histories.js';
import { STORY } from '../test/support/product.js';
import { plainClient, startTimeSkipping, startWorkers } from '../test/support/temporal.js';
import { answerAsRecorded } from './recorded-world.js';
import type { Session } from './session.js';

const TIMEOUT_MS = 180_000;
const POLL_MS = 20;
const SAMPLE_TAKES_MS = 12;

/**
 * @param server start script of the time-skipping server
 * @param recorded the story of this run: every step but the monitor answers as it did there
 * @throws Error when it was not promoted
 */
export async function watchForAnHour(
  session: Session,
  server: string,
  recorded: History | undefined,
): Promise<History> {
  const plan = await readPlan();
  const { activities } = createFakeWorld();
  const world = recorded ? answerAsRecorded(recorded, activities) : activities;
  session.log('history: an hour of monitoring, skipped');
  const starting = startTimeSkipping(server);
  const endServer = session.own(async () => (await starting).teardown());
  const env = await starting;
  const workers = await startWorkers(env, { ...world, sampleProbes });
  const endWorkers = session.own(() => workers.stop());
  const history = await carryOut(session, env, plan);
  await endWorkers();
  await endServer();
  return history;
}

async function readPlan(): Promise<ResolvedPlan> {
  const { plan, faults, unavailable, missing } = await loadPlan(STORY, {});
  if (plan) return plan;
  const why = [...faults, ...unavailable, ...missing].map(({ line, message }) => `${line}: ${message}`);
  throw new Error(`the story's plan cannot be rolled out: ${why.join('; ')}`);
}

/** Approves, and moves the clock on whenever only the monitor is at work. */
async function carryOut(
  session: Session,
  env: TestWorkflowEnvironment,
  plan: ResolvedPlan,
): Promise<History> {
  const input: RolloutInput = { plan, startedBy: 'bench', searchAttributes: false };
  const handle = await plainClient(env).workflow.start(ROLLOUT_WORKFLOW, {
    workflowId: rolloutWorkflowId(plan.application),
    taskQueue: TASK_QUEUE,
    args: [input],
  });
  const deadline = Date.now() + TIMEOUT_MS;
  while ((await handle.describe()).status.name === 'RUNNING') {
    session.interrupted.throwIfAborted();
    if (Date.now() > deadline) throw new Error(`the hour was not over within ${TIMEOUT_MS / 1_000} s`);
    await moveOn(env, handle, await handle.query<Progress>(PROGRESS_QUERY));
  }
  const { outcome, progress } = (await handle.result()) as RolloutResult;
  if (outcome !== 'promoted') throw new Error(`the hour ended as ${outcome}: ${progress.stop?.message}`);
  return handle.fetchHistory();
}

async function moveOn(
  env: TestWorkflowEnvironment,
  handle: WorkflowHandle,
  { waiting, steps }: Progress,
): Promise<void> {
  if (waiting?.gate) {
    const { gate, digest } = waiting;
    await handle.executeUpdate('approve', { args: [{ gate, digest, by: 'bench-approver' }] });
  } else if (steps.some(({ kind, status }) => kind === 'monitor' && status === 'running')) {
    await env.sleep('5m');
  } else {
    await sleep(POLL_MS);
  }
}

/** The product's own sampling, from its judgements to its tallies, by a clock that does not wait. */
const sampleProbes: HeadgateActivities['sampleProbes'] = (input) => {
  const clock = new ManualClock(beginOf(input));
  const sampler = createFakeSampler({
    clock,
    answer: satisfy,
    durationMs: () => SAMPLE_TAKES_MS,
  });
  return clock.run(createMonitorActivities({ sampler, clock }).sampleProbes(input));
};

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
