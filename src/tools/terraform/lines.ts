/** One planned change in one line, for the person who approves it. Pure. */
import { isDeepStrictEqual } from 'node:util';
import { type Fields, isFields } from './values.js';

const LONGEST_VALUE = 80;
const MOST_ATTRIBUTES = 6;

export interface Described {
  address: string;
  action: InfraAction;
  /** Terraform's own: `replace_because_tainted`. */
  reason?: string;
  /** Masked. */
  before: unknown;
  after: unknown;
  unknown: string[];
  /** Attributes that force a replacement. */
  forcedBy: string[];
  /** Where a moved resource was. */
  from?: string;
}

export type InfraAction = 'create' | 'update' | 'replace' | 'delete' | 'forget' | 'import' | 'move';

const VERBS: Record<InfraAction, string> = {
  create: 'create',
  update: 'update in place',
  replace: 'destroy and create again',
  delete: 'destroy',
  forget: 'forget: it stays as it is and is no longer managed',
  import: 'import',
  move: 'move',
};

/** https://developer.hashicorp.com/terraform/internals/json-format#plan-representation */
const REASONS: Record<string, string> = {
  replace_because_tainted: 'an earlier creation did not end',
  replace_by_request: 'an earlier creation was killed',
  replace_by_triggers: 'replace_triggered_by',
  delete_because_no_resource_config: 'it is not in the configuration',
  delete_because_no_module: 'its module is not in the configuration',
  delete_because_count_index: 'its index is beyond count',
  delete_because_each_key: 'its key is not in for_each',
  delete_because_wrong_repetition: 'count or for_each came or went',
};

export function describeChange(change: Described): string {
  const { address, action, from } = change;
  const why = reasonOf(change);
  const verb = `${VERBS[action]}${from ? ` from ${from}` : ''}${why ? `, because ${why}` : ''}`;
  const attributes = action === 'delete' || action === 'forget' ? [] : describeAttributes(change);
  const shown = attributes.slice(0, MOST_ATTRIBUTES);
  if (attributes.length > shown.length) shown.push(`and ${attributes.length - shown.length} more`);
  return `${address}: ${verb}${shown.length > 0 ? ` (${shown.join('; ')})` : ''}`;
}

function reasonOf({ reason, forcedBy }: Described): string | undefined {
  const known = reason && REASONS[reason];
  if (known) return known;
  return forcedBy.length > 0 ? `${forcedBy.join(', ')} cannot be changed in place` : undefined;
}

/** `size: 1 → 2`. What a creation will only know afterwards (ids, mostly) says nothing and is left out. */
function describeAttributes({ action, before, after, unknown }: Described): string[] {
  if (!isFields(before) && !isFields(after)) return describeScalar(before, after);
  const was = isFields(before) ? before : {};
  const will = isFields(after) ? after : {};
  const later = action === 'update' ? unknown.filter((path) => !path.includes('/')) : [];
  return [...new Set([...Object.keys(was), ...Object.keys(will), ...later])].sort().flatMap((key) => {
    if (later.includes(key)) return [`${key}: ${show(was[key])} → known after apply`];
    if (!(key in will) || isDeepStrictEqual(was[key], will[key])) return [];
    if (!(key in was)) return isEmpty(will[key]) ? [] : [`${key}: ${show(will[key])}`];
    return [describeDifference(key, was, will)];
  });
}

function describeScalar(before: unknown, after: unknown): string[] {
  if (after === undefined) return [];
  return before === undefined || before === null ? [show(after)] : [`${show(before)} → ${show(after)}`];
}

/** Of blocks, of which there may be dozens, only those that differ. */
function describeDifference(key: string, was: Fields, will: Fields): string {
  const [old, now] = [was[key], will[key]];
  if (!Array.isArray(old) || !Array.isArray(now)) return `${key}: ${show(old)} → ${show(now)}`;
  const gone = old.filter((entry) => !now.some((other) => isDeepStrictEqual(entry, other)));
  const come = now.filter((entry) => !old.some((other) => isDeepStrictEqual(entry, other)));
  return `${key}: ${showAll(gone)} → ${showAll(come)}`;
}

function showAll(entries: unknown[]): string {
  return entries.length === 0 ? 'none' : entries.map(show).join(', ');
}

function isEmpty(value: unknown): boolean {
  return value === null || value === '' || (Array.isArray(value) && value.length === 0);
}

function show(value: unknown): string {
  const text = JSON.stringify(value ?? null);
  return text.length <= LONGEST_VALUE ? text : `${text.slice(0, LONGEST_VALUE - 1)}…`;
}
