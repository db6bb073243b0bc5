/**
 * Exactly one run for one deed, also over crashes: what is about to be dispatched is kept before it is sent, and its
 * run as soon as it is known. A mark in the name of the run, where the workflow shows it, finds it again.
 */
import { unknownResult } from '../../../platform/failures.js';
import type { TargetCall } from '../target.js';
import { type Deed, type Kept, markOf, readKept } from './deed.js';
import { type Followed, untilHandedOver } from './follow.js';
import { growingDelays, type Pace, sleep } from './pace.js';
import { type Dispatched, describeRun, type GithubRun, isOn, isOpen, WorkflowRuns } from './runs.js';
import type { Config } from './schema.js';

type Call = TargetCall<Config>;

export interface Beginning {
  call: Call;
  runs: WorkflowRuns;
  pace: Pace;
  deed: Deed;
}

/**
 * The run that carries out the deed: the one that an earlier attempt has begun, else a new one.
 * @throws ApplicationFailure `UnknownResult` when nobody can tell whether a deploy was begun
 */
export async function beginRun(beginning: Beginning): Promise<Followed> {
  const { call, deed } = beginning;
  const kept = readKept(call.recalled, deed.purpose);
  if (kept?.run !== undefined) return { run: kept.run, atMs: kept.atMs };
  if (call.config.correlationInput !== undefined) {
    const found = kept ? await awaitMarked(beginning, kept) : await findEarlier(beginning);
    if (found) return keepRun(call, kept ?? newKept(call, deed), found.id);
  } else if (kept && deed.purpose === 'deploy') {
    throw await nobodyKnows(beginning, kept, 'the worker was lost while it was dispatched');
  }
  // The way back may be gone twice: it brings the same version back.
  return dispatch(beginning);
}

/** Of an attempt whose last words were lost, or of an activity before this one. */
async function findEarlier({ call, runs, deed }: Beginning): Promise<GithubRun | undefined> {
  const mark = markOf(call, deed.purpose);
  const marked = (await runs.list(sinceOf(call))).find((run) => run.display_title.includes(mark));
  if (!marked) return undefined;
  // A deploy that has failed is dispatched again only when somebody asks for it, as now.
  const isDone = deed.purpose === 'deploy' && marked.conclusion === 'success';
  return isOpen(marked) || isDone ? marked : undefined;
}

async function dispatch(beginning: Beginning): Promise<Followed> {
  const { call, runs, deed, pace } = beginning;
  const { correlationInput } = call.config;
  const kept = newKept(call, deed);
  const inputs = {
    ...deed.inputs,
    ...(correlationInput === undefined ? {} : { [correlationInput]: kept.mark }),
  };
  call.tell(`${call.config.workflow} is dispatched on ${deed.ref}`);
  call.keep(kept);
  await sleep(pace.durableMs, call.signal);
  let sent: Dispatched;
  try {
    sent = await runs.dispatch({ ...deed, inputs });
  } catch (error) {
    // Nothing was begun: a next attempt need not look for it.
    if (!call.signal.aborted) call.keep(null);
    throw error;
  }
  if (sent.kind === 'dispatched' && sent.run !== undefined) return keepRun(call, kept, sent.run);
  const signal = untilHandedOver(call.signal);
  const patient = { ...beginning, call: { ...call, signal }, runs: new WorkflowRuns(call, pace, signal) };
  const found = await findUnnamed(patient, kept, sent).catch((error: unknown) => {
    // Nobody is asked about a rollout that turns round: the way back ends what it finds.
    throw call.signal.aborted ? call.signal.reason : error;
  });
  return keepRun(call, kept, found.id);
}

/** The server has not said which run it is, or nothing at all. */
async function findUnnamed(beginning: Beginning, kept: Kept, sent: Dispatched): Promise<GithubRun> {
  const { call, runs, deed } = beginning;
  const { correlationInput } = call.config;
  const found =
    correlationInput !== undefined
      ? await awaitMarked(beginning, kept)
      : deed.purpose !== 'deploy' && sent.kind === 'dispatched'
        ? await awaitRun(beginning, async () =>
            (await runs.list(sent.atMs)).find((run) => isOn(run, deed.ref)),
          )
        : undefined;
  if (found) return found;
  if (sent.kind === 'dispatched') {
    const why =
      correlationInput === undefined
        ? 'the server does not say which run a dispatch has begun'
        : `no run bears ${kept.mark} in its name: the run-name of the workflow has to show \${{ inputs.${correlationInput} }}`;
    if (deed.purpose === 'deploy') throw await nobodyKnows(beginning, kept, why);
    throw new Error(`${call.step}: ${why}. Look at ${runs.page}`);
  }
  if (correlationInput === undefined && deed.purpose === 'deploy') {
    throw await nobodyKnows(beginning, kept, sent.why);
  }
  throw new Error(`${call.step}: ${call.config.workflow} was not dispatched: ${sent.why}`);
}

/** Until it is in the list: GitHub makes a run some seconds after its dispatch. */
function awaitMarked(beginning: Beginning, { mark, atMs }: Kept): Promise<GithubRun | undefined> {
  const { runs } = beginning;
  return awaitRun(beginning, async () =>
    (await runs.list(atMs)).find((run) => run.display_title.includes(mark)),
  );
}

async function awaitRun(
  { call, pace }: Beginning,
  find: () => Promise<GithubRun | undefined>,
): Promise<GithubRun | undefined> {
  const until = Date.now() + pace.visibleMs;
  for (const delayMs of growingDelays(pace.pollMs)) {
    const found = await find();
    if (found || Date.now() > until) return found;
    call.tell(`waits for the run of ${call.config.workflow} to appear`);
    await sleep(delayMs, call.signal);
  }
  return undefined;
}

/** What a person is asked, with the runs that it may be. */
async function nobodyKnows({ call, runs, deed }: Beginning, kept: Kept, why: string) {
  const { correlationInput, workflow } = call.config;
  const since = await runs.list(kept.atMs).catch(() => []);
  const candidates = since.filter((run) => isOn(run, deed.ref)).slice(0, 3);
  const guess =
    candidates.length > 0
      ? ` It may be ${candidates.map((run) => describeRun(run)).join(', or ')}.`
      : ' No run on that ref is in the list.';
  const advice =
    correlationInput === undefined ? ' With correlationInput in the plan it would be found again.' : '';
  return unknownResult(
    `${call.step}: whether ${workflow} runs on ${deed.ref} is not known: ${why}.${guess} Look at ${runs.page}, wait until it has ended, and answer then.${advice}`,
  );
}

function newKept(call: Call, { purpose }: Deed): Kept {
  const atMs = Date.now();
  return { purpose, mark: `${markOf(call, purpose)}${atMs.toString(36)}`, atMs };
}

function keepRun(call: Call, kept: Kept, run: number): Followed {
  call.keep({ ...kept, run });
  return { run, atMs: kept.atMs };
}

/** When the stage began to change. A rollout that takes back what another one has done does not know it: all of them. */
export function sinceOf({ context }: Pick<Call, 'context'>): number {
  return context.startedAt === undefined ? 0 : Date.parse(context.startedAt);
}
