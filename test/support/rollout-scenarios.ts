/** Rollouts by the hundred: any legal list of steps, anything that ends them, and a way back on which things fail. */
import { ApplicationFailure } from '@temporalio/common';
import fc from 'fast-check';
import type { ActivityName } from '../../src/contract/activities.js';
import { FAILURES } from '../../src/contract/messages.js';
import type { ResolvedPlan, ResolvedStep, StepKind } from '../../src/plan/resolved.js';
import * as plans from './plans.js';

export type Ending = 'failure' | 'gate' | 'refusal' | 'drift' | 'abort' | 'cancel' | 'deadline';

export interface Scenario {
  plan: ResolvedPlan;
  /** Deploys whose target holds no release beside the live one. */
  opaque: string[];
  /** What ends it, at an activity of a step; `before` and `with` its result are for what comes from outside. */
  ending?: { activity: ActivityName; step: string; how: Ending; when: 'before' | 'with' };
  /** `activity step` → so many calls on the way back fail. */
  undoFaults: Record<string, number>;
  /** Answers to a rollback that could not be completed, before it is accepted. */
  retries: number;
  keepWhenAsked: boolean;
  /** Order of what may happen in any order. */
  seed: number;
}

interface Verbs {
  look: ActivityName[];
  act: ActivityName[];
  verify: ActivityName[];
  undo: ActivityName[];
}

export const VERBS: Record<StepKind, Verbs> = {
  config: { look: ['lookConfig'], act: ['writeConfig'], verify: ['verifyConfig'], undo: ['undoConfig'] },
  secret: { look: ['lookSecret'], act: ['putSecret'], verify: ['verifySecret'], undo: ['undoSecret'] },
  infra: { look: ['lookInfra'], act: ['applyInfra'], verify: ['verifyInfra'], undo: ['undoInfra'] },
  reboot: { look: ['lookReboot'], act: ['rebootInstance'], verify: ['awaitProbes'], undo: [] },
  git: { look: ['lookGit'], act: ['pushGit'], verify: ['verifyGit'], undo: ['undoGit'] },
  run: { look: ['lookRun'], act: ['runCommand'], verify: ['verifyCommand'], undo: ['undoCommand'] },
  deploy: {
    look: ['lookRelease'],
    act: ['prepareRelease', 'promoteRelease'],
    verify: ['awaitProbes'],
    undo: ['restoreTraffic', 'collectDiagnostics', 'retireRelease', 'restartRelease'],
  },
  check: { look: [], act: ['awaitProbes'], verify: [], undo: [] },
  loadTest: { look: ['lookLoadTest'], act: ['runLoadTest'], verify: [], undo: [] },
  monitor: { look: [], act: ['sampleProbes'], verify: [], undo: [] },
  approval: { look: [], act: [], verify: [], undo: [] },
};

const MAKERS: Record<StepKind, (stage: string) => ResolvedStep> = {
  config: plans.configStep,
  secret: plans.secretStep,
  infra: plans.infraStep,
  reboot: plans.rebootStep,
  git: plans.gitStep,
  run: (stage) => plans.runStep(stage, ['./migrated']),
  deploy: plans.deployStep,
  check: plans.checkStep,
  loadTest: plans.loadTestStep,
  monitor: plans.monitorStep,
  approval: (stage) => plans.approvalStep(stage, []),
};

/** Each step a thing of its own. */
function make(
  kind: StepKind,
  stage: string,
  index: number,
  onRollback: ResolvedStep['onRollback'],
): ResolvedStep {
  const made = MAKERS[kind](stage);
  const id = `${kind}${index}`;
  const name = `${stage}/${id}`;
  const step = { ...made, id, name, onRollback: kind === 'reboot' ? 'keep' : onRollback } as ResolvedStep;
  if (step.kind === 'secret') step.config = { ...step.config, awsSecretsManager: { id: name } };
  if (step.kind === 'config')
    step.config = { ...step.config, place: { kind: 'local', file: `/${name}/.env` } };
  if (step.kind === 'infra') step.config = { ...step.config, directory: name };
  if (step.kind === 'git') step.config = { ...step.config, directory: `/${name}` };
  if (step.kind === 'reboot') step.config = { ...step.config, rdsInstance: name };
  return step;
}

const KINDS = Object.keys(MAKERS) as StepKind[];
const STATE: StepKind[] = ['config', 'secret', 'infra', 'run'];

const oneStep = fc.record({
  kind: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom<StepKind>('secret', 'config', 'deploy') },
    { weight: 2, arbitrary: fc.constantFrom(...KINDS) },
  ),
  onRollback: fc.oneof(
    { weight: 4, arbitrary: fc.constant<ResolvedStep['onRollback']>('revert') },
    { weight: 1, arbitrary: fc.constantFrom<ResolvedStep['onRollback'][]>('keep', 'ask') },
  ),
  startsFromAll: fc.boolean(),
  opaque: fc.boolean(),
});

interface Built {
  plan: ResolvedPlan;
  opaque: string[];
}

const builtPlans: fc.Arbitrary<Built> = fc
  .array(fc.array(oneStep, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 3 })
  .map((stages) => {
    const opaque: string[] = [];
    const made = stages.map((steps, at) => {
      const name = `place${at}`;
      const all: ResolvedStep[] = [];
      for (const [index, { kind, onRollback, startsFromAll, opaque: isOpaque }] of steps.entries()) {
        // The world in memory has one release for each stage.
        if (kind === 'deploy' && all.some((each) => each.kind === 'deploy')) continue;
        const step = make(kind, name, index, onRollback);
        if (step.kind === 'deploy') {
          const earlier = all.filter((each) => STATE.includes(each.kind)).map((each) => each.name);
          const startsFrom = startsFromAll ? earlier : earlier.slice(0, 1);
          if (isOpaque) opaque.push(step.name);
          step.config = {
            ...step.config,
            startsFrom,
            beforePromotion: isOpaque ? [] : step.config.beforePromotion,
          };
        }
        all.push(step);
      }
      return { name, steps: all };
    });
    const steps = made.flatMap((stage) => stage.steps);
    for (const step of steps) {
      if (step.kind !== 'approval') continue;
      const after = steps.slice(steps.indexOf(step) + 1);
      const next = after.findIndex((each) => each.kind === 'approval');
      const covers = (next < 0 ? after : after.slice(0, next)).map((each) => each.name);
      step.config = { ...step.config, covers };
    }
    return { plan: plans.planOf('app', made), opaque };
  });

const fromOutside: Ending[] = ['abort', 'cancel', 'deadline'];

function endings({ plan }: Built): fc.Arbitrary<Scenario['ending']> {
  const steps = plan.stages.flatMap((stage) => stage.steps);
  const places = steps.flatMap(({ kind, name }) =>
    (['look', 'act', 'verify'] as const).flatMap((verb) =>
      VERBS[kind][verb].map((activity) => ({ activity, step: name })),
    ),
  );
  const [first] = places;
  if (!first) return fc.constant(undefined);
  const anywhere = fc
    .tuple(
      fc.constantFrom(...places),
      fc.constantFrom<Ending[]>('failure', 'gate', 'refusal', 'drift', ...fromOutside, ...fromOutside),
      fc.constantFrom<('before' | 'with')[]>('before', 'with'),
    )
    .map(([place, how, when]) => ({ ...place, how, when }));
  // Only there nothing has been touched yet.
  const atOnce = fc.constant({ ...first, how: 'refusal' as const, when: 'before' as const });
  return fc.oneof({ weight: 9, arbitrary: anywhere }, { weight: 1, arbitrary: atOnce });
}

/** The way back fails in an undo, or in the look that measures it. */
function undoFaults({ plan }: Built): fc.Arbitrary<Record<string, number>> {
  const keys = plan.stages.flatMap(({ steps }) =>
    steps.flatMap(({ kind, name }) =>
      VERBS[kind].undo.length === 0
        ? []
        : [...VERBS[kind].undo, ...VERBS[kind].look].map((activity) => `${activity} ${name}`),
    ),
  );
  if (keys.length === 0) return fc.constant({});
  return fc.dictionary(fc.constantFrom(...keys), fc.integer({ min: 1, max: 3 }), {
    maxKeys: 4,
    noNullPrototype: true,
  });
}

export const scenarios: fc.Arbitrary<Scenario> = builtPlans.chain(
  (built) =>
    fc.record({
      plan: fc.constant(built.plan),
      opaque: fc.constant(built.opaque),
      ending: fc.oneof(
        { weight: 9, arbitrary: endings(built) },
        { weight: 1, arbitrary: fc.constant(undefined) },
      ),
      undoFaults: undoFaults(built),
      retries: fc.integer({ min: 0, max: 4 }),
      keepWhenAsked: fc.boolean(),
      seed: fc.integer(),
    }) as fc.Arbitrary<Scenario>,
);

export function isFromOutside(how: Ending): how is 'abort' | 'cancel' | 'deadline' {
  return how === 'abort' || how === 'cancel' || how === 'deadline';
}

/** What an activity throws by which a rollout ends. */
export function failBy(how: 'failure' | 'refusal' | 'drift'): Error {
  if (how === 'refusal') return ApplicationFailure.nonRetryable('not here', FAILURES.refused);
  if (how === 'drift') return ApplicationFailure.nonRetryable('moved on', FAILURES.drift);
  return ApplicationFailure.nonRetryable('broken', FAILURES.invalid);
}

/** mulberry32. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
