/**
 * `blueGreen`: two Deployments behind one Service. Which of them is live says the Service's selector and nothing
 * else, so that each verb finds out where an earlier attempt of it has come to.
 */
import type { Release } from '../../../contract/activities.js';
import { invalid } from '../../../platform/failures.js';
import type { Deployment, PodTemplate } from '../../../tools/kubernetes/kinds.js';
import { ANNOTATIONS, idOf, nameOf, releaseIdOf, templateOf } from '../../../tools/kubernetes/releases.js';
import { waitForFact } from '../../../tools/kubernetes/waiting.js';
import type { TargetStatus } from '../target.js';
import { changeDeployment, templateOfRelease, untilWritten } from './change.js';
import { untilRolledOut } from './following.js';
import {
  autoscalersOf,
  leadAutoscalers,
  leadPreview,
  previewNameOf,
  previewUrlOf,
  readEndpoints,
  switchService,
  untilEndpoints,
} from './front.js';
import { templateFromHistory } from './history.js';
import {
  changedMeanwhile,
  markOf,
  type Place,
  readScene,
  refusePaused,
  releaseOf,
  type Scene,
  secondSlotOf,
} from './place.js';

import { unsettledOf } from './rollout-state.js';
import { replicasOf, scaleOf } from './scale.js';
import {
  type SlotLabel,
  secondSlot,
  selectorFor,
  slotLabelOf,
  slotValueOf,
  templateForSlot,
} from './slots.js';

export async function statusOfBlueGreen(place: Place): Promise<TargetStatus> {
  const scene = await readScene(place);
  const { live, idle, service } = scene;
  const stands = idle !== undefined && replicasOf(idle) > 0;
  return {
    live: releaseOf(place, live, place.call.config.url),
    candidate: stands ? releaseOf(place, idle, previewUrlOf(place, service)) : null,
    unsettled: await unsettledFront(place, scene),
    scale: scaleOf(live),
  };
}

/** The same text as long as the trouble is the same. */
async function unsettledFront(place: Place, { live, idle, service }: Scene): Promise<string | undefined> {
  const name = nameOf(service);
  const [{ own, foreign }, autoscalers] = await Promise.all([
    readEndpoints(place, name, live),
    autoscalersOf(place, idle ? [nameOf(idle)] : []),
  ]);
  if (foreign > 0) return `Service ${name} still has endpoints that are not of ${nameOf(live)}`;
  if (own === 0) return `Service ${name} has no ready endpoint`;
  const [strayed] = autoscalers;
  if (strayed)
    return `HorizontalPodAutoscaler ${nameOf(strayed)} scales ${idle && nameOf(idle)}, which is not live`;
  return unsettledOf(live);
}

/** In the idle slot, as many pods as are live; returns when all of them are available. */
export async function prepareBlueGreen(place: Place): Promise<Release> {
  return standUp(place, async ({ live, idle }, label) => {
    const value = slotValueOf(live, label) === label.first ? label.second : label.first;
    const template = templateForSlot(templateOfRelease(place, live), label, value);
    const isOurs = idle && markIn(idle) === markOf(place.call);
    if (idle && !isOurs && replicasOf(idle) > 0) throw occupied(place, idle);
    const expected = idle && idOf(nameOf(idle), template);
    if (isOurs && releaseIdOf(idle) !== expected) throw changedMeanwhile(place, idle, expected ?? '');
    return template;
  });
}

/** The idle slot keeps the template of what was retired; the history of the Deployment those before. */
export async function recreateBlueGreen(place: Place, release: Release): Promise<Release> {
  return standUp(place, async ({ idle }) => {
    const template =
      idle &&
      (releaseIdOf(idle) === release.id
        ? templateOf(idle)
        : await templateFromHistory(place, idle, release.id));
    if (template) return template;
    throw invalid(
      `${release.id} (${release.version}) is in no slot and in no history of ${secondSlotOf(place.call.config)} any more, so it cannot be made anew. Deploy ${release.version} by a rollout of its own.`,
    );
  });
}

function markIn(deployment: Deployment): string | undefined {
  return templateOf(deployment).metadata?.annotations?.[ANNOTATIONS.rollout];
}

function occupied(place: Place, idle: Deployment) {
  const { namespace } = place.call.config;
  const { id, version } = releaseOf(place, idle, '');
  const mark = markIn(idle);
  return invalid(
    `${place.call.step}: ${id} (${version}${mark ? `, of ${mark}` : ''}) already stands beside the live release. If nobody needs it, stop it: kubectl -n ${namespace} scale deployment/${nameOf(idle)} --replicas=0`,
  );
}

function labelOf({ call }: Place, { service, live, idle }: Scene): SlotLabel {
  const isFirst = nameOf(live) === call.config.deployment;
  return isFirst || !idle ? slotLabelOf(service, live, idle) : slotLabelOf(service, idle, live);
}

/** @param choose the template that the idle slot has to have */
async function standUp(
  place: Place,
  choose: (scene: Scene, label: SlotLabel) => Promise<PodTemplate>,
): Promise<Release> {
  const { service, slot, selector } = await untilWritten(async () => {
    const scene = await readScene(place);
    if (replicasOf(scene.live) === 0) throw nothingLive(place, scene.live);
    const label = labelOf(place, scene);
    const template = await choose(scene, label);
    const written = await writeIdle(place, scene, label, template);
    return {
      service: scene.service,
      slot: written,
      selector: selectorFor(scene.service, label, slotValueOf(written, label)),
    };
  });
  await leadPreview(place, service, selector);
  const standing = await untilRolledOut(place, slot, releaseIdOf(slot));
  return releaseOf(place, standing, previewUrlOf(place, service));
}

function nothingLive({ call }: Place, live: Deployment) {
  const name = nameOf(live);
  return invalid(
    `Deployment ${name}, which is live, is scaled to 0, so nobody can tell how many pods a release needs. Scale it first: kubectl -n ${call.config.namespace} scale deployment/${name} --replicas=N`,
  );
}

async function writeIdle(
  place: Place,
  { live, idle }: Scene,
  label: SlotLabel,
  template: PodTemplate,
): Promise<Deployment> {
  const replicas = replicasOf(live);
  if (!idle) {
    const name = secondSlotOf(place.call.config);
    const made = secondSlot(live, label, { name, template, replicas });
    return place.cluster.create('deployments', place.call.config.namespace, made);
  }
  refusePaused(place, idle);
  const stands = releaseIdOf(idle) === idOf(nameOf(idle), template) && replicasOf(idle) >= replicas;
  return stands ? idle : changeDeployment(place, idle, { template, replicas });
}

/** The Service is switched when as many endpoints of `release` are ready as are live, and checked afterwards. */
export async function promoteBlueGreen(place: Place, release: Release): Promise<void> {
  const scene = await readScene(place);
  if (releaseIdOf(scene.live) === release.id) return comeToRest(place, release, 1);
  const slot = await asManyAs(place, scene.live, slotOf(place, scene, release));
  const wanted = replicasOf(slot);
  const preview = previewNameOf(place.call.config);
  await untilEndpoints(place, preview, slot, ({ own }) => own >= wanted, `${wanted} of ${nameOf(slot)}`);
  await switchTo(place, scene, slot);
  await comeToRest(place, release, wanted);
}

/** Back first, and looked at afterwards. */
export async function restoreBlueGreen(place: Place, release: Release): Promise<void> {
  const scene = await readScene(place);
  if (releaseIdOf(scene.live) !== release.id) await switchTo(place, scene, slotOf(place, scene, release));
  await comeToRest(place, release, 1);
}

function switchTo(place: Place, scene: Scene, slot: Deployment): Promise<void> {
  const label = labelOf(place, scene);
  return switchService(place, scene.service, selectorFor(scene.service, label, slotValueOf(slot, label)));
}

function slotOf(place: Place, { idle }: Scene, release: Release): Deployment {
  if (idle && releaseIdOf(idle) === release.id && replicasOf(idle) > 0) return idle;
  if (idle) throw changedMeanwhile(place, idle, release.id);
  throw invalid(`${place.call.step}: there is no Deployment ${secondSlotOf(place.call.config)} any more.`);
}

/** The live one may have been scaled up since the other one was prepared. */
async function asManyAs(place: Place, live: Deployment, slot: Deployment): Promise<Deployment> {
  const id = releaseIdOf(slot);
  const wanted = replicasOf(live);
  let isScaled = false;
  const now = await untilWritten(async () => {
    const read = await place.cluster.read('deployments', place.call.config.namespace, nameOf(slot));
    if (releaseIdOf(read) !== id) throw changedMeanwhile(place, read, id);
    if (replicasOf(read) >= wanted) return read;
    isScaled = true;
    return changeDeployment(place, read, { replicas: wanted });
  });
  return isScaled ? untilRolledOut(place, now, id) : now;
}

/** Autoscalers on what is live, and behind the Service its pods and no others. */
async function comeToRest(place: Place, release: Release, wanted: number): Promise<void> {
  const { service, live, idle } = await readScene(place);
  if (releaseIdOf(live) !== release.id) throw changedMeanwhile(place, live, release.id);
  if (idle) await leadAutoscalers(place, await autoscalersOf(place, [nameOf(idle)]), nameOf(live));
  await untilEndpoints(
    place,
    nameOf(service),
    live,
    ({ own, foreign }) => own >= wanted && foreign === 0,
    `${wanted} or more of ${nameOf(live)} and no others`,
  );
}

/** Scales it to nothing; its template stays, so that it can be made anew. */
export async function retireBlueGreen(place: Place, release: Release): Promise<void> {
  const { call, cluster } = place;
  const retired = await untilWritten(async () => {
    const { live, idle } = await readScene(place);
    if (releaseIdOf(live) === release.id)
      throw invalid(`${call.step}: ${release.id} is live and is not stopped.`);
    if (!idle || releaseIdOf(idle) !== release.id) return undefined;
    return replicasOf(idle) === 0 ? idle : changeDeployment(place, idle, { replicas: 0 });
  });
  if (!retired) return;
  const { namespace } = call.config;
  const name = nameOf(retired);
  await waitForFact(
    { cluster, namespace, signal: call.signal },
    [{ kind: 'deployments', fieldSelector: `metadata.name=${name}` }],
    async () => {
      const { metadata, status } = await cluster.read('deployments', namespace, name);
      const left = status?.replicas ?? 0;
      call.tell(`${name}: ${left} pods left`);
      return left === 0 && status?.observedGeneration === metadata?.generation ? true : undefined;
    },
  );
}
