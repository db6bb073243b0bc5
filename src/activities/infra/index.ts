/**
 * `infra`: terraform or tofu. What was approved is planned again and applied in one activity, and only if it is still
 * what was approved.
 *
 * Repeating is safe: a plan finds what is left to do. One thing it cannot find: terraform that is killed hard (not
 * interrupted) may have recorded a resource whose provisioner never ended. On the same worker the next attempt creates
 * such a resource anew; elsewhere only a probe after the apply tells.
 */
import { join } from 'node:path';
import { Context } from '@temporalio/activity';
import type {
  HeadgateActivities,
  InfraEffect,
  InfraFound,
  InfraHeartbeat,
  InfraInput,
  Look,
} from '../../contract/activities.js';
import { clip, fitLines } from '../../contract/fit.js';
import type { Measurement } from '../../contract/progress.js';
import { digestJson } from '../../plan/canonical.js';
import { drift } from '../../platform/failures.js';
import { digestPath } from '../../platform/plan-files.js';
import type { TerraformProgress } from '../../tools/terraform/index.js';
import type { PlannedChange } from '../../tools/terraform/plan.js';
import { withHeartbeat } from '../heartbeat.js';
import {
  callOf,
  type InfraBaseInput,
  type InfraDeps,
  type InfraWork,
  type LookedPlan,
  owners,
  planWith,
  undoVariables,
  variables,
} from './call.js';
import { requireAllowed, requireKnownNames, warningsOf } from './findings.js';
import { compareWithApproved, createdBy, type Difference, digestPlan, planOf } from './policy.js';
import { type InfraUndoInput, undoInfra } from './undo.js';

const LARGEST_CHANGES = 4 * 1024;
const LARGEST_WARNINGS = 2 * 1024;
const MOST_RESOURCES = 5;
const MOST_DIFFERENCES = 3;
const LONGEST_DIFFERENCE = 300;

export function createInfraActivities(deps: InfraDeps) {
  return {
    lookInfra: (input: InfraInput) => working(deps, (work) => look(work, input)),
    applyInfra: (input: InfraBaseInput) => working(deps, (work) => apply(work, input)),
    verifyInfra: (input: InfraInput) => working(deps, (work) => verify(work, input)),
    undoInfra: (input: InfraUndoInput) => working(deps, (work) => undoInfra(work, input)),
  } satisfies Pick<HeadgateActivities, 'lookInfra' | 'applyInfra' | 'verifyInfra' | 'undoInfra'>;
}

function working<T>(deps: InfraDeps, run: (work: InfraWork) => Promise<T>): Promise<T> {
  const startedAtMs = deps.clock.now();
  let progress: TerraformProgress = { doing: 'starting', resources: [], done: 0, total: 0 };
  const details = (): InfraHeartbeat => ({
    ...progress,
    resources: progress.resources.slice(0, MOST_RESOURCES),
    elapsedMs: deps.clock.now() - startedAtMs,
  });
  return withHeartbeat(details, (signal, beat) =>
    run({
      deps,
      signal,
      onProgress: (now) => {
        const isNews = now.doing !== progress.doing;
        progress = now;
        if (isNews) beat();
      },
    }),
  );
}

async function look(work: InfraWork, input: InfraInput): Promise<Look<InfraFound>> {
  const { step } = input;
  const { config } = step;
  const plan = await planWith(work, input, {});
  requireKnownNames(input, plan);
  requireAllowed(input, plan.changes);
  const undone = config.undo ? await planWith(work, input, { undo: true, refresh: false }) : undefined;
  const found: InfraFound = {
    planDigest: digestPlan(plan.changes),
    changes: plan.changes.length,
    stateDigest: digestJson(plan.state),
    planned: planOf(plan.changes, plan.state),
    filesSha256: await digestFiles(input),
  };
  const lines = plan.changes.map(({ line }) => line);
  const warnings = warningsOf(input, plan, undone);
  await keepPlan(work, input, { ...found, lines, warnings, plan });
  return {
    found,
    changes: fitLines(lines, LARGEST_CHANGES),
    warnings: fitLines(warnings, LARGEST_WARNINGS),
    effect: plan.changes.length === 0 ? 'none' : 'detectable',
    ...(config.undo
      ? { undo: `${config.tool} ${config.directory}: applied with ${undoVariables(step)}` }
      : {}),
    // A provisioner is in no plan.
    digest: digestJson([found.planDigest, found.filesSha256]),
  };
}

/** The folder and its variable files. */
async function digestFiles({ context, step }: InfraInput): Promise<string> {
  const { directory, varFiles, undo } = step.config;
  const files = [...varFiles, ...(undo?.varFiles ?? [])].map((file) => join(directory, file));
  const paths = [...new Set([directory, ...files])];
  return digestJson(await Promise.all(paths.map((path) => digestPath(context.directory, path))));
}

/** An attempt that follows a killed one may find what a provisioner of ours has written there. */
async function requireSameFiles(input: InfraBaseInput, attempt: number): Promise<void> {
  const { step, base } = input;
  if (attempt > 1 || base.filesSha256 === undefined) return;
  if ((await digestFiles(input)) === base.filesSha256) return;
  const { directory } = step.config;
  throw drift(`${step.name}: files of ${directory} are not what was looked at. Nothing was changed.`, {
    item: directory,
  });
}

/** Everything that the approval's few lines leave out. */
async function keepPlan(
  { deps }: InfraWork,
  { context, step }: InfraInput,
  { plan, ...summary }: InfraFound & { lines: string[]; warnings: string[]; plan: LookedPlan },
): Promise<void> {
  const { changes, state } = plan;
  const content = `${JSON.stringify({ ...summary, planned: changes, state }, null, 2)}\n`;
  await deps.artifacts.write(context, `${artifactName(step.name)}-plan.json`, content);
}

function artifactName(step: string): string {
  return `infra-${step.replaceAll('/', '-')}`;
}

async function apply(work: InfraWork, input: InfraBaseInput): Promise<InfraEffect> {
  const { deps } = work;
  const { context, step, base } = input;
  const { attempt } = Context.current().info;
  const log = `${artifactName(step.name)}${attempt > 1 ? `-${attempt}` : ''}.ndjson`;
  const call = await callOf(work, input, {
    variables: variables(input, { undo: false }),
    refresh: true,
    owner: owners(input).act,
    formerOwners: [owners(input).act],
    recreatable: [...step.config.allow, ...createdBy(base.planned)],
    onLog: async (text) => {
      await deps.artifacts.write(context, log, text);
    },
  });
  return deps.terraform.withPlan(call, async (plan) => {
    requireAllowed(input, plan.changes, createdBy(base.planned));
    const repeated = attempt > 1 || plan.interrupted.length > 0;
    requireApproved(input, plan, { repeated });
    // Whoever made the changes, a killed attempt of ours or somebody else: they are there.
    if (plan.changes.length === 0) return { added: 0, changed: 0, destroyed: 0, artifacts: [] };
    await requireSameFiles(input, attempt);
    return { ...(await plan.apply()), artifacts: [deps.artifacts.cite(context, log)] };
  });
}

function requireApproved(
  { step, base }: InfraBaseInput,
  { changes }: { changes: PlannedChange[] },
  options: { repeated: boolean },
): void {
  if (changes.length === 0 || digestPlan(changes) === base.planDigest) return;
  const differences = base.planned
    ? compareWithApproved(changes, base.planned, options)
    : changes.map(({ address, line }) => ({ address, approved: 'another plan', now: line }));
  if (differences.length > 0) throw drifted(step.name, differences, options);
}

function drifted(step: string, differences: Difference[], { repeated }: { repeated: boolean }) {
  const shown = differences.slice(0, MOST_DIFFERENCES);
  const left = differences.length - shown.length;
  const lines = shown.map(
    ({ approved, now }) =>
      `approved: ${clip(approved, LONGEST_DIFFERENCE)}, now: ${clip(now, LONGEST_DIFFERENCE)}`,
  );
  return drift(
    `${step}: what would be applied is not what was approved. ${lines.join('; ')}${left > 0 ? `; and ${left} more` : ''}. Nothing was changed.`,
    // Of a repeated attempt nobody knows what the one before has applied.
    { differences: shown.map((each) => ({ ...each })), neverApplied: !repeated },
  );
}

async function verify(work: InfraWork, input: InfraInput): Promise<Measurement> {
  const { clock } = work.deps;
  const startedAtMs = clock.now();
  const { changes } = await planWith(work, input, {});
  // An output follows from the resources, and may hold the time of planning.
  const left = changes.filter(({ kind }) => kind === 'resource');
  const { tool, directory } = input.step.config;
  const message =
    left.length === 0
      ? `${tool} ${directory}: a plan finds nothing left to do`
      : `${tool} ${directory}: ${left.length} left to do: ${left.map(({ line }) => line).join('; ')}`;
  return {
    probe: 'infra',
    outcome: left.length === 0 ? 'pass' : 'fail',
    at: new Date(clock.now()).toISOString(),
    message: clip(message, 600),
    values: { changes: left.length },
    durationMs: clock.now() - startedAtMs,
  };
}
