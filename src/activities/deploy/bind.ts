/** A step's target, ready to be asked, and what it says and keeps in the heartbeats of its activity. */
import { Context } from '@temporalio/activity';
import type { BoundTarget, Targets } from '../../adapters/targets/registry.js';
import type { TargetCall } from '../../adapters/targets/target.js';
import type { DeployFound, DeployHeartbeat, DeployInput, Release } from '../../contract/activities.js';
import { clip } from '../../contract/fit.js';
import type { Json } from '../../plan/resolved.js';
import { invalid } from '../../platform/failures.js';
import type { References } from '../../platform/references.js';
import { isRecord } from '../heartbeat.js';

export interface DeployDeps {
  targets: Targets;
  references: Pick<References, 'resolve'>;
  /** By its digest, or why that could not be found out. */
  resolveImage: (image: string, signal: AbortSignal) => Promise<{ image: string } | { why: string }>;
}

/** What binding a target takes. */
export type BindDeps = Pick<DeployDeps, 'targets' | 'references'>;

const LONGEST_LINE = 500;

type Notebook = Pick<TargetCall<unknown>, 'recalled' | 'keep' | 'tell'>;

/** What a target says and keeps, in the heartbeats of its activity. */
export class Beating {
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

/** `blue (v1.0.0)` */
export function nameOf({ id, version }: Release): string {
  return `${id} (${version})`;
}
