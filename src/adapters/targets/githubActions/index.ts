/**
 * A workflow of GitHub Actions that deploys: dispatched, found again, followed to its end with links, cancelled on an
 * abort, and dispatched on the old version to go back. What is live the application says; where it is not asked, the
 * last run that succeeded does.
 */
import { invalid } from '../../../platform/failures.js';
import type { Target, TargetCall } from '../target.js';
import { beginRun, sinceOf } from './begin.js';
import { type Deed, deployOf, markOf, readKept, restartOf, rollbackOf } from './deed.js';
import { endRun, followRun } from './follow.js';
import { askVersion } from './live.js';
import { PACE, type Pace, sleep } from './pace.js';
import { pinOf, requireSame } from './pin.js';
import { describeRun, isOn, isOpen, WorkflowRuns } from './runs.js';
import type { Config } from './schema.js';
import { readStatus } from './status.js';

type Call = TargetCall<Config>;

export function createGithubActionsTarget(pace: Pace = PACE): Target<Config> {
  return {
    kind: 'githubActions',
    staged: () => false,
    // A lost answer leaves nothing to look for but a run that shows the mark.
    effect: ({ correlationInput }) => (correlationInput === undefined ? 'neither' : 'detectable'),
    status: (call) => readStatus(call, new WorkflowRuns(call, pace, call.signal)),
    pin: (call) => pinOf(call, new WorkflowRuns(call, pace, call.signal)),
    async prepare({ step }) {
      throw invalid(`${step}: a workflow deploys whole; nothing can be prepared beside the live release.`);
    },
    async promote(call, { version }) {
      await carryOut(call, deployOf(call, version), pace);
      const said = await awaitVersion(call, version, pace);
      if (said === version) return;
      throw invalid(
        `${call.step}: the run has succeeded on ${deployOf(call, version).ref}, and the application says that ${said} is live, not ${version}. Check what the workflow deploys, and live in the plan.`,
      );
    },
    async restore(call, { version }) {
      if (!readKept(call.recalled, 'rollback')) await endUnfinished(call, pace);
      await carryOut(call, rollbackOf(call, version), pace);
      await awaitVersion(call, version, pace);
    },
    async retire() {},
    async restart(call, { version }) {
      await carryOut(call, restartOf(call, version), pace);
      await awaitVersion(call, version, pace);
    },
  };
}

async function carryOut(call: Call, deed: Deed, pace: Pace): Promise<void> {
  call.signal.throwIfAborted();
  const runs = new WorkflowRuns(call, pace, call.signal);
  const pinned = deed.purpose === 'deploy' ? call.pinned : undefined;
  if (pinned !== undefined && !readKept(call.recalled, deed.purpose)) {
    requireSame(call, pinned, await pinOf(call, runs));
  }
  const followed = await beginRun({ call, runs, pace, deed });
  await followRun(call, runs, { ...followed, pinned }, pace);
}

/** A deploy that is still under way would put the new version back in the place of the old one. */
async function endUnfinished(call: Call, pace: Pace): Promise<void> {
  const runs = new WorkflowRuns(call, pace, call.signal);
  const { correlationInput } = call.config;
  const { ref } = deployOf(call, call.context.version);
  const mark = markOf(call, 'deploy');
  for (const run of await runs.list(sinceOf(call))) {
    const isOurs = correlationInput === undefined ? isOn(run, ref) : run.display_title.includes(mark);
    if (!isOurs || !isOpen(run)) continue;
    call.tell(`${describeRun(run)}, and is cancelled before the way back`);
    await endRun(call, run.id, pace);
  }
}

/** @returns the version that the application says at last; `version` where it is not asked, or does not answer */
async function awaitVersion(call: Call, version: string, pace: Pace): Promise<string> {
  const { live } = call.config;
  const until = Date.now() + pace.switchMs;
  while (live) {
    const said = await askVersion(live, call.signal);
    const found = 'version' in said ? said.version : undefined;
    if (found === version) return version;
    call.tell('silent' in said ? said.silent : `the application says that ${said.version} is live`);
    if (Date.now() > until) return found ?? version;
    await sleep(pace.pollMs / 5, call.signal);
  }
  return version;
}
