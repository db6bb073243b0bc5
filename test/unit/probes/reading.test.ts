import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { readInTime } from '../../../src/adapters/probes/reading.js';

setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

/** Nothing holds a signal of `AbortSignal.timeout` that only `AbortSignal.any` has seen. */
it('ends in time, also when garbage is collected meanwhile', async () => {
  const limits = { timeoutMs: 200, signal: new AbortController().signal };
  const reading = readInTime(limits, () => new Promise(() => {}));
  await sleep(20);
  collectGarbage();
  const found = await Promise.race([reading, sleep(2_000, 'never')]);
  expect(found).toEqual({ kind: 'error', message: 'no answer within 200 ms' });
});
