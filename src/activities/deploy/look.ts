/** What is live, what would take its place, and what an approval of it is bound to. */
import type { BoundTarget } from '../../adapters/targets/registry.js';
import type { DeployFound, DeployInput, Look } from '../../contract/activities.js';
import { digestJson } from '../../plan/canonical.js';
import { drift } from '../../platform/failures.js';
import { digestFilesIn, whatDiffers } from '../files-looked-at.js';
import { type DeployDeps, nameOf } from './bind.js';

export async function lookRelease(
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
  const files = await digestFilesIn(context.directory, target.files);
  const approved = { live, target: step.config.target, image: image ?? named ?? null, files };
  const same = live.version === context.version;
  const stands = candidate ? [`${step.name}: ${nameOf(candidate)} stands beside the live release`] : [];
  return {
    found: {
      live,
      candidate,
      staged: target.staged,
      ...(image === undefined ? {} : { image }),
      ...(pinned === undefined ? {} : { pinned }),
      ...(Object.keys(files).length === 0 ? {} : { files }),
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

/** @throws `Drift` when the target would run or read something else than what was looked at */
export async function requireLookedAt(
  { files }: BoundTarget,
  { context, step, base }: DeployInput & { base: DeployFound },
): Promise<void> {
  if (base.files === undefined) return;
  const changed = whatDiffers(base.files, await digestFilesIn(context.directory, files));
  if (changed === undefined) return;
  throw drift(`${step.name}: ${changed} is not what was looked at. Nothing was changed.`, { item: changed });
}
