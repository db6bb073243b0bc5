/** `rolling`: the pods of the live Deployment are replaced one after the other. Opaque: nothing stands beside it. */
import type { Release } from '../../../contract/activities.js';
import { invalid } from '../../../platform/failures.js';
import type { Deployment, PodTemplate } from '../../../tools/kubernetes/kinds.js';
import { ANNOTATIONS, idOf, nameOf, releaseIdOf, templateOf } from '../../../tools/kubernetes/releases.js';
import type { TargetStatus } from '../target.js';
import { changeDeployment, templateOfRelease, untilWritten } from './change.js';
import { untilRolledOut } from './following.js';
import { templateFromHistory } from './history.js';
import { changedMeanwhile, markOf, type Place, readScene, refusePaused, releaseOf } from './place.js';
import { unsettledOf } from './rollout-state.js';
import { scaleOf } from './scale.js';

/** On the Deployment: what its template was before ours. It lies where the template itself lies. */
const BEFORE = 'headgate.dev/before';
/** All annotations of an object together may take 256 KB; without its template a release is sought in the history. */
const LONGEST_BEFORE = 100 * 1024;

interface Before {
  /** Of the rollout that replaced it. */
  rollout: string;
  release: string;
  template?: PodTemplate;
  /** It had not come up itself, so that nobody waits for it on the way back. */
  unsettled?: true;
}

export async function statusOfRolling(place: Place): Promise<TargetStatus> {
  const { live } = await readScene(place);
  return {
    live: releaseOf(place, live, place.call.config.url),
    candidate: null,
    unsettled: unsettledOf(live),
    scale: scaleOf(live),
  };
}

/** One patch, and the rollout followed to its end. `release.id` is what was live when it was looked at. */
export async function promoteRolling(place: Place, release: Release): Promise<void> {
  const changed = await untilWritten(async () => {
    const { live } = await readScene(place);
    refusePaused(place, live);
    if (isOurs(place, live)) return live;
    if (releaseIdOf(live) !== release.id) throw changedMeanwhile(place, live, release.id);
    const template = templateOfRelease(place, live);
    return changeDeployment(place, live, { template, annotations: { [BEFORE]: record(place, live) } });
  });
  await untilRolledOut(place, changed, releaseIdOf(changed));
}

/** @throws ApplicationFailure `Drift` when it was ours and has been changed since */
function isOurs(place: Place, live: Deployment): boolean {
  const mark = markOf(place.call);
  if (templateOf(live).metadata?.annotations?.[ANNOTATIONS.rollout] !== mark) return false;
  const before = readBefore(live);
  if (before?.rollout !== mark || !before.template) return true;
  const expected = idOf(nameOf(live), templateOfRelease(place, live, before.template));
  if (releaseIdOf(live) !== expected) throw changedMeanwhile(place, live, expected);
  return true;
}

/** To the template that was recorded, not to the revision before: a second undo would come back from that. */
export async function restoreRolling(place: Place, release: Release): Promise<void> {
  const { live, isAwaited } = await untilWritten(async () => {
    const { live: now } = await readScene(place);
    refusePaused(place, now);
    const before = readBefore(now);
    const awaited = !(before?.release === release.id && before.unsettled);
    if (releaseIdOf(now) === release.id) return { live: now, isAwaited: awaited };
    const template = await templateToRestore(place, now, release.id);
    return { live: await changeDeployment(place, now, { template }), isAwaited: awaited };
  });
  if (isAwaited) await untilRolledOut(place, live, release.id);
}

function record(place: Place, live: Deployment): string {
  const before: Before = {
    rollout: markOf(place.call),
    release: releaseIdOf(live),
    ...(unsettledOf(live) === undefined ? {} : { unsettled: true }),
  };
  const whole = JSON.stringify({ ...before, template: templateOf(live) });
  return whole.length > LONGEST_BEFORE ? JSON.stringify(before) : whole;
}

function readBefore({ metadata }: Deployment): Before | undefined {
  const text = metadata?.annotations?.[BEFORE];
  if (text === undefined) return undefined;
  try {
    const before: unknown = JSON.parse(text);
    const isBefore =
      typeof before === 'object' && before !== null && 'rollout' in before && 'release' in before;
    return isBefore ? (before as Before) : undefined;
  } catch {
    // Somebody has edited it: the history is asked instead.
    return undefined;
  }
}

async function templateToRestore(place: Place, live: Deployment, id: string): Promise<PodTemplate> {
  const before = readBefore(live);
  if (before?.template && idOf(nameOf(live), before.template) === id) return before.template;
  const template = await templateFromHistory(place, live, id);
  if (template) return template;
  throw invalid(
    `Deployment ${nameOf(live)} has kept no template of ${id}: neither its annotation ${BEFORE} nor a ReplicaSet. What there is shows: kubectl -n ${place.call.config.namespace} rollout history deployment/${nameOf(live)}`,
  );
}
