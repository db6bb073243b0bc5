/**
 * `deploy`: the new release beside the live one, judged before and after the promotion; the old one stays
 * warm until the last gate has passed.
 *
 * The effect of each activity is decided by what the target says is live, so every one of them may be repeated.
 */
import { patched, sleep } from '@temporalio/workflow';
import type { DeployFound, Look, Release, UndoResult } from '../../contract/activities.js';
import { FAILURES } from '../../contract/messages.js';
import type { Changed } from '../../contract/progress.js';
import type { DeployStep, Json, ResolvedStage } from '../../plan/resolved.js';
import {
  applying,
  effect,
  measuring,
  quick,
  securing,
  undoingApply,
  undoingEffect,
} from '../activity-options.js';
import { recordMade } from '../fences.js';
import { judgeTogether } from '../gates.js';
import type { Run } from '../run.js';
import { databaseUrlOf, plannedLimit, probesOfDeploy, probesOfStage } from '../stage-facts.js';
import { describeError, gateFailed, isFailure, now } from '../stop.js';
import { mendDeploy } from './deploy-mend.js';
import type { RestorationCheck, StepVerbs } from './step-verbs.js';

const IN_FORCE_TRIES = 10;

export const deploy: StepVerbs<DeployStep, DeployFound> = {
  look: (run, step) => effect(`look at ${step.name}`).lookRelease(input(run, step)),

  async act(run, step, look) {
    const base = look.found;
    run.changeBegan.set(step.stage, now());
    await keepWithinBudget(run, step, base);
    if (!base.staged) {
      const release = await deployWhole(run, step, base);
      keepLive(run, step, release);
      return `${release.id} is live (was ${base.live.id})`;
    }
    const candidate = await effect(`prepare ${run.plan.version} beside ${base.live.version}`).prepareRelease({
      ...input(run, step),
      base,
    });
    run.candidates.set(step.name, candidate);
    run.note(step.name, `${candidate.id} is there, not live yet`);
    await judgeTogether(run, step, step.config.beforePromotion, step.config, candidate, 'before promotion');
    const live = await effect(`promote ${candidate.id}`).promoteRelease({
      ...input(run, step),
      base,
      candidate,
    });
    keepLive(run, step, live);
    return `${live.id} is live; ${base.live.id} stays warm`;
  },

  async verify(run, step) {
    await judgeTogether(
      run,
      step,
      step.config.afterPromotion,
      step.config,
      run.releases.get(step.stage),
      'after promotion',
    );
  },

  undo: {
    describe: (step, look) => {
      const again = step.config.startsFrom.length > 0 ? ', started again from what is restored' : '';
      return `${step.name}: traffic back on ${look.found.live.id} (${look.found.live.version})${again}`;
    },
    mend: (step, look, deed) => mendDeploy(step, look.found, deed),

    async traffic(run, step, look) {
      const restored = (look.found.staged ? undoingEffect : undoingApply)(
        `traffic back on ${look.found.live.id}`,
      ).restoreTraffic({
        ...input(run, step),
        base: look.found,
      });
      // It may fail before anybody waits for it, which would fail the workflow's task for ever.
      restored.catch(() => undefined);
      // What was deployed whole is there only until it is replaced: it is asked meanwhile, and nothing waits for it.
      if (!look.found.staged && patched('ask-opaque'))
        await secureFailed(run, step, run.releases.get(step.stage));
      const result = await restored;
      if (result.gone) run.gone.add(step.name);
      else run.releases.set(step.stage, result.release ?? look.found.live);
      if (result.release) run.recreated.set(step.name, result.release);
      return result;
    },

    async secure(run, step, look) {
      const release = run.candidates.get(step.name);
      if (release && release.id !== look.found.live.id) await secureFailed(run, step, release);
    },

    async stop(run, step, look) {
      if (run.gone.has(step.name)) {
        return { summary: 'serves until the version of before is back', changed: false };
      }
      return undoingEffect(`stop what was started beside ${look.found.live.id}`).retireRelease({
        ...input(run, step),
        base: look.found,
      });
    },

    async restart(run, step, look, undone) {
      const anew = run.gone.has(step.name) ? run.recreated.get(step.name) : undefined;
      if (run.gone.has(step.name) && !anew) return recreate(run, step, look.found);
      const from = step.config.startsFrom.filter((name) => undone.has(name));
      if (from.length === 0) return { summary: 'reads nothing that was undone', changed: false };
      // An opaque target has deployed the old version anew, under a name of its own.
      const release = run.recreated.get(step.name) ?? look.found.live;
      return undoingEffect(`start ${release.id} again from ${from.join(', ')}`).restartRelease({
        ...input(run, step),
        release,
      });
    },

    async measure(run, step, look) {
      const after = await effect(`look at ${step.name}`).lookRelease(input(run, step));
      const expected = look.found.live;
      const found = after.found.live;
      const { unsettled } = after.found;
      const isSettled = unsettled === undefined || unsettled === look.found.unsettled;
      const wanted = run.recreated.get(step.name) ?? expected;
      const live: RestorationCheck = {
        what: `${step.name} live release`,
        expected: `${wanted.id} (${expected.version})`,
        found: `${found.id} (${found.version})${isSettled ? '' : `, ${unsettled}`}`,
        // A person may have brought back the very one of before meanwhile.
        ok: [wanted.id, expected.id].includes(found.id) && found.version === expected.version && isSettled,
      };
      return [live, ...(await measureInForce(run, step, found))];
    },
  },

  async settle(run, step, { found }) {
    if (!found.staged) return;
    await effect(`retire ${found.live.id}`).retireRelease({
      ...input(run, step),
      base: found,
      release: found.live,
    });
  },
};

function keepLive(run: Run, step: DeployStep, release: Release): void {
  run.releases.set(step.stage, release);
  recordMade(run, step, { kind: 'release', release });
}

/** One act, without a release beside the live one. Where nobody can tell whether it was begun, a person is asked. */
async function deployWhole(run: Run, step: DeployStep, base: DeployFound): Promise<Release> {
  const { version } = run.plan;
  let knownUndone: boolean | undefined;
  for (;;) {
    try {
      return await applying(`deploy ${version}`).promoteRelease({
        ...input(run, step),
        base,
        candidate: { ...base.live, version },
        ...(knownUndone ? { knownUndone } : {}),
      });
    } catch (error) {
      if (!isFailure(error, FAILURES.unknownResult)) throw error;
      const message = describeError(error);
      run.tell('waiting', `${step.name}: ${message}`, [], {
        answers: ['retry', 'skip', 'abort'],
        step: step.name,
      });
      const answer = await run.ask({
        for: 'decision',
        step: step.name,
        message: `${message}. retry deploys again, skip takes ${version} as deployed, abort rolls back`,
        answers: ['retry', 'skip', 'abort'],
      });
      if (answer.name === 'skip') return { ...base.live, id: version, version };
      knownUndone = true;
    }
  }
}

/** What cannot be had only warns. */
async function secureFailed(run: Run, step: DeployStep, release: Release | undefined): Promise<void> {
  if (!release) return;
  try {
    const { steps } = run.stageOf(step);
    const diagnostics = await securing(`secure what ${release.id} tells`).collectDiagnostics({
      context: run.context,
      step,
      release,
      databaseUrl: databaseUrlOf(steps),
      probes: probesOfStage(steps).filter(({ kind }) => kind === 'poolMetrics'),
      measurements: run.measurementsOf(step.stage),
    });
    run.secured(diagnostics);
  } catch (error) {
    run.warn(`${step.name}: nothing could be secured of ${release.id}: ${describeError(error)}`);
  }
}

/** The old release has been retired: its version is started from what has been restored, and takes the traffic. */
async function recreate(run: Run, step: DeployStep, base: DeployFound): Promise<UndoResult> {
  const { version } = base.live;
  const release = await undoingEffect(`make ${version} anew`).recreateRelease({ ...input(run, step), base });
  run.recreated.set(step.name, release);
  run.releases.set(step.stage, release);
  return { summary: `${release.id} (${version}) was made anew and is live`, changed: true };
}

/** What the running release says of its configuration, before anything is changed. */
export async function takeBaseline(run: Run, step: DeployStep, look: Look<DeployFound>): Promise<void> {
  const probes = probesOfDeploy(step);
  const inForce =
    probes.length === 0
      ? {}
      : await measuring(`configuration in force in ${look.found.live.id}`, 60_000).measureInForce({
          subject: run.subjectOf(step, look.found.live),
          probes,
        });
  run.baselines.set(step.name, { found: look.found, inForce });
}

/** Repeated for a while: a release that was just started again needs a moment to answer. */
async function measureInForce(run: Run, step: DeployStep, live: Release): Promise<RestorationCheck[]> {
  const expected = run.baselines.get(step.name)?.inForce ?? {};
  if (Object.keys(expected).length === 0) return [];
  for (let attempt = 1; ; attempt += 1) {
    const found = await measuring(`configuration in force in ${live.id}`, 60_000).measureInForce({
      subject: run.subjectOf(step, live),
      probes: probesOfDeploy(step),
    });
    const checks = Object.entries(expected).map(
      ([what, value]): RestorationCheck => ({
        what: `${step.stage} in force: ${what}`,
        expected: show(value),
        found: show(found[what]),
        ok: show(found[what]) === show(value),
      }),
    );
    allowKept(run, step, checks);
    if (attempt === IN_FORCE_TRIES || checks.every(({ ok }) => ok)) return checks;
    await sleep('2s', { summary: 'let the restored release answer' });
  }
}

/** What a release reads from a step that is kept is not what it was, and nobody wants it to be. */
function allowKept(run: Run, step: DeployStep, checks: RestorationCheck[]): void {
  const differing = checks.filter(({ ok }) => !ok);
  const kept = step.config.startsFrom.filter((name) => run.entryOf(name)?.compensation.status === 'kept');
  // Asked only where it changes anything: a rollout that was begun without it would have measured again.
  if (differing.length === 0 || kept.length === 0 || !patched('kept-in-force')) return;
  for (const check of differing) {
    check.expected = `${check.expected}, or what ${kept.join(', ')} has set and is kept`;
    check.ok = true;
  }
}

async function keepWithinBudget(run: Run, step: DeployStep, { live, scale }: DeployFound): Promise<void> {
  const { connectionBudget: budget, steps } = run.stageOf(step);
  if (!budget) return;
  const result = await quick('connection budget').measureBudget({
    context: run.context,
    stage: step.stage,
    budget,
    deploy: step,
    scale,
    newLimit: plannedLimit(steps, budget.poolLimitKey),
    release: live,
    databaseUrl: databaseUrlOf(steps),
  });
  run.warn(...result.warnings);
  if (result.fault) throw gateFailed(step.name, result.fault);
}

/** What is in force in a stage now, beside what was before anything was changed. */
export async function measureChanged(run: Run, stage: ResolvedStage): Promise<Changed[]> {
  const deploy = stage.steps.findLast((step): step is DeployStep => step.kind === 'deploy');
  const baseline = deploy && run.baselines.get(deploy.name);
  const live = run.releases.get(stage.name);
  if (!deploy || !baseline || !live) return [];
  const inForce = await measuring(`configuration in force in ${live.id}`, 60_000).measureInForce({
    subject: run.subjectOf(deploy, live),
    probes: probesOfDeploy(deploy),
  });
  const rows = Object.entries(baseline.inForce).map(([what, before]) => ({
    what: `${stage.name} ${what}`,
    before: show(before),
    after: show(inForce[what]),
  }));
  const { version, id } = baseline.found.live;
  return [
    {
      what: `${stage.name} live release`,
      before: `${version} (${id})`,
      after: `${live.version} (${live.id})`,
    },
    ...rows,
  ];
}

function input(run: Run, step: DeployStep) {
  return { context: run.contextOf(step.stage), step };
}

function show(value: Json | undefined): string {
  return value === undefined ? 'nothing' : JSON.stringify(value);
}
