/** `start`: checks the plan, starts the rollout, prints its name. */
import type { Headgate, RolloutName } from '../../client.js';
import { textOfStart } from '../../contract/signed-text.js';
import type { ResolvedPlan } from '../../plan/resolved.js';
import type { Context } from '../context.js';
import { identity, requirePlan, sign, withClient } from '../loading.js';
import { watchToTheEnd } from './watch.js';

export interface StartedOptions {
  watch?: boolean;
}

export interface StartOptions extends StartedOptions {
  var?: Record<string, string>;
  by?: string;
  key?: string;
}

export async function start(context: Context, file: string, options: StartOptions): Promise<number> {
  const { plan } = await requirePlan(context, file, options.var ?? {});
  return withClient(async (headgate) => {
    const by = identity(options.by);
    const signed = options.key === undefined ? undefined : await signStart(plan, by, options.key);
    const started = await headgate.start(plan, by, signed);
    const { version, digest: planDigest, overrides } = plan;
    return announce(context, headgate, started, { version, planDigest, overrides }, options);
  });
}

async function signStart(
  { application, version, digest: planDigest }: ResolvedPlan,
  by: string,
  key: string,
) {
  const at = new Date().toISOString();
  const signature = await sign(key, textOfStart({ application, version, planDigest, by, at }));
  return { at, signature };
}

/** Prints the name of a run that was just started; with `watch` stays with it. */
export async function announce(
  context: Context,
  headgate: Headgate,
  { application, runId }: RolloutName,
  data: Record<string, unknown>,
  { watch }: StartedOptions,
): Promise<number> {
  const { output } = context;
  const rollout = `${application}/${runId}`;
  output.print(rollout);
  output.line({ type: 'rollout', application, runId, status: 'started', data });
  const idle = await headgate.idleQueues();
  if (idle.length > 0) {
    output.note(
      `Nobody polls the task queue ${idle.join(' and ')}: the rollout begins when a worker does (headgate worker).`,
    );
  }
  if (watch) return watchToTheEnd(context, headgate, rollout);
  output.note(`Watch it: headgate watch ${application}`);
  return 0;
}
