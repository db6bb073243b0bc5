/**
 * Edits single keys of a JSON object as text. Parsing and writing it again would change values that nobody
 * meant to touch: `1.0` becomes `1`, `1e400` becomes `null`, a long number loses digits.
 */

export interface Member {
  key: string;
  /** The value's own bytes. */
  raw: string;
}

interface Span extends Member {
  /** From the key's opening quote to behind the value. */
  start: number;
  end: number;
  valueStart: number;
}

/** Why a text is no object whose keys can be edited; it never repeats the text. */
export class NotAnObjectError extends Error {
  override readonly name = 'NotAnObjectError';
}

/** Every key with its raw value; of a key that occurs twice the last one counts, as every parser has it. @throws NotAnObjectError */
export function readMembers(text: string): Map<string, string> {
  return new Map(scan(text).map(({ key, raw }) => [key, raw]));
}

/** Does this raw value hold exactly `value`? */
export function holds(raw: string | undefined, value: string): boolean {
  return raw !== undefined && JSON.parse(raw) === value;
}

/**
 * `text` with `key` set to the raw JSON value `raw`; every other byte stays. A new key is added at the end, in
 * the spacing of the one before it.
 */
export function setMember(text: string, key: string, raw: string): string {
  const spans = scan(text);
  const existing = spans.findLast((span) => span.key === key);
  if (existing) return text.slice(0, existing.valueStart) + raw + text.slice(existing.end);
  const last = spans.at(-1);
  if (!last) {
    const open = text.indexOf('{') + 1;
    return `${text.slice(0, open)}${JSON.stringify(key)}:${raw}${text.slice(open)}`;
  }
  const before = spans.at(-2);
  const gap = text.slice(before ? text.indexOf(',', before.end) + 1 : text.indexOf('{') + 1, last.start);
  const colon = text.slice(last.start + JSON.stringify(last.key).length, last.valueStart);
  const spacing = /^\s*:\s*$/.test(colon) ? colon : ':';
  return `${text.slice(0, last.end)},${gap}${JSON.stringify(key)}${spacing}${raw}${text.slice(last.end)}`;
}

/** `text` without `key`, wherever it occurs; every other member keeps its bytes. */
export function removeMember(text: string, key: string): string {
  const spans = scan(text);
  const index = spans.findIndex((span) => span.key === key);
  const span = spans[index];
  if (!span) return text;
  const before = spans[index - 1];
  const after = spans[index + 1];
  const start = before ? before.end : span.start;
  const end = before || !after ? span.end : after.start;
  return removeMember(text.slice(0, start) + text.slice(end), key);
}

function scan(text: string): Span[] {
  requireObject(text);
  const spans: Span[] = [];
  let at = skipSpace(text, skipSpace(text, 0) + 1);
  while (text[at] === '"') {
    const start = at;
    const keyEnd = skipString(text, at);
    const key: unknown = JSON.parse(text.slice(start, keyEnd));
    const valueStart = skipSpace(text, skipSpace(text, keyEnd) + 1);
    const end = skipValue(text, valueStart);
    spans.push({ key: String(key), raw: text.slice(valueStart, end), start, end, valueStart });
    at = skipSpace(text, skipSpace(text, end) + 1);
  }
  return spans;
}

/** Afterwards the scanner may rely on the grammar. */
function requireObject(text: string): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new NotAnObjectError('it is not JSON');
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    throw new NotAnObjectError('it is JSON, but not an object with keys');
  }
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (' \t\r\n'.includes(text[at] ?? 'x')) at += 1;
  return at;
}

function skipString(text: string, from: number): number {
  let at = from + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at + 1;
}

function skipValue(text: string, from: number): number {
  let depth = 0;
  let at = from;
  for (;;) {
    const character = text[at] ?? '}';
    if (character === '"') {
      at = skipString(text, at);
      if (depth === 0) return at;
      continue;
    }
    if (character === '{' || character === '[') depth += 1;
    if (character === '}' || character === ']') {
      if (depth === 0) return at;
      depth -= 1;
      if (depth === 0) return at + 1;
    }
    if (depth === 0 && ', \t\r\n'.includes(character)) return at;
    at += 1;
  }
}
