/**
 * A plan with a source, from the command to the worker: the client pins and digests, a worker with another home and no
 * disk in common carries out with files of its own.
 */
import { accessSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPlanFileActivities } from '../../src/activities/plan-files.js';
import type { Context } from '../../src/cli/context.js';
import { requirePlan } from '../../src/cli/loading.js';
import { Output } from '../../src/cli/output.js';
import type { RolloutContext, Subject } from '../../src/contract/activities.js';
import type { PlanFile } from '../../src/plan/resolved.js';
import { ErrorMappingInterceptor } from '../../src/platform/failures.js';
import { loadPlan } from '../../src/platform/load-plan.js';
import { Redactor } from '../../src/platform/redaction.js';
import { SourceInterceptor } from '../../src/platform/source-interceptor.js';
import { createK6 } from '../../src/tools/k6.js';
import { waitFor } from '../support/processes.js';
import { never, SourceWorld } from '../support/source.js';

let world: SourceWorld;
beforeEach(async () => {
  world = await SourceWorld.create();
});
afterEach(() => world.remove());

const clientSources = async () => world.sources('client');

/** On the client's disk, beside nothing. */
async function planFile(source: string): Promise<string> {
  const file = join(world.git.folder, 'rollout.yaml');
  const lines = [
    'apiVersion: headgate/v1',
    'application: booking',
    'version: v1.0.1',
    `source: ${source}`,
    'probes:',
    '  book: { http: { url: "http://127.0.0.1:9", method: POST, bodyFile: booking.json }, expect: { path: status, equals: 200 } }',
    'stages:',
    '  - name: staging',
    '    steps:',
    '      - loadTest: { script: load.js, expect: { metric: checks, path: rate, equals: 1 } }',
    '      - check: { probes: [book] }',
  ];
  await writeFile(file, `${lines.join('\n')}\n`);
  return file;
}

const mainSource = () => `{ git: "${world.git.remote}", ref: main, directory: plans }`;

async function loaded() {
  const { plan } = await loadPlan(await planFile(mainSource()), {}, { loadSources: clientSources });
  if (!plan?.source) throw new Error('no plan with a source');
  const { files, source, directory } = plan;
  const context: RolloutContext = {
    ...{ application: 'booking', version: 'v1.0.1', runId: 'run-1', startedBy: 'ana' },
    ...{ directory, source },
  };
  return { plan, files, context };
}

/** One worker, as the composition root makes it. */
function environment(name: string, activityType: string, heartbeatDetails?: unknown) {
  const redactor = new Redactor();
  const sources = world.sources(name);
  return new MockActivityEnvironment(
    { activityType, heartbeatDetails },
    {
      // It warns of every failure that is meant here.
      logger: new DefaultLogger('ERROR'),
      interceptors: [
        () => ({ inbound: new ErrorMappingInterceptor(redactor) }),
        () => ({ inbound: new SourceInterceptor(sources) }),
      ],
    },
  );
}

const directoryOf = async ({ context }: { context: RolloutContext }) => context.directory;
const verify = (input: { context: RolloutContext; files: PlanFile[] }) =>
  createPlanFileActivities().verifyPlanFiles(input);

describe('a start', () => {
  it('pins the ref and digests the files of that commit, whoever starts it', async () => {
    const { plan } = await loaded();
    const commit = world.git.atRemote('main');
    expect(plan.source).toEqual({ git: world.git.remote, ref: 'main', directory: 'plans', commit });
    expect(plan.files.map(({ path }) => path)).toEqual(['load.js', 'booking.json']);
    const colleague = await loadPlan(
      await planFile(mainSource()),
      {},
      {
        loadSources: async () => world.sources('colleague'),
      },
    );
    expect(colleague.plan?.digest).toBe(plan.digest);
  });

  it('after a push is another plan', async () => {
    const { plan } = await loaded();
    await world.git.pushTheirs('another', 'another\n');
    const again = await loaded();
    expect(again.plan.files).toEqual(plan.files);
    expect(again.plan.digest).not.toBe(plan.digest);
  });

  it('names a file that is not in the commit, at its place', async () => {
    world.git.git(['rm', '--quiet', 'plans/load.js'], world.git.theirs);
    await world.git.pushTheirs('another', 'another\n');
    const { missing, plan } = await loadPlan(
      await planFile(mainSource()),
      {},
      { loadSources: clientSources },
    );
    expect(plan).toBeUndefined();
    expect(missing).toMatchObject([
      { path: 'stages[0].steps[0].loadTest.script', line: 10, message: 'load.js does not exist.' },
    ]);
  });

  it('without a network looks at no file, and says nothing wrong', async () => {
    const result = await loadPlan(await planFile(mainSource()), {});
    expect(result).toMatchObject({ faults: [], missing: [], unreachable: [], source: { ref: 'main' } });
    expect(result.plan).toBeUndefined();
  });

  it.each([
    ['a ref that is not there', () => `{ git: "${world.git.remote}", ref: gone }`, 2, 'source.ref'],
    ['no repository', () => `{ git: "${world.git.folder}/none.git", ref: main }`, 2, 'source.git'],
    [
      'a folder that is not there',
      () => `{ git: "${world.git.remote}", ref: main, directory: no }`,
      2,
      'source.directory',
    ],
    [
      'a server that does not answer',
      () => '{ git: "https://127.0.0.1:9/x.git", ref: main }',
      4,
      'source.git',
    ],
  ])('with %s ends with one fault and its exit code', async (_what, source, exitCode, path) => {
    const printed: string[] = [];
    const output = new Output({
      ...{ json: true, terminal: false, color: false, columns: 120, rows: 50 },
      ...{ stdout: (text) => void printed.push(text), stderr: () => {} },
    });
    const context: Context = {
      ...{ output, interrupted: never, loadSources: clientSources },
      loadSandbox: () => Promise.reject(new Error('not asked')),
      loadWorker: () => Promise.reject(new Error('not asked')),
      loadArtifacts: () => Promise.reject(new Error('not asked')),
    };
    await expect(requirePlan(context, await planFile(source()), {})).rejects.toMatchObject({ exitCode });
    const faults = printed.map((line) => JSON.parse(line));
    expect(faults).toMatchObject([{ type: 'error', data: { code: 'source', path, line: 4 } }]);
    expect(faults[0].data.fix).not.toBe('');
  });
});

describe('a worker with another home', () => {
  it('carries out with files of its own, after the branch has moved and the client is gone', async () => {
    const { files, context } = await loaded();
    await world.git.pushTheirs('plans/booking.json', '{"guest":"two"}\n');
    await rm(world.home('client'), { recursive: true });
    const worker = environment('worker', 'verifyPlanFiles');
    await worker.run(verify, { context, files });
    const directory = await worker.run(directoryOf, { context });
    expect(directory).toContain(world.home('worker'));
    // What measures is handed its context inside of a subject.
    const subject: Subject = { context, stage: 'staging', step: 'staging/check' };
    const measured = await worker.run(async (input: { subject: Subject }) => input.subject.context, {
      subject,
    });
    expect(measured).toEqual({ ...context, directory });
  });

  it.skipIf(!hasK6())('gives k6 a script of the source', async () => {
    const { context } = await loaded();
    const k6 = createK6({ findK6: async () => ({ path: process.env.HEADGATE_TOOL_K6 ?? '' }) });
    const inspect = async (input: { context: RolloutContext }) => {
      const { directory: cwd } = input.context;
      return k6.inspect({ script: join(cwd, 'load.js'), cwd, env: {}, signal: never });
    };
    expect(await environment('worker', 'lookLoadTest').run(inspect, { context })).toEqual({ thresholds: [] });
  });

  it('whose checkout was changed refuses, and says where', async () => {
    const { files, context } = await loaded();
    const worker = environment('worker', 'verifyPlanFiles');
    const directory: string = await worker.run(directoryOf, { context });
    await writeFile(join(directory, 'load.js'), 'somebody was here');
    await expect(worker.run(verify, { context, files })).rejects.toMatchObject({
      type: 'Refused',
      message: `The files of ${world.git.remote}@${context.source?.commit.slice(0, 12)} (main) were changed on this worker: load.js differs. They are fetched again when the checkout is gone: rm -r ${join(directory, '..')}`,
    });
  });

  it('beats while it fetches, and repeats what the attempt before has said', async () => {
    const { context } = await loaded();
    const hold = await world.holdFetches();
    const worker = environment('worker', 'runLoadTest', { elapsedMs: 7 });
    const beats: unknown[] = [];
    worker.on('heartbeat', (details) => beats.push(details));
    const running = worker.run(directoryOf, { context });
    await waitFor(() => hold.begun() === 1 && beats.length > 1, 'a fetch and two heartbeats');
    await hold.release();
    await running;
    expect(new Set(beats.map((each) => JSON.stringify(each)))).toEqual(new Set(['{"elapsedMs":7}']));
  });

  it('that cannot have the files says what is missing, and once only when time may mend it', async () => {
    const { context } = await loaded();
    await rm(world.git.remote, { recursive: true });
    const failing = environment('worker', 'verifyPlanFiles').run(directoryOf, { context });
    await expect(failing).rejects.toMatchObject({
      type: 'Invalid',
      nonRetryable: true,
      message: expect.stringMatching(/are not on this machine and cannot be fetched: .*a credential helper/),
    });
    const source = { ...world.source({ git: 'https://127.0.0.1:9/x.git' }), commit: 'a'.repeat(40) };
    const silent = environment('worker', 'verifyPlanFiles').run(directoryOf, {
      context: { ...context, source },
    });
    await expect(silent).rejects.toMatchObject({ nonRetryable: false });
  });

  it.each([
    ['undoSecret', undefined],
    ['notify', undefined],
    ['writeReport', undefined],
    ['undoConfig', { kind: 'config', config: { place: { kind: 'ssh' } } }],
    ['restoreTraffic', { kind: 'deploy', config: { target: 'kubernetes' } }],
  ])('that cannot have them takes back and tells all the same: %s', async (activityType, step) => {
    const { context } = await loaded();
    await rm(world.git.remote, { recursive: true });
    const input = { context, step };
    const runs = async (given: typeof input) => given.context.runId;
    expect(await environment('worker', activityType).run(runs, input)).toBe('run-1');
    // What may need them does not.
    const needy = environment('worker', 'restoreTraffic').run(runs, {
      ...input,
      step: { kind: 'deploy', config: { target: 'command' } } as never,
    });
    await expect(needy).rejects.toMatchObject({ type: 'Invalid' });
  });

  it('does nothing for a plan without a source', async () => {
    const { context } = await loaded();
    const beside = { ...context, source: undefined, directory: '/srv/plans' };
    expect(await environment('worker', 'verifyPlanFiles').run(directoryOf, { context: beside })).toBe(
      '/srv/plans',
    );
  });
});

function hasK6(): boolean {
  try {
    accessSync(process.env.HEADGATE_TOOL_K6 ?? '');
    return true;
  } catch {
    console.warn('SKIPPED: HEADGATE_TOOL_K6 names no k6.');
    return false;
  }
}
