/**
 * Abort and cancel in every state, from the command line, by update, by signal and from the Temporal UI: answered at
 * once, the right end, everything as it was. The world is in memory, and each row has one of its own; real programs
 * are stopped in test/parts and test/e2e.
 */
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Headgate } from '../../src/client.js';
import { checkStep, deployStep } from '../support/plans.js';
import { waitFor } from '../support/processes.js';
import { MANNERS, Row, Rows, type Servers, STOPS, type Stop } from '../support/stop-row.js';
import { BACK, FORWARD, LATE, STAGE, type StopState } from '../support/stop-states.js';
import { startTemporal, startWorkers } from '../support/temporal.js';

/** All but the one that asks nobody. */
const GENTLE = STOPS.filter((stop) => stop !== 'terminate');

const rows = new Rows();
const before = { ...process.env };
let env: TestWorkflowEnvironment;
let servers: Servers;
let workers: { stop: () => Promise<void> };
/** Stopped when no worker had seen them yet. */
let early: { stop: Stop; row: Row; answer: Promise<string | undefined> }[];
/** Of every answer that was waited for. */
const answerMs: number[] = [];

beforeAll(async () => {
  env = await startTemporal();
  process.env.TEMPORAL_ADDRESS = env.address;
  servers = { client: env.client, headgate: await Headgate.connect() };
  early = await Promise.all(GENTLE.filter((stop) => stop !== 'command line').map(stopEarly));
  workers = await startWorkers(env, rows.activities);
});
afterAll(async () => {
  process.env = before;
  const slowest = Math.round(Math.max(...answerMs));
  console.log(`${answerMs.length} stops answered, the slowest after ${slowest} ms`);
  await rows.close();
  await servers?.headgate.close();
  await workers?.stop();
  await env?.teardown();
});

async function open(states: StopState[], state: StopState, stop: Stop): Promise<Row> {
  const number = states.indexOf(state) * STOPS.length + STOPS.indexOf(stop);
  const kind = states === FORWARD ? 'forward' : states === BACK ? 'back' : 'late';
  const manner = states === FORWARD ? MANNERS[(number + STOPS.indexOf(stop)) % MANNERS.length] : 'finishes';
  const row = new Row(`${kind}-${number}`, state, manner ?? 'finishes', servers);
  rows.add(row);
  await row.start();
  await row.enter();
  return row;
}

/** The command line does not wait for a worker: it sends a signal (test/e2e/refusals.test.ts). */
async function stopEarly(stop: Stop): Promise<(typeof early)[number]> {
  const state: StopState = { name: 'no worker yet', steps: [] };
  const row = new Row(`early-${stop}`, state, 'finishes', servers);
  rows.add(row);
  await row.start();
  const answer = row.stop(stop);
  // An update is answered by the worker that comes.
  if (stop !== 'update') await answer;
  return { stop, row, answer };
}

/** What is at work goes on meanwhile: nothing waits for it. */
async function stopNow(row: Row, stop: Stop): Promise<string | undefined> {
  const since = performance.now();
  const answer = await row.stop(stop);
  answerMs.push(performance.now() - since);
  return answer;
}

/** Whose the lock is. */
const timesAsked = ({ events }: Row) => events.filter((event) => event === 'began describeLockHolder').length;

/** Where in the events of a row something was taken back. */
function undoingOf({ events }: Row): number[] {
  return [...events.keys()].filter((at) =>
    /^began (restore|retire|undo|restart|recreate)/.test(events[at] ?? ''),
  );
}

test('before the first workflow task: obeyed before anything is touched', async () => {
  for (const { stop, row, answer } of early) {
    expect(await answer).toBeUndefined();
    const { progress, temporalStatus } = await row.untilClosed();
    expect([progress?.outcome, temporalStatus]).toEqual([
      'rolledBack',
      stop === 'cancel' ? 'CANCELLED' : 'COMPLETED',
    ]);
    expect(row.events.filter((event) => /look|write/.test(event))).toEqual([
      'began writeReport',
      'ended writeReport',
    ]);
  }
});

describe.each(FORWARD)('$name', { concurrent: true }, (state) => {
  test.each(GENTLE)('%s: answered at once, and all is as it was', async (stop) => {
    const row = await open(FORWARD, state, stop);
    const asked = timesAsked(row);
    expect(await stopNow(row, stop)).toBeUndefined();
    const kind = stop === 'cancel' ? 'cancel' : 'abort';
    if (state.held) {
      const { stop: why } = await row.until(
        (progress) => progress.stop !== undefined,
        'the stop to be shown',
      );
      expect([row.isHeld, why?.kind]).toEqual([true, kind]);
      expect(await row.stop('update')).toContain(`on its way back already (${kind})`);
      if (!state.reads) expect(undoingOf(row)).toEqual([]);
    }
    row.release();
    const { progress, temporalStatus } = await row.untilClosed();
    expect([progress?.outcome, progress?.stop?.kind, temporalStatus]).toEqual([
      'rolledBack',
      kind,
      stop === 'cancel' ? 'CANCELLED' : 'COMPLETED',
    ]);
    expect(row.left).toEqual([]);
    if (state.untouched) expect(undoingOf(row)).toEqual([]);
    // The undo does not race what it undoes.
    const ended = row.events.indexOf(`ended ${state.held?.activity}`);
    if (!state.reads) expect(undoingOf(row).filter((at) => at < ended)).toEqual([]);
    if (state.locked) {
      expect(timesAsked(row)).toBeLessThanOrEqual(asked + 1);
      const lock = servers.client.workflow.getHandle(row.lockId);
      expect((await lock.describe()).status.name).toBe('RUNNING');
    }
  });
});

describe.each(BACK)('$name', { concurrent: true }, (state) => {
  test.each(GENTLE)('%s: changes nothing and says so; all is as it was', async (stop) => {
    const row = await open(BACK, state, stop);
    await expectIgnored(row, stop, 'on its way back already (gate)');
    expect(row.isHeld).toBe(state.held !== undefined);
    await finish(row);
    const { progress, temporalStatus } = await row.untilClosed();
    expect([progress?.outcome, progress?.stop?.kind, temporalStatus]).toEqual([
      'rolledBack',
      'gate',
      'COMPLETED',
    ]);
    expect(row.left).toEqual([]);
  });
});

describe.each(LATE)('$name', { concurrent: true }, (state) => {
  test.each(GENTLE)('%s: comes too late and says so; it is promoted', async (stop) => {
    const row = await open(LATE, state, stop);
    await expectIgnored(row, stop, /the last gate has passed|has ended: promoted/);
    expect(row.isHeld).toBe(true);
    row.release();
    const { progress, temporalStatus } = await row.untilClosed();
    expect([progress?.outcome, progress?.stop, temporalStatus]).toEqual(['promoted', undefined, 'COMPLETED']);
    expect([...row.world.secrets.values()]).toEqual([expect.stringMatching(/-new$/)]);
    // The server takes a cancel of what has ended, and does nothing.
    if (stop !== 'cancel') expect(await row.stop(stop)).toMatch(/has ended|already completed/);
  });
});

describe.each([...FORWARD, ...BACK])('$name', { concurrent: true }, (state) => {
  test('terminate: start refuses until an undo, which leaves all as it was', async () => {
    const row = await open(FORWARD.includes(state) ? FORWARD : BACK, state, 'terminate');
    await row.stop('terminate');
    row.release();
    await row.untilQuiet();
    const { deeds } = await row.untilClosed();
    if (!deeds) {
      expect([row.left, undoingOf(row)]).toEqual([[], []]);
      return;
    }
    expect(await row.refusal()).toMatch(/was ended in the middle \(terminated\).*headgate undo/);
    const { runId } = await servers.headgate.undo(row.application, 'cas');
    await finish(row);
    const { progress } = await row.untilClosed();
    expect([progress?.runId, progress?.outcome, row.left]).toEqual([runId, 'rolledBack', []]);
  });
});

describe('a run that takes back another one, before it has begun to', { concurrent: true }, () => {
  const state: StopState = {
    name: 'a run that is terminated',
    steps: [deployStep(STAGE), checkStep(STAGE)],
    held: { activity: 'awaitProbes', call: 3 },
  };
  test.each(GENTLE)('%s: changes nothing and says so; all is as it was', async (stop) => {
    const row = new Row(`undo-${STOPS.indexOf(stop)}`, state, 'finishes', servers);
    rows.add(row);
    await row.start();
    await row.enter();
    await row.stop('terminate');
    row.release();
    await row.untilQuiet();
    let release = () => {};
    row.world.blocked.lookRelease = new Promise((resolve) => {
      release = resolve;
    });
    const looks = row.events.length;
    await servers.headgate.undo(row.application, 'cas');
    await waitFor(() => row.events.slice(looks).includes('began lookRelease'), 'a look at what failed');
    await expectIgnored(row, stop, 'on its way back already (undo)');
    release();
    const { progress, temporalStatus } = await row.untilClosed();
    expect([progress?.outcome, temporalStatus, row.left]).toEqual(['rolledBack', 'COMPLETED', []]);
  });
});

async function expectIgnored(row: Row, stop: Stop, why: string | RegExp): Promise<void> {
  const answer = await stopNow(row, stop);
  if (stop === 'command line' || stop === 'update') {
    expect(answer).toMatch(why);
    return;
  }
  expect(answer).toBeUndefined();
  const { ignored } = await row.until((progress) => progress.ignored !== undefined, 'why it does nothing');
  expect(ignored?.signal).toBe(stop === 'cancel' ? 'cancel' : 'abort');
  expect(ignored?.why).toMatch(why);
}

/** Lets go what is held, and gives the answer that it asks for. */
async function finish(row: Row): Promise<void> {
  row.release();
  if (row.state.answer) await row.answer(row.state.answer);
}
