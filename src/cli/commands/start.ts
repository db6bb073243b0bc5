/** `start`: checks the plan, starts the rollout, prints its name. */
import type { Context } from '../context.js';
import { identity, requirePlan, withClient } from '../loading.js';
import { watchToTheEnd } from './watch.js';

export interface StartOptions {
  var?: Record<string, string>;
  by?: string;
  watch?: boolean;
}

export async function start(context: Context, file: string, options: StartOptions): Promise<number> {
  const { output } = context;
  const { plan } = await requirePlan(context, file, options.var ?? {});
  return withClient(async (headgate) => {
    const { application, runId } = await headgate.start(plan, identity(options.by));
    const rollout = `${application}/${runId}`;
    output.print(rollout);
    output.line({
      type: 'rollout',
      application,
      runId,
      status: 'started',
      data: { version: plan.version, planDigest: plan.digest, overrides: plan.overrides },
    });
    const idle = await headgate.idleQueues();
    if (idle.length > 0) {
      output.note(
        `Nobody polls the task queue ${idle.join(' and ')}: the rollout begins when a worker does (headgate worker).`,
      );
    }
    if (!options.watch) {
      output.note(`Watch it: headgate watch ${application}`);
      return 0;
    }
    return watchToTheEnd(context, headgate, rollout);
  });
}
