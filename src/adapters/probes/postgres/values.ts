/** PostgreSQL's text output as JSON. Pure. */
import type { Json } from '../../../plan/resolved.js';
import { parseJson } from '../endpoint.js';

const BOOLEAN = 16;
const NUMBERS = [20, 21, 23, 26, 700, 701, 1700];
const BIGINT = 20;
const JSON_TYPES = [114, 3802];
const LONGEST_TEXT = 4096;

/** What a number cannot hold exactly, and `NaN` and `Infinity`, stay text; so does everything without a JSON type. */
export function parseText(oid: number, text: string): Json {
  if (oid === BOOLEAN) return text === 't';
  if (JSON_TYPES.includes(oid)) return parseJson(text) ?? text;
  if (!NUMBERS.includes(oid)) return text.slice(0, LONGEST_TEXT);
  const number = Number(text);
  const holds = oid === BIGINT ? Number.isSafeInteger(number) : Number.isFinite(number);
  return holds ? number : text;
}
