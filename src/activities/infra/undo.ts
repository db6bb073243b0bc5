/** The way back of an `infra` step: the same configuration with the variables of before. */
import { ApplicationFailure } from '@temporalio/common';
import type { InfraInput, UndoResult } from '../../contract/activities.js';
import { clip } from '../../contract/fit.js';
import { applyBackLine } from '../../contract/mend.js';
import { FAILURES } from '../../contract/messages.js';
import { digestJson } from '../../plan/canonical.js';
import { conflict, lockedBy } from '../../platform/failures.js';
import type { PlannedChange } from '../../tools/terraform/plan.js';
import { callOf, type InfraBaseInput, type InfraWork, owners, planWith, variables } from './call.js';
import { changedByOthers, HALF_CREATED, refusedChanges } from './policy.js';

const LONGEST_FOUND = 600;

export type InfraUndoInput = InfraBaseInput & { neverApplied?: boolean };

/**
 * @throws ApplicationFailure `Conflict` when something would have to be destroyed that the plan does not allow, and when
 * somebody else has applied something since
 */
export async function undoInfra(work: InfraWork, input: InfraUndoInput): Promise<UndoResult> {
  const { deps } = work;
  const { step, base, context } = input;
  const { tool, directory, allow, undo } = step.config;
  const name = `${tool} ${directory}`;
  if (!undo) return { summary: `${name} declares no undo`, changed: false };
  const theirs = await untilUnlocked(() => findTheirs(work, input));
  if (theirs.length > 0 && input.neverApplied) {
    return {
      summary: `${name}: nothing was applied; it is as somebody else left it`,
      changed: false,
      untouched: true,
    };
  }
  if (theirs.length > 0) throw overwritten(input, theirs);
  const { act, undo: owner } = owners(input);
  const call = await callOf(work, input, {
    variables: variables(input, { undo: true }),
    refresh: true,
    owner,
    // A provisioner that was killed may have done its work, whatever the state says: it runs again with what was.
    formerOwners: [act, owner],
    recreatable: allow,
    onLog: async (text) => {
      await deps.artifacts.write(context, `infra-${step.name.replaceAll('/', '-')}-undo.ndjson`, text);
    },
  });
  const result = await untilUnlocked(() =>
    deps.terraform.withPlan(call, async (plan): Promise<UndoResult> => {
      const isKept = digestJson(plan.state) === base.stateDigest;
      if (isKept && plan.interrupted.length === 0 && !isHalf(plan)) {
        return { summary: `${name}: the state is as it was`, changed: false };
      }
      if (plan.changes.length === 0) {
        return { summary: `${name}: nothing left to take back`, changed: false };
      }
      const lost = refusedChanges(plan.changes, allow);
      if (lost.length > 0) throw leftBehind(input, lost);
      const { added, changed, destroyed } = await plan.apply().catch(askAgain);
      return {
        summary: `${name} taken back: ${added} added, ${changed} changed, ${destroyed} destroyed`,
        changed: true,
      };
    }),
  );
  if (result.changed) await requireUndone(work, input);
  return result;
}

/** The values of before may be those of something whose creation has failed. */
function isHalf({ changes }: { changes: PlannedChange[] }): boolean {
  return changes.some(({ reason }) => HALF_CREATED.includes(reason ?? ''));
}

/** What could be planned is right: on the way back its apply is tried for as long as anything else. */
function askAgain(error: unknown): never {
  const isOurs = error instanceof ApplicationFailure && error.type === FAILURES.invalid;
  throw isOurs ? new Error(error.message) : error;
}

/**
 * Somebody else's lock has been waited for, and the way back does not wait for it again by itself: who has to be told
 * is told now.
 */
async function untilUnlocked<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const details = lockedBy(error);
    throw details ? conflict(details) : error;
  }
}

async function findTheirs(work: InfraWork, input: InfraBaseInput): Promise<PlannedChange[]> {
  const { changes, state } = await planWith(work, input, {});
  return changedByOthers(changes, state, input.base.planned);
}

async function requireUndone(work: InfraWork, input: InfraBaseInput): Promise<void> {
  const { changes } = await planWith(work, input, { undo: true });
  const left = changes.filter(({ kind }) => kind === 'resource').map(({ line }) => line);
  if (left.length === 0) return;
  const { tool, directory } = input.step.config;
  throw new Error(
    `${tool} ${directory} was taken back, but a plan still finds: ${clip(left.join('; '), LONGEST_FOUND)}`,
  );
}

function leftBehind(input: InfraInput, lost: PlannedChange[]) {
  const { tool, directory, allow } = input.step.config;
  const addresses = [...new Set(lost.map(({ resource }) => resource))];
  return conflict({
    item: `${tool} ${directory}`,
    found: clip(lost.map(({ line }) => line).join('; '), LONGEST_FOUND),
    expected: `nothing to destroy but ${allow.length > 0 ? allow.join(', ') : 'nothing'}, which "allow" names (missing: ${addresses.join(', ')})`,
    command: applyBackLine(input.step.config),
  });
}

function overwritten(input: InfraInput, theirs: PlannedChange[]) {
  const { tool, directory } = input.step.config;
  return conflict({
    item: `${tool} ${directory}`,
    found: clip(
      `applied by someone else since: ${theirs.map(({ address }) => address).join(', ')}`,
      LONGEST_FOUND,
    ),
    expected: 'as this step has left it; taking it back would take theirs back too',
    command: applyBackLine(input.step.config),
  });
}
