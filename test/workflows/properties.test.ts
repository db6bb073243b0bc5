/**
 * Any steps, any failure: the order and the completeness of the way back, and a progress that never goes backwards.
 *
 * Most of it runs the built bundle in the SDK's own sandbox, with the server's part played by desk-server.ts: it is
 * quick, and it chooses what happens in one and the same workflow task. A few of the same scenarios run on a real server, and
 * have to end alike. Fast-check prints seed and path of what fails: `fc.assert(…, { seed, path })` repeats it.
 */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import type { ActivityName, HeadgateActivities } from '../../src/contract/activities.js';
import { PROGRESS_QUERY, rolloutWorkflowId, TASK_QUEUE } from '../../src/contract/messages.js';
import type { Progress } from '../../src/contract/progress.js';
import type { ResolvedStep } from '../../src/plan/resolved.js';
import { runOnDesk } from '../support/desk-server.js';
import { createFakeWorld } from '../support/fake-world.js';
import { deployStep, planOf, runStep, secretStep } from '../support/plans.js';
import { findBackwards } from '../support/progress-laws.js';
import { Laws } from '../support/rollout-laws.js';
import { isFromOutside, randomOf, type Scenario, scenarios } from '../support/rollout-scenarios.js';
import { type Call, Player } from '../support/scenario-player.js';
import { startTemporal, startWorkers } from '../support/temporal.js';

const RUNS = 250;
const ON_A_SERVER = 24;

describe('any steps, any end', () => {
  test('what was begun is taken back in order, kept or named, and nothing else is; nothing goes backwards', async () => {
    const seen = new Set<string | undefined>();
    await fc.assert(
      fc.asyncProperty(scenarios, async (scenario) => {
        seen.add((await playOnDesk(scenario)).progress.outcome);
      }),
      { numRuns: RUNS },
    );
    // No way to end was missed by chance.
    expect(seen).toEqual(new Set(['promoted', 'refused', 'rollbackIncomplete', 'rolledBack']));
  }, 300_000);

  test('a real server ends them as the desk does, and no sight of the progress is older than the last', async () => {
    const batch = fc.array(scenarios.filter(endsByItself), {
      minLength: ON_A_SERVER,
      maxLength: ON_A_SERVER,
    });
    await fc.assert(fc.asyncProperty(batch, playOnServer), { numRuns: 1, endOnFailure: true });
  }, 240_000);
});

describe('what a seed has shown', () => {
  const scenarioOf = (steps: ResolvedStep[], scenario: Partial<Scenario>): Scenario => ({
    plan: planOf('app', [{ name: 'place0', steps }]),
    ...{ opaque: [], undoFaults: {}, retries: 0, keepWhenAsked: false, seed: 1 },
    ...scenario,
  });
  const SEEDS = Array.from({ length: 12 }, (_, seed) => seed);

  test.each(['before', 'with'] as const)(
    'an abort %s the end of a look: what was not begun is not taken back',
    async (when) => {
      const ending = { activity: 'lookRun' as const, step: 'place0/run', how: 'abort' as const, when };
      for (const seed of SEEDS) {
        const { calls } = await playOnDesk(scenarioOf([runStep('place0')], { ending, seed }));
        expect(calls.filter((call) => call.startsWith('undoCommand'))).toEqual([]);
      }
    },
  );

  test('an opaque restore that fails while the failed release is asked: a person is asked, and nothing hangs', async () => {
    const ending = {
      activity: 'awaitProbes' as const,
      step: 'place0/deploy',
      how: 'gate' as const,
      when: 'with' as const,
    };
    const deploy = {
      ...deployStep('place0', 'immediate'),
      config: { ...deployStep('place0', 'immediate').config, startsFrom: [] },
    };
    for (const seed of SEEDS) {
      const undoFaults = { 'restoreTraffic place0/deploy': 1 };
      const scenario = scenarioOf([deploy], {
        ending,
        seed,
        opaque: ['place0/deploy'],
        undoFaults,
        retries: 1,
      });
      expect((await playOnDesk(scenario)).progress.outcome).toBe('rolledBack');
    }
  });

  test.each([
    ['restored already', {}],
    ['that could not be measured', { 'lookRelease place0/deploy': 1 }],
  ])('a release %s is started again when what it reads is restored by a retry', async (_what, more) => {
    const ending = {
      activity: 'awaitProbes' as const,
      step: 'place0/deploy',
      how: 'gate' as const,
      when: 'with' as const,
    };
    const undoFaults = { 'undoSecret place0/settings': 1, ...more };
    const scenario = scenarioOf([secretStep('place0'), deployStep('place0')], {
      ending,
      undoFaults,
      retries: 1,
    });
    const { calls, progress } = await playOnDesk(scenario);
    expect(progress.outcome).toBe('rolledBack');
    const back = calls.filter((call) => /^(undoSecret|restartRelease)/.test(call));
    expect(back).toEqual(['undoSecret place0/settings', 'restartRelease place0/deploy']);
  });
});

const endsByItself = ({ ending }: Scenario) => ending === undefined || !isFromOutside(ending.how);

async function playOnDesk(scenario: Scenario): Promise<{ progress: Progress; calls: string[] }> {
  const { plan, opaque, seed } = scenario;
  const player = new Player(scenario);
  const laws = new Laws(plan, opaque, (step) => player.faulty.has(step));
  const result = await runOnDesk({
    input: { plan, startedBy: 'ana', searchAttributes: false },
    random: randomOf(seed),
    async carryOut(task) {
      const result = await player.carryOut(task).catch((error: unknown) => {
        laws.ended(task, false);
        throw error;
      });
      laws.ended(task, true);
      return result;
    },
    interrupt: (task) => player.interrupt(task),
    answer(progress) {
      if (progress.waiting?.for === 'undo') laws.stuck(progress);
      const answer = player.answer(progress);
      if (progress.waiting?.for === 'undo' && answer?.name === 'retry') laws.retried();
      return answer;
    },
    onTask: (task) => laws.see(task),
  });
  laws.end(result);
  return { progress: result.progress, calls: player.world.calls };
}

let env: Awaited<ReturnType<typeof startTemporal>> | undefined;
afterAll(async () => env?.teardown());

/** All of them at once: a rollout waits most of the time. */
async function playOnServer(batch: Scenario[]): Promise<void> {
  env ??= await startTemporal();
  const players = new Map<string, Player>();
  const workers = await startWorkers(env, routed(players));
  try {
    await Promise.all(
      batch.map(async (scenario) => {
        const own = apart(scenario);
        players.set(own.plan.application, new Player(own));
        const [ended, expected] = await Promise.all([follow(own, players), playOnDesk(own)]);
        expect(endOf(ended)).toEqual(endOf(expected.progress));
      }),
    );
  } finally {
    await workers.stop();
  }
}

/** Locks are the server's: no two of them may mean the same thing. */
function apart(scenario: Scenario): Scenario {
  const application = `app-${randomUUID().slice(0, 8)}`;
  const text = JSON.stringify(scenario).replaceAll(/place(\d)/g, `${application}-$1`);
  const own: Scenario = JSON.parse(text);
  return { ...own, plan: { ...own.plan, application } };
}

function routed(players: Map<string, Player>): HeadgateActivities {
  const names = Object.keys(createFakeWorld().activities) as ActivityName[];
  const activities = names.map((name) => [name, (input: Input) => carryOut(players, name, input)]);
  return Object.fromEntries(activities);
}

interface Input {
  context?: { application: string };
  step?: { name: string };
  subject?: { step: string; context: { application: string } };
}

function carryOut(players: Map<string, Player>, name: ActivityName, input: Input): Promise<unknown> {
  const application = (input.context ?? input.subject?.context)?.application ?? '';
  const player = players.get(application);
  if (!player) throw new TypeError(`${name} for nobody: ${JSON.stringify(input)}`);
  const call: Call = { name, step: input.step?.name ?? input.subject?.step ?? '', input };
  return player.carryOut(call);
}

/** Asks for the progress all the time, answers, and returns the last. */
async function follow({ plan }: Scenario, players: Map<string, Player>): Promise<Progress> {
  const handle = await env?.client.workflow.start('rollout', {
    workflowId: rolloutWorkflowId(plan.application),
    taskQueue: TASK_QUEUE,
    args: [{ plan, startedBy: 'ana', searchAttributes: true }],
  });
  if (!handle) throw new TypeError('no server');
  let before: Progress | undefined;
  let answered = '';
  for (;;) {
    const progress = await handle.query<Progress>(PROGRESS_QUERY);
    if (before) expect(findBackwards(before, progress)).toEqual([]);
    before = progress;
    const { waiting } = progress;
    const asked = `${waiting?.for} ${waiting?.step} ${waiting?.since}`;
    const answer =
      waiting && asked !== answered ? players.get(plan.application)?.answer(progress) : undefined;
    if (answer) {
      answered = asked;
      await handle.executeUpdate(answer.name, { args: [answer.input] });
    }
    if (progress.outcome !== undefined) {
      await handle.result().catch(() => undefined);
      return handle.query<Progress>(PROGRESS_QUERY);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function endOf({ outcome, stop, steps, compensations, restoration }: Progress) {
  return {
    outcome,
    why: stop?.kind,
    steps: steps.map(({ name, status }) => `${name} ${status}`),
    undone: compensations.map(({ step, status }) => `${step} ${status}`),
    checks: restoration?.checks.map(({ what, ok }) => `${what} ${ok}`),
  };
}
