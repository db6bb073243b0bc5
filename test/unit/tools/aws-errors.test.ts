import { describe, expect, it } from 'vitest';
import { describeAwsError, requireAws } from '../../../src/tools/aws/errors.js';

const ADVICE = { missing: 'Check its name.', denied: 'Extend its policy.' };

/** As the SDK throws it. */
const awsError = (name: string, more: object = {}) =>
  Object.assign(new Error('canary-of-aws'), { name, $metadata: { httpStatusCode: 400 }, ...more });
const describeError = (error: unknown) => describeAwsError(error, 'RDS instance shop', ADVICE);

describe('not worth repeating, and said without the words of AWS', () => {
  it.each([
    ['DBInstanceNotFoundFault', 'notFound', 'RDS instance shop was not found. Check its name.'],
    ['ResourceNotFoundException', 'notFound', 'RDS instance shop was not found. Check its name.'],
    [
      'AccessDenied',
      'denied',
      "RDS instance shop: the worker's AWS identity may not do this (AccessDenied). Extend its policy.",
    ],
    [
      'InvalidClientTokenId',
      'unconfigured',
      'RDS instance shop: the worker has no valid AWS credentials (InvalidClientTokenId). Set AWS_PROFILE or AWS_ACCESS_KEY_ID.',
    ],
    ['Surprise', 'rejected', 'RDS instance shop: AWS refused the request (Surprise).'],
  ])('%s', (name, reason, message) => {
    expect(describeError(awsError(name))).toMatchObject({
      type: 'Invalid',
      nonRetryable: true,
      details: [{ reason }],
      message,
    });
  });
});

describe('worth repeating', () => {
  it.each([
    [awsError('Throttling'), /throttles the worker/],
    [awsError('InvalidDBInstanceStateFault'), /is in no state for this now/],
    [awsError('ExpiredToken'), /have expired. Renew them/],
    [awsError('Surprise', { $metadata: { httpStatusCode: 503 } }), /failed with 503/],
    [awsError('Error', { code: 'ECONNREFUSED' }), /cannot be reached \(ECONNREFUSED\)/],
    [awsError('SyntaxError', { $response: {}, $metadata: {} }), /what answered is not AWS \(SyntaxError\)/],
    ['a text', /for an unknown reason/],
  ])('%s', (error, message) => {
    const described = describeError(error);
    expect(described.message).toMatch(message);
    expect(described.message).not.toContain('canary');
    expect(described).not.toHaveProperty('nonRetryable');
  });
});

it('an answer without the id of its request is none of AWS, and worth repeating', () => {
  const answer = { $metadata: { requestId: '1' } };
  expect(requireAws(answer)).toBe(answer);
  const ask = () => requireAws({ $metadata: {} });
  expect(ask).toThrow();
  try {
    ask();
  } catch (error) {
    expect(describeError(error)).not.toHaveProperty('nonRetryable');
    expect(describeError(error).message).toMatch(/what answered is not AWS/);
  }
});
