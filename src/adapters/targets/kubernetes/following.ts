/** Follows the rollout of a Deployment to its end, or to the first reason why it has none. */
import { invalid } from '../../../platform/failures.js';
import type { Deployment } from '../../../tools/kubernetes/kinds.js';
import {
  ANNOTATIONS,
  podsOf,
  readReplicas,
  releaseIdOf,
  selectorOf,
  setsOfRelease,
  templateOf,
} from '../../../tools/kubernetes/releases.js';
import { waitForFact } from '../../../tools/kubernetes/waiting.js';
import { changedMeanwhile, type Place, refusePaused } from './place.js';
import { describe, type RolloutState, stateOf } from './rollout-state.js';

/** A registry or a database that blinks is back by then; the backoff of a crash loop is longer. */
const TROUBLE_MS = 20_000;
/** Where the Deployment has no deadline of its own, or none that is meant; below the time that the activity has. */
const STANDSTILL_MS = 14 * 60_000;

/**
 * Returns when every pod of `id` is available and none of another template is left.
 * @throws ApplicationFailure `Drift` when somebody changes the template meanwhile, `Invalid` when it will not come up
 */
export async function untilRolledOut(place: Place, deployment: Deployment, id: string): Promise<Deployment> {
  const { cluster, call } = place;
  const { namespace } = call.config;
  const name = deployment.metadata?.name ?? '';
  const patience = new Patience();
  const look = async () => {
    const now = await cluster.read('deployments', namespace, name);
    if (releaseIdOf(now) !== id) throw changedMeanwhile(place, now, id);
    refusePaused(place, now);
    const state = stateOf(now, await podsOfTemplate(place, now));
    if (state.kind === 'complete') return now;
    const why = state.kind === 'failed' ? state.why : patience.lost(state);
    if (why !== undefined) throw invalid(`${call.step}: ${id} does not come up: ${why}`);
    if (state.kind === 'underWay') call.tell(`rollout of ${name}: ${state.line}`);
    return undefined;
  };
  return waitForFact(
    { cluster, namespace, signal: call.signal },
    [
      { kind: 'deployments', fieldSelector: `metadata.name=${name}` },
      { kind: 'pods', labelSelector: selectorOf(deployment) },
    ],
    look,
  );
}

/** Those of the template as it is now: a release that was started again has older ones too. */
async function podsOfTemplate({ cluster, call }: Place, deployment: Deployment) {
  const replicas = await readReplicas(cluster, call.config.namespace, deployment);
  const restartedAt = startedAgainAt(templateOf(deployment).metadata?.annotations);
  const sets = setsOfRelease(deployment.metadata?.name ?? '', releaseIdOf(deployment), replicas);
  const current = sets.filter(
    ({ spec }) => startedAgainAt(spec?.template?.metadata?.annotations) === restartedAt,
  );
  return podsOf(current, replicas);
}

function startedAgainAt(annotations: { [key: string]: string } | undefined): string {
  return [ANNOTATIONS.restartedAt, 'kubectl.kubernetes.io/restartedAt']
    .map((key) => annotations?.[key] ?? '')
    .join(' ');
}

class Patience {
  #line = '';
  #movedAt = performance.now();
  #troubledSince: number | undefined;

  /** Why it is lost, as soon as it is. */
  lost(state: Extract<RolloutState, { kind: 'underWay' }>): string | undefined {
    const now = performance.now();
    const { line, trouble } = state;
    const progress = line.split(';')[0] ?? '';
    if (progress !== this.#line) [this.#line, this.#movedAt] = [progress, now];
    const isStuck = trouble !== undefined && !trouble.isPatient;
    this.#troubledSince = isStuck ? (this.#troubledSince ?? now) : undefined;
    if (this.#troubledSince !== undefined && now - this.#troubledSince >= TROUBLE_MS) {
      return `${progress}${describe(trouble)}`;
    }
    if (now - this.#movedAt < STANDSTILL_MS) return undefined;
    return `nothing has moved for ${STANDSTILL_MS / 60_000} minutes: ${progress}${describe(trouble)}`;
  }
}
