/** Values of a plan: without what is sensitive, and without what terraform does not know yet. Pure. */
import { isDeepStrictEqual } from 'node:util';

const SENSITIVE = '(sensitive)';
const CHANGED = '(sensitive, changed)';

export type Fields = Record<string, unknown>;

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * `value` without what one of `marks` covers; terraform marks a whole value by `true`, else key by key. With the
 * `former` value a covered one that differs says so: no digest of it is kept, because a short secret can be guessed
 * from its digest.
 */
export function mask(value: unknown, marks: unknown[], former?: { value: unknown }): unknown {
  if (marks.includes(true)) {
    if (value === null || value === undefined) return value;
    return former && !isDeepStrictEqual(former.value, value) ? CHANGED : SENSITIVE;
  }
  return mapChildren(value, (child, key) =>
    mask(
      child,
      marks.map((mark) => childOf(mark, key)),
      former && { value: childOf(former.value, key) },
    ),
  );
}

/** `value` with every string put through `change`; keys are left alone. */
export function mapStrings(value: unknown, change: (text: string) => string): unknown {
  return typeof value === 'string' ? change(value) : mapChildren(value, (child) => mapStrings(child, change));
}

/** Paths of what terraform marks as not known yet: `input/size`, `tags`. */
export function unknownPaths(marks: unknown, path: string[] = []): string[] {
  if (marks === true) return [path.join('/')];
  if (Array.isArray(marks))
    return marks.flatMap((mark, index) => unknownPaths(mark, [...path, String(index)]));
  if (!isFields(marks)) return [];
  return Object.entries(marks).flatMap(([key, mark]) => unknownPaths(mark, [...path, key]));
}

function childOf(value: unknown, key: string | number): unknown {
  if (Array.isArray(value)) return value[Number(key)];
  return isFields(value) ? value[key] : undefined;
}

function mapChildren(value: unknown, change: (child: unknown, key: string | number) => unknown): unknown {
  if (Array.isArray(value)) return value.map(change);
  if (!isFields(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, child]) => [key, change(child, key)]));
}
