/** What the text of an RDS parameter means. Pure. */
import type { Json } from '../../../plan/resolved.js';

/** No more digits than a number keeps, and no leading zeros: those are texts that only look like numbers. */
const PLAIN_NUMBER = /^-?(0|[1-9]\d{0,14})(\.\d{1,10})?$/;

export type ParameterValue = { kind: 'plain'; value: Json } | { kind: 'unknown'; why: string };

/**
 * A number, `true` and `false` as such, other text as it is. What only RDS can evaluate, and what the engine decides,
 * is unknown.
 */
export function readValue(text: string | undefined): ParameterValue {
  if (text === undefined || text === '') {
    return { kind: 'unknown', why: 'RDS gives no value: the engine decides it' };
  }
  if (/[{}]/.test(text)) return { kind: 'unknown', why: `RDS works it out from a formula: ${text}` };
  if (PLAIN_NUMBER.test(text)) return { kind: 'plain', value: Number(text) };
  if (text === 'true' || text === 'false') return { kind: 'plain', value: text === 'true' };
  return { kind: 'plain', value: text };
}
