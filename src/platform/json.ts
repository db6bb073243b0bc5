/** JSON that counts as evidence. Pure. */
import type { Json } from '../plan/resolved.js';

/**
 * `undefined` when it is not JSON, or when a key stands twice in one object: each reader would take another of the two.
 * A number above what a double holds is Infinity, as JavaScript has it.
 */
export function parseEvidence(text: string): Json | undefined {
  try {
    const value: Json = JSON.parse(text);
    return hasRepeatedKey(text) ? undefined : value;
  } catch {
    return undefined;
  }
}

/** Of a text that is JSON. */
function hasRepeatedKey(text: string): boolean {
  const open: Set<string>[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '{' || character === '[') open.push(new Set());
    else if (character === '}' || character === ']') open.pop();
    else if (character === '"') {
      const start = at;
      at = endOfString(text, at);
      if (!isFollowedByColon(text, at + 1)) continue;
      const key: string = JSON.parse(text.slice(start, at + 1));
      const keys = open.at(-1);
      if (keys?.has(key)) return true;
      keys?.add(key);
    }
  }
  return false;
}

/** Where its closing quote is. */
function endOfString(text: string, from: number): number {
  let at = from + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

function isFollowedByColon(text: string, from: number): boolean {
  let at = from;
  while (' \t\r\n'.includes(text[at] ?? 'x')) at += 1;
  return text[at] === ':';
}
