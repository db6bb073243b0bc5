/** What is live, and whether a run of ours has come to a good end. */
import { invalid } from '../../../platform/failures.js';
import type { TargetCall, TargetStatus } from '../target.js';
import { sinceOf } from './begin.js';
import { deployOf, markOf, shortRef } from './deed.js';
import { askVersion } from './live.js';
import { describeRun, type GithubRun, isOn, isOpen, type WorkflowRuns } from './runs.js';
import type { Config } from './schema.js';

type Call = TargetCall<Config>;

export async function readStatus(call: Call, runs: WorkflowRuns): Promise<TargetStatus> {
  const { live } = call.config;
  if (!live) return statusOfRuns(call, runs);
  // The list is asked in any case: a token that may not read it is found out before anything has changed.
  const [said, since] = [await askVersion(live, call.signal), await runs.list(sinceOf(call))];
  if ('version' in said) {
    return statusOf(call, said.version, await unsettledBy(runs, ownOf(call, since, said.version)));
  }
  const [newest] = isMarked(call) || call.context.startedAt === undefined ? ownOf(call, since) : since;
  if (!newest) throw new Error(`${call.step}: ${said.silent}`);
  return statusOf(call, meantBy(call, newest), `${said.silent}; ${describeRun(newest)}`);
}

function statusOf({ config }: Call, version: string, unsettled?: string): TargetStatus {
  const live = { id: version, version, url: config.url };
  return { live, candidate: null, ...(unsettled === undefined ? {} : { unsettled }) };
}

/** The workflow deploys to one place only: each of its runs counts, whoever has begun it. */
async function statusOfRuns(call: Call, runs: WorkflowRuns): Promise<TargetStatus> {
  const all = await runs.list(0);
  const good = all.find(({ conclusion }) => conclusion === 'success');
  if (!good?.head_branch) {
    throw invalid(
      `${call.step}: no run of ${call.config.workflow} that was dispatched has succeeded, so that nobody can tell what is live. Say under live where the application tells its version. The runs: ${runs.page}`,
    );
  }
  return statusOf(call, shortRef(good.head_branch), await unsettledBy(runs, all));
}

/**
 * Begun since the stage began to change: with our mark, or on a ref that we dispatch. `live` is a version that the way
 * back may have been dispatched on.
 */
function ownOf(call: Call, since: GithubRun[], live?: string): GithubRun[] {
  const { config, context } = call;
  if (isMarked(call)) return since.filter((run) => run.display_title.includes(markOf(call)));
  const { ref } = deployOf(call, context.version);
  if (context.startedAt === undefined) return since.filter((run) => isOpen(run) && isOn(run, ref));
  const back = config.rollback?.ref ?? live;
  const refs = [ref, ...(back === undefined ? [] : [back])];
  return since.filter((run) => refs.some((ref) => isOn(run, ref)));
}

function isMarked({ config }: Call): boolean {
  return config.correlationInput !== undefined;
}

/** The application is silent: what the newest run was to make live. */
function meantBy(call: Call, run: GithubRun): string {
  const { version } = call.context;
  const isBack = isMarked(call)
    ? !run.display_title.includes(markOf(call, 'deploy'))
    : !isOn(run, deployOf(call, version).ref);
  return isBack && run.head_branch !== null ? shortRef(run.head_branch) : version;
}

/** One that has not ended, else the newest when it came to a bad end. */
async function unsettledBy(runs: WorkflowRuns, own: GithubRun[]): Promise<string | undefined> {
  const open = own.find(isOpen);
  if (open) return describeRun(open);
  const [last] = own;
  if (!last || last.conclusion === 'success') return undefined;
  return describeRun(last, await runs.jobs(last.id));
}
