/**
 * A colleague changes the real thing while its monitor runs: the verdict is tainted, it is said what, and the way back
 * keeps what the colleague has done. Real parts, real fences, real monitor; its one probe answers by script.
 */
import { randomUUID } from 'node:crypto';
import { appendFile, readFile } from 'node:fs/promises';
import type { WorkflowHandle } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createFenceReader, type FenceDeps } from '../../src/activities/fences.js';
import { createTargets } from '../../src/adapters/targets/registry.js';
import type { RolloutInput, RolloutResult } from '../../src/contract/inputs.js';
import { PROGRESS_QUERY, rolloutWorkflowId, TASK_QUEUE } from '../../src/contract/messages.js';
import type { Progress, Taint } from '../../src/contract/progress.js';
import type { ConfigStep, ResolvedStep } from '../../src/plan/resolved.js';
import { runChild } from '../../src/platform/children.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { createRds } from '../../src/tools/aws/rds.js';
import { createSecretStore } from '../../src/tools/aws/secrets-manager.js';
import { createLocalFiles } from '../../src/tools/dotenv/files.js';
import { dotenvTexts } from '../../src/tools/dotenv/index.js';
import { createKubernetes } from '../../src/tools/kubernetes/client.js';
import { createSsh } from '../../src/tools/ssh/index.js';
import * as kinds from '../support/drift-kinds.js';
import * as targets from '../support/drift-targets.js';
import { createFakeWorld } from '../support/fake-world.js';
import { type Moto, motoIsMissing, startMoto } from '../support/moto.js';
import { planOf } from '../support/plans.js';
import { type LocalRds, startLocalRds } from '../support/sandbox-rds.js';
import { createScriptedProbes, scriptedMonitor } from '../support/scripted-probes.js';
import { startTemporal, startWorkers } from '../support/temporal.js';

let env: TestWorkflowEnvironment;
let open: kinds.OpenKind | undefined;
let workers: Awaited<ReturnType<typeof startWorkers>> | undefined;
let handle: WorkflowHandle;
let probes: ReturnType<typeof createScriptedProbes>;

beforeAll(async () => {
  env = await startTemporal();
});
afterEach(async () => {
  await handle?.terminate('end of the test').catch(() => undefined);
  await workers?.stop();
  await open?.close();
  [workers, open] = [undefined, undefined];
});
afterAll(async () => env?.teardown());

const redactor = new Redactor();
const references = new References({ allowed: [], env: {}, readSecret: async () => '', redactor });

function readerOf(endpoint?: string) {
  const ssh = createSsh({ runChild, env: {} });
  const kubernetes = createKubernetes({});
  return createFenceReader({
    deploy: {
      targets: createTargets({ runChild, env: {}, commandsEnabled: true, kubernetes, ssh }),
      references,
    },
    secrets: createSecretStore(),
    config: { openHost: () => createLocalFiles(), texts: dotenvTexts, references },
    rds: createRds(endpoint === undefined ? {} : { endpoint }),
    redactor,
  } satisfies FenceDeps);
}

interface Options {
  onTainted?: 'hold' | 'rollback';
  /** Of the RDS API. */
  endpoint?: string;
  /** Between the step and the monitor. */
  before?: (opened: kinds.OpenKind) => Promise<unknown>;
}

async function begin(kind: Pick<kinds.DriftKind, 'open'>, options: Options = {}): Promise<kinds.OpenKind> {
  const opened = await kind.open();
  open = opened;
  probes = createScriptedProbes({ fences: readerOf(options.endpoint) });
  const { monitor } = probes;
  let isFirst = true;
  workers = await startWorkers(env, {
    ...createFakeWorld().activities,
    ...opened.real,
    async sampleProbes(input) {
      if (isFirst) await options.before?.(opened);
      isFirst = false;
      return monitor.sampleProbes(input);
    },
  });
  const { onTainted = 'hold' } = options;
  const steps: ResolvedStep[] = [
    { ...opened.step, onRollback: opened.step.kind === 'reboot' ? 'keep' : 'revert' },
    scriptedMonitor('production', 3_000, {}, { onTainted }),
  ];
  const plan = planOf(`app-${randomUUID().slice(0, 8)}`, [{ name: 'production', steps }], {
    directory: opened.directory,
  });
  handle = await env.client.workflow.start('rollout', {
    workflowId: rolloutWorkflowId(plan.application),
    taskQueue: TASK_QUEUE,
    args: [{ plan, startedBy: 'ana', searchAttributes: false } satisfies RolloutInput],
  });
  return opened;
}

async function until(isTrue: (progress: Progress) => boolean): Promise<Progress> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const progress = await handle.query<Progress>(PROGRESS_QUERY);
    if (isTrue(progress)) return progress;
    if (progress.outcome || Date.now() > deadline)
      throw new Error(`it never came: ${JSON.stringify(progress, null, 1)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const monitored = () => until(() => probes.taken('watched') > 0);
const resultOf = (): Promise<RolloutResult> => handle.result();
const taintsOf = ({ steps }: Progress): Taint[] => steps.flatMap(({ tainted = [] }) => tainted);

/** Held, with this taint; then back, which leaves what the colleague has done for a person to accept. */
async function holds(taint: Partial<Taint>): Promise<void> {
  const progress = await until(({ waiting }) => waiting?.tainted !== undefined);
  expect(taintsOf(progress)).toEqual([expect.objectContaining(taint)]);
  for (const { what, found } of taintsOf(progress)) {
    expect(progress.waiting?.message).toContain(`${what} is ${found}`);
  }
  await handle.executeUpdate('abort', { args: [{ by: 'cas' }] });
}

describe('a dotenv file', () => {
  const fileOf = ({ step }: kinds.OpenKind) => (step as ConfigStep).config.place.file;

  test('of which a key is added is tainted, and the key is kept when ours go back', async () => {
    const opened = await begin(kinds.config);
    await monitored();
    await opened.change();
    await holds({
      what: `file ${fileOf(opened)}`,
      found: expect.stringMatching(/^other values of THEIRS \([0-9a-f]{12}\)$/),
    });
    await until(({ phase }) => phase === 'stuck');
    expect(await readFile(fileOf(opened), 'utf8')).toBe('POOL=20\nTHEIRS=1\n');
  });

  test('that was changed between the step and the monitor is tainted as well', async () => {
    const opened = await begin(kinds.config, { before: (each) => each.change() });
    await holds({ what: `file ${fileOf(opened)}` });
  });

  test('that only gets a comment is not', async () => {
    const opened = await begin(kinds.config);
    await monitored();
    await appendFile(fileOf(opened), '# looked at by cas\n');
    expect((await resultOf()).outcome).toBe('promoted');
  });

  test('rolls back by itself where the plan says so, and says what was changed', async () => {
    const opened = await begin(kinds.config, { onTainted: 'rollback' });
    await monitored();
    await opened.change();
    const { stop } = await until(({ phase }) => phase === 'stuck');
    expect(stop).toMatchObject({
      kind: 'gate',
      step: 'production/monitor',
      message: expect.stringContaining('is other values of THEIRS'),
    });
    expect(await readFile(fileOf(opened), 'utf8')).toBe('POOL=20\nTHEIRS=1\n');
  });
});

describe('a release', () => {
  test('that is replaced is tainted, and nobody rolls over the colleague’s', async () => {
    const opened = await begin(targets.liveRelease);
    await monitored();
    await opened.change();
    await holds({
      what: 'live release of production/deploy',
      expected: 'release-v1.0.1 (v1.0.1)',
      found: 'red (v1.2.0)',
    });
    const { compensations } = await until(({ phase }) => phase === 'stuck');
    expect(compensations).toEqual([
      expect.objectContaining({ status: 'failed', found: expect.stringContaining('red (v1.2.0)') }),
    ]);
    expect(JSON.parse(await readFile(`${opened.directory}/state.json`, 'utf8')).live.id).toBe('red');
  });

  test('that nobody touches is promoted', async () => {
    await begin(targets.liveRelease);
    const { outcome, progress } = await resultOf();
    expect([outcome, taintsOf(progress)]).toEqual(['promoted', []]);
  });

  test('of which nobody can tell what is live is missing evidence, and no taint', async () => {
    const opened = await begin(targets.liveRelease, {
      before: (each) => appendFile(`${each.directory}/state.json`, 'no JSON any more'),
    });
    const { waiting } = await until(({ waiting }) => waiting?.for === 'decision');
    expect(waiting?.tainted).toBeUndefined();
    expect(waiting?.message).toMatch(
      /what production\/deploy has made could not be looked at at all: status/,
    );
    expect(opened.step.name).toBe('production/deploy');
  });
});

describe.skipIf(motoIsMissing())('a secret', () => {
  let moto: Moto;
  beforeAll(async () => {
    moto = await startMoto();
  });
  afterAll(() => moto?.stop());

  test('of which another version becomes current is tainted: by its version, and no value', async () => {
    const opened = await begin(kinds.secret);
    await monitored();
    await opened.change();
    await holds({
      what: expect.stringMatching(/^secret app\//),
      expected: expect.stringMatching(/^version [0-9a-f]{8}$/),
      found: expect.stringMatching(/^version [0-9a-f]{8}$/),
    });
    const progress = await until(({ phase }) => phase === 'stuck');
    expect(await opened.isApplied()).toBe(false);
    expect(JSON.stringify(progress)).not.toContain('THEIRS');
  });

  test('that nobody touches is promoted', async () => {
    await begin(kinds.secret);
    expect((await resultOf()).outcome).toBe('promoted');
  });
});

describe('parameters', () => {
  let world: LocalRds;
  beforeAll(async () => {
    Object.assign(process.env, { AWS_ACCESS_KEY_ID: 'testing', AWS_SECRET_ACCESS_KEY: 'testing' });
    world = await startLocalRds({ max_connections: '80' });
  });
  afterAll(() => world?.stop());

  test('that are set after the reboot taint, with what is pending, until a person takes them as given', async () => {
    const opened = await begin(targets.rebootOf(world), { endpoint: world.endpoint });
    await monitored();
    await opened.change();
    const progress = await until(({ waiting }) => waiting?.tainted !== undefined);
    expect(taintsOf(progress)).toEqual([
      expect.objectContaining({
        what: 'parameters of whatsapp-saas-prod',
        found: expect.stringMatching(/^max_worker_processes = \d+, which waits for a reboot$/),
        expected: expect.stringMatching(/^max_worker_processes = (\d+|not set)$/),
      }),
    ]);
    await handle.executeUpdate('retry', { args: [{ by: 'cas' }] });
    expect((await resultOf()).outcome).toBe('promoted');
  });

  test('that nobody touches are promoted', async () => {
    await begin(targets.rebootOf(world), { endpoint: world.endpoint });
    expect((await resultOf()).outcome).toBe('promoted');
  });
});
