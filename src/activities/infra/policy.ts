/** What may be applied: destroy and replace only where it is allowed, and nothing that was not approved. Pure. */
import type { InfraPlanned } from '../../contract/activities.js';
import { clip, sizeOf } from '../../contract/fit.js';
import { digestJson } from '../../plan/canonical.js';
import type { PlannedChange } from '../../tools/terraform/plan.js';

const LARGEST_PLANNED = 8 * 1024;
const LONGEST_LINE = 160;
const DIGEST_LENGTH = 24;

/** What terraform made of a creation that ended half way: its own, or the one that we know was killed. */
export const HALF_CREATED = ['replace_because_tainted', 'replace_by_request'];
const LOSING: PlannedChange['action'][] = ['replace', 'delete', 'forget'];

/** Of all changes: addresses, actions and masked values. */
export function digestPlan(changes: PlannedChange[]): string {
  return digestJson(
    changes.map(({ address, action, before, after, unknown }) => ({
      address,
      action,
      before,
      after,
      unknown,
    })),
  );
}

/** Each change by itself; `undefined` when there are too many. */
export function planOf(
  changes: PlannedChange[],
  state: Record<string, unknown>,
): Record<string, InfraPlanned> | undefined {
  const full = Object.fromEntries(
    changes.map((change) => {
      const held = state[change.address];
      const was = held === undefined ? {} : { was: shortDigest(withoutPaths(held, change.unknown)) };
      return [change.address, { ...summarize(change), ...was }];
    }),
  );
  if (sizeOf(full) <= LARGEST_PLANNED) return full;
  const bare = Object.fromEntries(
    Object.entries(full).map(([address, { line: _line, ...rest }]) => [address, rest]),
  );
  return sizeOf(bare) <= LARGEST_PLANNED ? bare : undefined;
}

function summarize(change: PlannedChange): InfraPlanned {
  const { action, before, unknown, line } = change;
  return {
    action,
    before: shortDigest(before),
    after: shortDigest(change.after),
    ...(unknown.length > 0 ? { unknown } : {}),
    line: clip(line, LONGEST_LINE),
  };
}

function shortDigest(value: unknown): string {
  return digestJson(value ?? null).slice(0, DIGEST_LENGTH);
}

/** Addresses that would be lost although the plan does not allow it; `own` are those that this step itself creates. */
export function refusedChanges(
  changes: PlannedChange[],
  allow: string[],
  own: string[] = [],
): PlannedChange[] {
  return changes.filter(({ kind, action, resource, reason }) => {
    if (kind === 'output' || !LOSING.includes(action) || allow.includes(resource)) return false;
    return !(own.includes(resource) && HALF_CREATED.includes(reason ?? ''));
  });
}

/** Addresses whose creation was approved, alone or as half of a replacement. */
export function createdBy(planned: Record<string, InfraPlanned> | undefined): string[] {
  return Object.entries(planned ?? {}).flatMap(([address, { action }]) =>
    action === 'create' || action === 'replace' ? [address] : [],
  );
}

export interface Difference {
  address: string;
  approved: string;
  now: string;
}

/**
 * What of a plan was not approved. Fewer changes are fine: a killed attempt, or somebody else, has made the others.
 * `repeated`: an attempt of ours may have ended in the middle of an update.
 */
export function compareWithApproved(
  changes: PlannedChange[],
  planned: Record<string, InfraPlanned>,
  { repeated }: { repeated: boolean },
): Difference[] {
  return changes.flatMap((change) => {
    const approved = planned[change.address];
    if (approved && isApproved(change, approved, repeated)) return [];
    if (!approved && isPutAside(change, planned[change.resource])) return [];
    const line = approved ? (approved.line ?? approved.action) : 'nothing planned';
    return [{ address: change.address, approved: line, now: change.line }];
  });
}

/**
 * What stands there is neither as it was looked at nor as the step wants it: somebody else has applied something since.
 * Of a creation, of one that ended half way, and of values that follow from one, nobody can tell.
 * @param changes what would have to change now to be as the step wants it
 */
export function changedByOthers(
  changes: PlannedChange[],
  state: Record<string, unknown>,
  planned: Record<string, InfraPlanned> = {},
): PlannedChange[] {
  return changes.filter(({ address, action, reason }) => {
    const { was, unknown = [] } = planned[address] ?? {};
    if (was === undefined || action === 'create' || HALF_CREATED.includes(reason ?? '')) return false;
    return shortDigest(withoutPaths(state[address], unknown)) !== was;
  });
}

function isApproved(change: PlannedChange, approved: InfraPlanned, repeated: boolean): boolean {
  const { action, reason } = change;
  if (shortDigest(withoutPaths(change.after, approved.unknown ?? [])) !== approved.after) return false;
  if (action === approved.action && shortDigest(change.before) === approved.before) return true;
  // Of a creation or a replacement that ended half way the rest is a creation, or a replacement of the half.
  if (approved.action === 'create' || approved.action === 'replace') {
    return action === 'create' || HALF_CREATED.includes(reason ?? '');
  }
  return repeated && action === approved.action;
}

/** A replacement that creates first was ended before it could destroy the old one. */
function isPutAside({ address, resource, action }: PlannedChange, approved?: InfraPlanned): boolean {
  return address !== resource && action === 'delete' && approved?.action === 'replace';
}

/** What was unknown when it was approved may be known by now. */
function withoutPaths(value: unknown, paths: string[], at = ''): unknown {
  if (paths.length === 0) return value;
  if (Array.isArray(value)) {
    return value.map((child, index) =>
      paths.includes(`${at}${index}`) ? null : withoutPaths(child, paths, `${at}${index}/`),
    );
  }
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !paths.includes(`${at}${key}`))
      .map(([key, child]) => [key, withoutPaths(child, paths, `${at}${key}/`)]),
  );
}
