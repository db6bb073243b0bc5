import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it } from 'vitest';
import { conflict, ErrorMappingInterceptor, invalid, mapError } from '../../../src/platform/failures.js';
import { Redactor } from '../../../src/platform/redaction.js';

const redactor = new Redactor();
redactor.add('canary-secret');

describe('mapError', () => {
  it('makes an unknown error retryable, redacted, without its cause', () => {
    const error = Object.assign(new Error('bad token canary-secret'), { cause: new Error('canary-secret') });
    const failure = mapError(error, redactor);
    expect(failure).toMatchObject({ message: 'bad token [redacted]', nonRetryable: false, type: 'Error' });
    expect(failure.cause).toBeUndefined();
    expect(failure.stack).toMatch(/^\s+at /);
    expect(error.stack).toContain('canary-secret');
    expect(failure.stack).not.toContain('canary-secret');
  });

  it('keeps type, details and finality of our own failures, redacted', () => {
    const failure = mapError(invalid('x canary-secret', { where: 'canary-secret' }), redactor);
    expect(failure).toMatchObject({
      message: 'x [redacted]',
      type: 'Invalid',
      nonRetryable: true,
      details: [{ where: '[redacted]' }],
    });
  });

  it('keeps details that hold a number with the digits of a secret', () => {
    const digits = new Redactor();
    digits.add('1234567');
    const failure = mapError(invalid('x', { bytes: 1_234_567, token: '1234567' }), digits);
    expect(failure).toMatchObject({ type: 'Invalid', details: [{ bytes: 1_234_567, token: '[redacted]' }] });
  });

  it.each(['m', 'ü', '€', '😀'])('bounds message and details, in bytes: %s', (letter) => {
    const failure = mapError(
      ApplicationFailure.nonRetryable(letter.repeat(9000), 'T', letter.repeat(90_000)),
      redactor,
    );
    expect(Buffer.byteLength(failure.message)).toBeGreaterThan(2040);
    expect(Buffer.byteLength(failure.message)).toBeLessThanOrEqual(2048);
    expect(failure.message).toMatch(new RegExp(`^(${letter})+…$`));
    expect(Buffer.byteLength(JSON.stringify(failure.details))).toBeLessThan(10 * 1024);
  });

  it('a conflict says what to do, and carries it', () => {
    const details = { item: 'secret app', found: 'v3', expected: 'v1', command: 'aws …' };
    expect(conflict(details)).toMatchObject({
      type: 'Conflict',
      message: 'secret app: expected v1, found v3. To mend it: aws …',
      details: [details],
    });
  });
});

describe('ErrorMappingInterceptor', () => {
  const interceptor = new ErrorMappingInterceptor(redactor);
  const runActivity = (environment: MockActivityEnvironment, work: () => Promise<unknown>) =>
    environment.run(() => interceptor.execute({ args: [], headers: {} }, work));

  it('maps what an activity throws', async () => {
    const run = runActivity(new MockActivityEnvironment(), async () => {
      throw new Error('canary-secret');
    });
    await expect(run).rejects.toThrow(ApplicationFailure);
    await expect(run).rejects.toThrow('[redacted]');
  });

  it('lets a cancellation through, also one that a library wrapped into an AbortError', async () => {
    const environment = new MockActivityEnvironment();
    environment.cancel();
    const run = runActivity(environment, async () => {
      throw new DOMException('The operation was aborted', 'AbortError');
    });
    await expect(run).rejects.toThrow(CancelledFailure);
  });

  it('does not take a failure after a cancel for the cancellation', async () => {
    const environment = new MockActivityEnvironment();
    environment.cancel();
    const run = runActivity(environment, async () => {
      throw invalid('the step went wrong while it was stopping');
    });
    await expect(run).rejects.toMatchObject({ type: 'Invalid' });
  });
});
