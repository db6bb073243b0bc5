/** Starts a release again as `kubectl rollout restart` does: its pods are replaced by pods of the same template. */
import type { Release } from '../../../contract/activities.js';
import { ANNOTATIONS, releaseIdOf, templateOf } from '../../../tools/kubernetes/releases.js';
import { changeDeployment, untilWritten, withAnnotations } from './change.js';
import { untilRolledOut } from './following.js';
import { changedMeanwhile, type Place, readScene, refusePaused } from './place.js';

/** Repeated after a crash it is the same restart; asked for anew it is another one. */
export async function restartSlot(place: Place, release: Release): Promise<void> {
  const at = restartOf(place);
  const slot = await untilWritten(async () => {
    const { live, idle } = await readScene(place);
    const found = [live, idle].find((each) => each && releaseIdOf(each) === release.id);
    if (!found) throw changedMeanwhile(place, live, release.id);
    refusePaused(place, found);
    const template = templateOf(found);
    if (template.metadata?.annotations?.[ANNOTATIONS.restartedAt] === at) return found;
    return changeDeployment(place, found, {
      template: withAnnotations(template, { [ANNOTATIONS.restartedAt]: at }),
    });
  });
  await untilRolledOut(place, slot, release.id);
}

/** ISO. */
function restartOf({ call }: Place): string {
  const { recalled } = call;
  const isRecord = typeof recalled === 'object' && recalled !== null && !Array.isArray(recalled);
  const earlier = isRecord ? recalled.restartedAt : undefined;
  const at = typeof earlier === 'string' ? earlier : new Date().toISOString();
  call.keep({ restartedAt: at });
  return at;
}
