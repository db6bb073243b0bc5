/**
 * `deploy`: what each activity has to do is decided by what the target says is there now, so that every one of
 * them may be repeated after a crash at any point.
 */
import type { BoundTarget } from '../../adapters/targets/registry.js';
import type {
  DeployFound,
  DeployInput,
  HeadgateActivities,
  Release,
  UndoResult,
} from '../../contract/activities.js';
import { drift, invalid } from '../../platform/failures.js';
import { withHeartbeat } from '../heartbeat.js';
import { Beating, bindTarget, type DeployDeps, nameOf } from './bind.js';
import { lookRelease, requireLookedAt } from './look.js';

type DeployActivities = Pick<
  HeadgateActivities,
  | 'lookRelease'
  | 'prepareRelease'
  | 'promoteRelease'
  | 'restoreTraffic'
  | 'retireRelease'
  | 'restartRelease'
  | 'recreateRelease'
>;

export function createDeployActivities(deps: DeployDeps) {
  /** Beats as long as it works, so that a cancel gets through to the target's own work. */
  const at = <T>(
    input: DeployInput & { base?: DeployFound; knownUndone?: boolean },
    work: (target: BoundTarget, signal: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    const beating = new Beating();
    return withHeartbeat(
      () => beating.details,
      async (signal, beat) => {
        const target = await bindTarget(deps, input, signal, beating.notebook(beat));
        return work(target, signal);
      },
    );
  };
  return {
    lookRelease: (input) => at(input, (target, signal) => lookRelease(deps, target, input, signal)),
    prepareRelease: (input) => at(input, (target) => prepare(target, input)),
    promoteRelease: (input) => at(input, (target) => promote(target, input)),
    restoreTraffic: (input) => at(input, (target) => restore(target, input)),
    retireRelease: (input) => at(input, (target) => retire(target, input)),
    restartRelease: (input) => at(input, (target) => restart(target, input)),
    recreateRelease: (input) => {
      const { version } = input.base.live;
      return at({ ...input, context: { ...input.context, version } }, (target) => recreate(target, input));
    },
  } satisfies DeployActivities;
}

async function prepare(target: BoundTarget, input: DeployInput & { base: DeployFound }): Promise<Release> {
  const { context, step, base } = input;
  const { live } = await target.status();
  if (live.id !== base.live.id) throw movedOn(step.name, base.live, live);
  await requireLookedAt(target, input);
  const candidate = await target.prepare();
  if (candidate.version !== context.version) {
    throw invalid(
      `${step.name}: the target prepared ${nameOf(candidate)}, expected version ${context.version}.`,
    );
  }
  return candidate;
}

async function promote(
  target: BoundTarget,
  input: DeployInput & { base: DeployFound; candidate: Release },
): Promise<Release> {
  const { step, base, candidate } = input;
  const { live, unsettled, ...beside } = await target.status();
  if (target.staged && live.id === candidate.id && unsettled === undefined) {
    await requireOldBeside(target, { step, base }, beside.candidate);
    return live;
  }
  if (live.id !== base.live.id && live.id !== candidate.id) {
    // An opaque target tells by the version only whether it was us.
    if (target.staged || live.version !== candidate.version) throw movedOn(step.name, base.live, live);
    if (unsettled === undefined) return live;
  }
  await requireLookedAt(target, input);
  await target.promote(candidate);
  const after = await target.status();
  const done = target.staged ? after.live.id === candidate.id : after.live.version === candidate.version;
  if (done && target.staged) await requireOldBeside(target, { step, base }, after.candidate);
  if (done) return after.live;
  throw new Error(
    `${step.name}: ${nameOf(candidate)} was promoted, but the target says ${nameOf(after.live)} is live`,
  );
}

/**
 * What was live stays warm beside the new release. Is it another one than was looked at, then somebody deployed in the
 * very moment of the promotion: no target compares before it moves the traffic, so it gets back what we took from it.
 */
async function requireOldBeside(
  target: BoundTarget,
  { step, base }: Pick<DeployInput, 'step'> & { base: DeployFound },
  beside: Release | null,
): Promise<void> {
  if (beside === null || beside.id === base.live.id || beside.id === base.candidate?.id) return;
  await target.restore(beside);
  throw movedOn(step.name, base.live, beside);
}

async function restore(
  target: BoundTarget,
  { context, step, base }: DeployInput & { base: DeployFound },
): Promise<UndoResult> {
  const { live, candidate, unsettled } = await target.status();
  const isBack = isRestored(target, context.version, base.live, live);
  if (isBack && (unsettled === undefined || unsettled === base.unsettled)) {
    return { summary: `${nameOf(live)} is live`, changed: false, ...otherThan(base.live, live) };
  }
  // Whose it is tells its version: the measuring afterwards says that the old one is not back.
  if (!isBack && live.version !== context.version) {
    return { summary: `${nameOf(live)} of somebody else is live, and stays`, changed: false };
  }
  if (target.staged && !isBack && candidate?.id !== base.live.id) {
    return {
      summary: `${nameOf(base.live)} is not there any more; ${nameOf(live)} serves until it is made anew`,
      changed: false,
      gone: true,
    };
  }
  await target.restore(base.live);
  const after = await target.status();
  if (after.live.id === base.live.id || (!target.staged && after.live.version === base.live.version)) {
    return {
      summary: `traffic back on ${nameOf(after.live)}`,
      changed: true,
      ...otherThan(base.live, after.live),
    };
  }
  throw new Error(
    `${step.name}: restored, but the target says ${nameOf(after.live)} is live, not ${nameOf(base.live)}`,
  );
}

/** An opaque target may know a release by its version only, which says nothing when the same one was deployed again. */
function isRestored(target: BoundTarget, deployed: string, before: Release, live: Release): boolean {
  if (live.version !== before.version) return false;
  return live.id === before.id || (!target.staged && before.version !== deployed);
}

function otherThan(before: Release, live: Release): Pick<UndoResult, 'release'> {
  return live.id === before.id ? {} : { release: live };
}

async function retire(
  target: BoundTarget,
  { step, base, release }: DeployInput & { base: DeployFound; release?: Release },
): Promise<UndoResult> {
  if (!target.staged) return { summary: 'nothing stands beside an opaque release', changed: false };
  const { live, candidate } = await target.status();
  const unknown = candidate && candidate.id !== base.candidate?.id ? candidate : undefined;
  const gone = release ?? unknown;
  if (!gone) return { summary: 'nothing stands beside the live release', changed: false };
  if (gone.id === live.id) {
    throw invalid(`${step.name}: ${nameOf(gone)} is live and is not stopped. Restore the old release first.`);
  }
  if (candidate?.id !== gone.id) return { summary: `${nameOf(gone)} is gone already`, changed: false };
  await target.retire(gone);
  return { summary: `${nameOf(gone)} stopped`, changed: true };
}

/** What was live before is started anew from what is restored by now. Repeated, it finds what it has made. */
async function recreate(
  target: BoundTarget,
  { step, base }: DeployInput & { base: DeployFound },
): Promise<Release> {
  const former = (await target.status()).live;
  if (former.version !== base.live.version) {
    const release = await target.recreate(base.live);
    if (release.version !== base.live.version) {
      throw invalid(
        `${step.name}: the target prepared ${nameOf(release)}, expected version ${base.live.version}.`,
      );
    }
    await target.promote(release);
  }
  const { live, candidate } = await target.status();
  if (live.version !== base.live.version) {
    throw new Error(`${step.name}: ${base.live.version} was promoted, but ${nameOf(live)} is live`);
  }
  if (candidate) await target.retire(candidate);
  return live;
}

async function restart(
  target: BoundTarget,
  { release }: DeployInput & { release: Release },
): Promise<UndoResult> {
  await target.restart(release);
  return { summary: `${nameOf(release)} started again`, changed: true };
}

function movedOn(step: string, expected: Release, found: Release) {
  return drift(
    `${step}: ${nameOf(found)} is live, expected ${nameOf(expected)}, which was looked at. Somebody else deployed meanwhile; nothing was changed.`,
    { item: `live release of ${step}`, found: found.id, expected: expected.id },
  );
}
