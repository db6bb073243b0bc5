/** Answers that nobody should be able to give: each has to do nothing, whatever the rollout waits for. */
import type { MessageName } from '../src/contract/messages.js';

/** Who has signed those that look almost right. */
export const NOBODY = 'mallory';

const ALMOST = { gate: 'production/approval', digest: '00000000', by: NOBODY };

export const MALFORMED: { name: MessageName | 'nonsense'; input: unknown }[] = [
  { name: 'approve', input: 'yes' },
  { name: 'approve', input: null },
  { name: 'approve', input: [ALMOST] },
  { name: 'approve', input: ALMOST },
  { name: 'approve', input: { ...ALMOST, gate: 'production/another' } },
  { name: 'approve', input: { ...ALMOST, digest: 0 } },
  { name: 'approve', input: { ...ALMOST, reason: 'x'.repeat(200_000) } },
  { name: 'approve', input: { ...ALMOST, __proto__: null, constructor: 1 } },
  { name: 'reject', input: { gate: '', digest: '', by: NOBODY } },
  { name: 'reject', input: 17 },
  { name: 'skip', input: null },
  { name: 'skip', input: { step: 'production/gate', by: NOBODY } },
  { name: 'skip', input: { step: ['production/gate'], reason: { because: 'of it' }, by: NOBODY } },
  { name: 'retry', input: 'production/secret' },
  { name: 'retry', input: { step: 'production/nothing', by: NOBODY } },
  { name: 'accept', input: [] },
  { name: 'accept', input: true },
  { name: 'resume', input: 'please' },
  { name: 'hold', input: ['hold'] },
  { name: 'abort', input: 'now' },
  { name: 'abort', input: [{ by: NOBODY }] },
  { name: 'nonsense', input: {} },
];
