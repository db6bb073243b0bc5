/** Every state in which somebody may stop a rollout: how it gets there, and what is at work then. */
import { ApplicationFailure } from '@temporalio/common';
import type { ActivityName, HeadgateActivities } from '../../src/contract/activities.js';
import { FAILURES } from '../../src/contract/messages.js';
import type { Progress } from '../../src/contract/progress.js';
import type { ResolvedStage, ResolvedStep } from '../../src/plan/resolved.js';
import type { FakeWorld } from './fake-world.js';
import {
  approvalStep,
  checkStep,
  deployStep,
  gitStep,
  infraStep,
  loadTestStep,
  monitorStep,
  rebootStep,
  runStep,
  secretStep,
} from './plans.js';

export interface StopState {
  name: string;
  /** Of the rollout's one stage, after a `config` step. */
  steps: ResolvedStep[];
  stage?: Partial<ResolvedStage>;
  /** What is in the middle of its work, and for which time. */
  held?: { activity: ActivityName; call: number };
  /** How it shows itself where nothing is at work. */
  shows?: (progress: Progress) => boolean;
  arrange?: (world: FakeWorld) => void;
  /** In place of the world's own. */
  activities?: (world: FakeWorld) => Partial<HeadgateActivities>;
  /** A lock of the plan is somebody else's. */
  locked?: true;
  /** What people send so that it gets there. */
  send?: (send: Send, progress: Progress) => Promise<unknown>;
  /** What they answer, once the stop has changed nothing. */
  answer?: 'retry';
  /** Nothing can have been changed by then. */
  untouched?: true;
  /** What is at work only reads, and the way back need not wait for its end. */
  reads?: true;
}

export type Send = (name: string, input: object) => Promise<unknown>;

/** A stage's name, until each row puts in its own: no two may lock the same things. */
export const STAGE = 'the-stage';

const at = (activity: ActivityName, call = 1) => ({ activity, call });
const holding = (name: string, activity: ActivityName, steps: ResolvedStep[], call = 1): StopState => ({
  name,
  held: at(activity, call),
  steps,
});

/** One act, of which the target knows nothing but the version. */
const opaque = (world: FakeWorld): Partial<HeadgateActivities> => ({
  lookRelease: async (input) => {
    const look = await world.activities.lookRelease(input);
    return { ...look, found: { ...look.found, staged: false } };
  },
});

const deploy = {
  ...deployStep(STAGE),
  config: { ...deployStep(STAGE).config, startsFrom: [`${STAGE}/config`, `${STAGE}/settings`] },
};
const whole = { ...deploy, config: { ...deploy.config, beforePromotion: [] } };
const secret = secretStep(STAGE);
const approval = approvalStep(STAGE, [secret.name]);
const signed: ResolvedStep = { ...approval, config: { ...approval.config, identity: 'ssh' } };
const git: ResolvedStep = { ...gitStep(STAGE), onRollback: 'revert' };
git.config.directory = STAGE;

const STARTING: StopState[] = [
  { ...holding('starting: files are compared', 'verifyPlanFiles', []), untouched: true },
  { ...holding('starting: who has started it', 'verifyStart', [signed, secret]), untouched: true },
  { ...holding('starting: whose lock it is', 'describeLockHolder', []), locked: true, untouched: true },
  {
    name: 'waiting for a lock',
    steps: [],
    locked: true,
    shows: ({ phase }) => phase === 'starting',
    untouched: true,
  },
  { ...holding('a stage is looked at', 'lookRelease', [deploy]), untouched: true },
  { ...holding('what is in force is measured', 'measureInForce', [deploy]), untouched: true },
];

const RUNNING: StopState[] = [
  holding('config is written', 'writeConfig', [checkStep(STAGE)]),
  holding('config is read back, the last of all', 'verifyConfig', []),
  holding('secret is looked at', 'lookSecret', [secret]),
  holding('secret is put', 'putSecret', [secret]),
  holding('secret is read back, the last of all', 'verifySecret', [secret]),
  holding('infra is planned', 'lookInfra', [infraStep(STAGE)]),
  holding('infra is applied', 'applyInfra', [infraStep(STAGE)]),
  holding('infra is planned again', 'verifyInfra', [infraStep(STAGE), secret]),
  holding('a database is rebooted', 'rebootInstance', [rebootStep(STAGE)]),
  holding('the rebooted database is probed', 'awaitProbes', [rebootStep(STAGE)]),
  holding('git is pushed', 'pushGit', [git]),
  holding('deploy: prepare', 'prepareRelease', [deploy]),
  holding('deploy: before promotion', 'awaitProbes', [deploy]),
  holding('deploy: promote', 'promoteRelease', [deploy]),
  holding('deploy: after promotion, the last of all', 'awaitProbes', [deploy], 2),
  { ...holding('deploy: one act', 'promoteRelease', [whole]), activities: opaque },
  holding('check', 'awaitProbes', [checkStep(STAGE)]),
  holding('load test: inspect', 'lookLoadTest', [loadTestStep(STAGE)]),
  holding('load test: k6', 'runLoadTest', [loadTestStep(STAGE)]),
  holding('evidence is gathered', 'composeEvidence', [approval, secret]),
  { ...holding('monitor', 'sampleProbes', [monitorStep(STAGE, 60_000)]), reads: true },
  holding('run', 'runCommand', [runStep(STAGE, ['./migrated'])]),
  holding('run: verify, the last of all', 'verifyCommand', [runStep(STAGE, ['./migrated'])]),
  {
    ...holding('a signature is verified', 'verifyAnswer', [signed, secret]),
    reads: true,
    // Nobody waits for the answer: it comes when the signature has been verified, or the rollout is stopped.
    send: async (send, { waiting }) => {
      const { gate, digest } = waiting ?? {};
      void send('approve', { gate, digest, by: 'ben', signature: "ben's key" }).catch(() => undefined);
    },
    shows: ({ waiting }) => waiting?.for === 'approval',
  },
];

const WAITING: StopState[] = [
  {
    name: 'waiting for an approval',
    steps: [approval, secret],
    shows: ({ waiting }) => waiting?.for === 'approval',
  },
  {
    name: 'held',
    steps: [monitorStep(STAGE, 300), secret],
    arrange: (world) => world.outcomes.set('watched', 'error'),
    send: async (send) => {
      await send('hold', { by: 'dan' });
      await send('skip', { step: 'monitor', by: 'dan', reason: 'to be held behind it' });
    },
    shows: ({ phase }) => phase === 'held',
  },
  {
    name: 'waiting for its window',
    steps: [],
    stage: {
      window: { days: [0], fromMinute: 120, toMinute: 240, timeZone: 'UTC', text: 'Sun 02:00-04:00 UTC' },
    },
    activities: () => ({ measureWindow: async () => 3_600_000 }),
    shows: ({ waiting }) => waiting?.for === 'window',
    untouched: true,
  },
  {
    name: 'waiting for a decision: an unknown deploy',
    steps: [whole],
    arrange: (world) => {
      world.faults.promoteRelease = () =>
        ApplicationFailure.nonRetryable('whether it was begun is not known', FAILURES.unknownResult);
    },
    activities: opaque,
    shows: ({ waiting }) => waiting?.for === 'decision',
  },
  {
    name: 'waiting for a decision: a monitor without evidence',
    steps: [monitorStep(STAGE, 300)],
    arrange: (world) => world.outcomes.set('watched', 'error'),
    shows: ({ waiting }) => waiting?.for === 'decision',
  },
  {
    name: 'waiting for a decision: a lost run',
    steps: [runStep(STAGE)],
    arrange: (world) => {
      world.faults.runCommand = () =>
        ApplicationFailure.create({ message: 'shut down', type: 'WorkerShutdown' });
    },
    shows: ({ waiting }) => waiting?.for === 'decision',
  },
];

/** Somebody may stop it; then it is as it was. */
export const FORWARD = [...STARTING, ...RUNNING, ...WAITING];

const failing = (name: string, activity: ActivityName, call = 1): StopState => ({
  ...holding(name, activity, [secret, infraStep(STAGE), deploy, checkStep(STAGE)], call),
  arrange: (world) => world.outcomes.set('held', 'fail'),
});

/** On its way back already. */
export const BACK: StopState[] = [
  failing('back: traffic', 'restoreTraffic'),
  failing('back: what failed is asked', 'collectDiagnostics'),
  failing('back: what failed is stopped', 'retireRelease'),
  failing('back: infra', 'undoInfra'),
  failing('back: secret', 'undoSecret'),
  failing('back: started again', 'restartRelease'),
  failing('back: measured', 'lookConfig', 2),
  {
    name: 'back: asks whether to keep',
    steps: [{ ...secret, onRollback: 'ask' }, checkStep(STAGE)],
    arrange: (world) => world.outcomes.set('held', 'fail'),
    shows: ({ phase, waiting }) => phase === 'stuck' && waiting?.for === 'decision',
    answer: 'retry',
  },
  {
    name: 'stuck',
    steps: [secret, checkStep(STAGE)],
    arrange: (world) => {
      world.outcomes.set('held', 'fail');
      world.faults.undoSecret = (call) =>
        call === 1 ? ApplicationFailure.nonRetryable('changed by others', FAILURES.conflict) : undefined;
    },
    shows: ({ phase, waiting }) => phase === 'stuck' && waiting?.for === 'undo',
    answer: 'retry',
  },
];

/** The last gate has passed. */
export const LATE: StopState[] = [
  holding('settling: the old release is retired', 'retireRelease', [secret, deploy]),
  holding('settling: labels are dropped', 'settleSecret', [secret, deploy]),
  holding('settling: what is in force is measured', 'measureInForce', [secret, deploy], 2),
  holding('the report is written', 'writeReport', [secret, deploy]),
];
