import { MockActivityEnvironment } from '@temporalio/testing';
import { expect, it } from 'vitest';
import { SizeInterceptor } from '../../../src/platform/size-interceptor.js';

const runActivity = (result: unknown) =>
  new MockActivityEnvironment().run(() =>
    new SizeInterceptor().execute({ args: [], headers: {} }, async () => result),
  );

it.each([['x'.repeat(16_382)], ['ü'.repeat(8_191)], [undefined]])(
  'a result of 16 KB passes',
  async (result) => {
    expect(await runActivity(result)).toBe(result);
  },
);

it.each(['x'.repeat(16_383), 'ü'.repeat(8_192)])('a larger one is refused, with its size', async (result) => {
  await expect(runActivity(result)).rejects.toMatchObject({
    type: 'Invalid',
    nonRetryable: true,
    message: expect.stringMatching(/has found 1638[56] bytes, and at most 16384/),
  });
});
