/**
 * `deploy`: what each activity has to do is decided by what the target says is there now, so that every one of
 * them may be repeated after a crash at any point.
 */
import { Context } from '@temporalio/activity';
import type { BoundTarget, Targets } from '../adapters/targets/registry.js';
import type { TargetCall } from '../adapters/targets/target.js';
import type {
  DeployFound,
  DeployHeartbeat,
  DeployInput,
  HeadgateActivities,
  Look,
  Release,
  UndoResult,
} from '../contract/activities.js';
import { digestJson } from '../plan/canonical.js';
import type { Json } from '../plan/resolved.js';
import { drift, invalid } from '../platform/failures.js';
import type { References } from '../platform/references.js';
import { clip } from './fit.js';
import { isRecord, withHeartbeat } from './heartbeat.js';

export interface DeployDeps {
  targets: Targets;
  references: Pick<References, 'resolve'>;
  /** By its digest, or why that could not be found out. */
  resolveImage: (image: string, signal: AbortSignal) => Promise<{ image: string } | { why: string }>;
}

/** What binding a target takes. */
export type BindDeps = Pick<DeployDeps, 'targets' | 'references'>;

const LONGEST_LINE = 500;

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
    lookRelease: (input) => at(input, (target, signal) => look(deps, target, input, signal)),
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

type Notebook = Pick<TargetCall<unknown>, 'recalled' | 'keep' | 'tell'>;

/** What a target says and keeps, in the heartbeats of its activity. */
class Beating {
  readonly details: DeployHeartbeat = { doing: '' };

  notebook(beat: () => void): Notebook {
    const last: unknown = Context.current().info.heartbeatDetails;
    const recalled = isHeartbeat(last) ? last.kept : undefined;
    this.details.kept = recalled;
    return {
      recalled,
      keep: (value) => {
        this.details.kept = value;
        beat();
      },
      tell: (line) => {
        this.details.doing = clip(line, LONGEST_LINE);
      },
    };
  }
}

function isHeartbeat(value: unknown): value is { kept?: Json } {
  return isRecord(value) && 'doing' in value;
}

/** Where nobody watches and nothing is gone on with. */
const NO_NOTEBOOK: Notebook = { keep: () => {}, tell: () => {} };

/** The step's target, references put in. What it does ends with `signal`. */
export async function bindTarget(
  { targets, references }: BindDeps,
  { context, step, base, knownUndone }: DeployInput & { base?: DeployFound; knownUndone?: boolean },
  signal: AbortSignal,
  notebook: Notebook = NO_NOTEBOOK,
): Promise<BoundTarget> {
  const target = targets.get(step.config.target);
  if (!target) {
    throw invalid(
      `${step.name}: this worker has no target "${step.config.target}"; it has: ${[...targets.keys()].join(', ')}`,
    );
  }
  const subject = { context, stage: step.stage, step: step.name };
  const entries = Object.entries(step.config.targetConfig).map(async ([key, value]) => {
    // A list of arguments is readable by everybody on the machine.
    const resolved = await references.resolve(value, subject, { publicOnly: Array.isArray(value) });
    return [key, resolved] as const;
  });
  const config = Object.fromEntries(await Promise.all(entries));
  const { stage, name } = step;
  const { strategy, image } = step.config;
  return target.bind({
    ...notebook,
    config,
    context,
    stage,
    step: name,
    strategy,
    image: base?.image ?? image,
    pinned: base?.pinned,
    knownUndone,
    signal,
  });
}

async function look(
  deps: DeployDeps,
  target: BoundTarget,
  { context, step }: DeployInput,
  signal: AbortSignal,
): Promise<Look<DeployFound>> {
  const { live, candidate, unsettled, scale } = await target.status();
  const pinned = await target.pin();
  const { image: named } = step.config;
  const resolved = named === undefined ? undefined : await deps.resolveImage(named, signal);
  const image = resolved && 'image' in resolved ? resolved.image : undefined;
  const approved = { live, target: step.config.target, image: image ?? named ?? null };
  const same = live.version === context.version;
  const stands = candidate ? [`${step.name}: ${name(candidate)} stands beside the live release`] : [];
  return {
    found: {
      live,
      candidate,
      staged: target.staged,
      ...(image === undefined ? {} : { image }),
      ...(pinned === undefined ? {} : { pinned }),
      ...(unsettled === undefined ? {} : { unsettled }),
      ...(scale === undefined ? {} : { scale }),
    },
    changes: [
      `${step.stage}: ${live.version} (${live.id}) is replaced by ${context.version}`,
      ...(image === undefined ? [] : [`${step.stage}: the image is ${image}`]),
      ...(pinned === undefined ? [] : [`${step.stage}: ${context.version} is ${pinned}`]),
    ],
    warnings: [
      ...(resolved && 'why' in resolved
        ? [
            `${step.name}: what ${named} is could not be found out, so that the approval covers a tag that may move: ${resolved.why}`,
          ]
        : []),
      ...(unsettled === undefined ? [] : [`${step.name}: what is live has not come to rest: ${unsettled}`]),
      ...(same
        ? [`${step.name}: version ${context.version} is live already and would be deployed again`]
        : []),
      ...stands,
    ],
    effect: target.effect,
    undo: `traffic of ${step.stage} back on ${live.id} (${live.version})`,
    digest: digestJson({ ...approved, pinned }),
    ...(pinned === undefined ? {} : { unpinnedDigest: digestJson(approved) }),
  };
}

async function prepare(
  target: BoundTarget,
  { context, step, base }: DeployInput & { base: DeployFound },
): Promise<Release> {
  const { live } = await target.status();
  if (live.id !== base.live.id) throw movedOn(step.name, base.live, live);
  const candidate = await target.prepare();
  if (candidate.version !== context.version) {
    throw invalid(
      `${step.name}: the target prepared ${name(candidate)}, expected version ${context.version}.`,
    );
  }
  return candidate;
}

async function promote(
  target: BoundTarget,
  { step, base, candidate }: DeployInput & { base: DeployFound; candidate: Release },
): Promise<Release> {
  const { live, unsettled } = await target.status();
  if (target.staged && live.id === candidate.id && unsettled === undefined) return live;
  if (live.id !== base.live.id && live.id !== candidate.id) {
    // An opaque target tells by the version only whether it was us.
    if (target.staged || live.version !== candidate.version) throw movedOn(step.name, base.live, live);
    if (unsettled === undefined) return live;
  }
  await target.promote(candidate);
  const after = await target.status();
  const done = target.staged ? after.live.id === candidate.id : after.live.version === candidate.version;
  if (done) return after.live;
  throw new Error(
    `${step.name}: ${name(candidate)} was promoted, but the target says ${name(after.live)} is live`,
  );
}

async function restore(
  target: BoundTarget,
  { context, step, base }: DeployInput & { base: DeployFound },
): Promise<UndoResult> {
  const { live, candidate, unsettled } = await target.status();
  const isBack = isRestored(target, context.version, base.live, live);
  if (isBack && (unsettled === undefined || unsettled === base.unsettled)) {
    return { summary: `${name(live)} is live`, changed: false, ...otherThan(base.live, live) };
  }
  // Whose it is tells its version: the measuring afterwards says that the old one is not back.
  if (!isBack && live.version !== context.version) {
    return { summary: `${name(live)} of somebody else is live, and stays`, changed: false };
  }
  if (target.staged && !isBack && candidate?.id !== base.live.id) {
    return {
      summary: `${name(base.live)} is not there any more; ${name(live)} serves until it is made anew`,
      changed: false,
      gone: true,
    };
  }
  await target.restore(base.live);
  const after = await target.status();
  if (after.live.id === base.live.id || (!target.staged && after.live.version === base.live.version)) {
    return {
      summary: `traffic back on ${name(after.live)}`,
      changed: true,
      ...otherThan(base.live, after.live),
    };
  }
  throw new Error(
    `${step.name}: restored, but the target says ${name(after.live)} is live, not ${name(base.live)}`,
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
    throw invalid(`${step.name}: ${name(gone)} is live and is not stopped. Restore the old release first.`);
  }
  if (candidate?.id !== gone.id) return { summary: `${name(gone)} is gone already`, changed: false };
  await target.retire(gone);
  return { summary: `${name(gone)} stopped`, changed: true };
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
        `${step.name}: the target prepared ${name(release)}, expected version ${base.live.version}.`,
      );
    }
    await target.promote(release);
  }
  const { live, candidate } = await target.status();
  if (live.version !== base.live.version) {
    throw new Error(`${step.name}: ${base.live.version} was promoted, but ${name(live)} is live`);
  }
  if (candidate) await target.retire(candidate);
  return live;
}

async function restart(
  target: BoundTarget,
  { release }: DeployInput & { release: Release },
): Promise<UndoResult> {
  await target.restart(release);
  return { summary: `${name(release)} started again`, changed: true };
}

function movedOn(step: string, expected: Release, found: Release) {
  return drift(
    `${step}: ${name(found)} is live, expected ${name(expected)}, which was looked at. Somebody else deployed meanwhile; nothing was changed.`,
    { item: `live release of ${step}`, found: found.id, expected: expected.id },
  );
}

function name({ id, version }: Release): string {
  return `${id} (${version})`;
}
