/** What an error of the AWS SDK means for a rollout: is it worth repeating, and what would mend it. */
import { ApplicationFailure } from '@temporalio/common';
import { invalid } from '../../platform/failures.js';

const DENIED = new Set([
  'AccessDeniedException',
  'AccessDenied',
  'NotAuthorized',
  'UnauthorizedOperation',
  'DecryptionFailure',
  'EncryptionFailure',
]);
const CREDENTIALS = new Set([
  'CredentialsProviderError',
  'UnrecognizedClientException',
  'InvalidClientTokenId',
  'InvalidAccessKeyId',
  'InvalidSignatureException',
  'SignatureDoesNotMatch',
  'IncompleteSignature',
]);
const THROTTLED = new Set([
  'ThrottlingException',
  'Throttling',
  'TooManyRequestsException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'RequestThrottledException',
]);
const MISSING = new Set([
  'ResourceNotFoundException',
  'ResourceNotFound',
  'NoSuchBucket',
  'DBInstanceNotFoundFault',
  'DBInstanceNotFound',
  'DBParameterGroupNotFoundFault',
  'DBParameterGroupNotFound',
]);
/** Another time it may work. */
const BUSY = new Set(['InvalidDBInstanceStateFault', 'InvalidDBInstanceState']);
const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'EPIPE',
  'TimeoutError',
  'NetworkingError',
]);

export function isAwsError(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}

/** Something between us and AWS has answered in its place. */
class NotAwsError extends Error {
  override readonly name = 'NotAwsError';
}

export interface AwsAnswer {
  $metadata: { requestId?: string };
}

/**
 * Every answer of AWS bears the id of its request. One without is a page of some proxy, which the SDK reads as an
 * answer that holds nothing: an effect that was never carried out, a list without entries.
 * @throws NotAwsError
 */
export function requireAws<Answer extends AwsAnswer>(answer: Answer): Answer {
  if (answer.$metadata.requestId === undefined)
    throw new NotAwsError('an answer without the id of its request');
  return answer;
}

/** What the SDK could not read bears the raw reply, and is no fault that AWS has told. */
function isForeign(error: Error): boolean {
  return error instanceof NotAwsError || ('$response' in error && !('$fault' in error));
}

/** Sentences that say what would mend it. */
export interface AwsAdvice {
  missing: string;
  denied: string;
}

/**
 * The failure to throw for `error`. AWS repeats no secret in its messages, but it may repeat parameters, so only
 * what is known to be harmless is passed on.
 * @param what what was asked for: `Secret app/config`
 */
export function describeAwsError(error: unknown, what: string, advice: AwsAdvice): Error {
  if (error instanceof ApplicationFailure) return error;
  if (!(error instanceof Error)) return new Error(`${what}: AWS failed for an unknown reason.`);
  const { name } = error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const status = statusOf(error);
  if (UNREACHABLE.has(code) || UNREACHABLE.has(name)) {
    return new Error(
      `${what}: AWS cannot be reached (${code || name}). Check the network and AWS_ENDPOINT_URL of the worker.`,
    );
  }
  if (isForeign(error)) {
    return new Error(
      `${what}: what answered is not AWS (${name}). Check the proxies of the worker's network, and its AWS_ENDPOINT_URL.`,
    );
  }
  if (THROTTLED.has(name)) return new Error(`${what}: AWS throttles the worker (${name}).`);
  if (BUSY.has(name)) {
    return new Error(`${what} is in no state for this now (${name}): it may be rebooting, or being changed.`);
  }
  if (name === 'ExpiredTokenException' || name === 'ExpiredToken') {
    return new Error(`${what}: the worker's AWS credentials have expired. Renew them.`);
  }
  if (status !== undefined && status >= 500)
    return new Error(`${what}: AWS failed with ${status} (${name}).`);
  return describePermanent(error, what, advice);
}

function describePermanent(error: Error, what: string, advice: AwsAdvice): Error {
  const { name } = error;
  if (MISSING.has(name)) return invalid(`${what} was not found. ${advice.missing}`, { reason: 'notFound' });
  if (name === 'InvalidRequestException' && /delet/i.test(error.message)) {
    return invalid(`${what} is marked for deletion. To bring it back: aws secretsmanager restore-secret.`, {
      reason: 'deleted',
    });
  }
  if (DENIED.has(name)) {
    return invalid(`${what}: the worker's AWS identity may not do this (${name}). ${advice.denied}`, {
      reason: 'denied',
    });
  }
  if (CREDENTIALS.has(name)) {
    return invalid(
      `${what}: the worker has no valid AWS credentials (${name}). Set AWS_PROFILE or AWS_ACCESS_KEY_ID.`,
      {
        reason: 'unconfigured',
      },
    );
  }
  if (/region is missing/i.test(error.message)) {
    return invalid(`${what}: no AWS region. Name one in the plan or set AWS_REGION for the worker.`, {
      reason: 'unconfigured',
    });
  }
  return invalid(`${what}: AWS refused the request (${name}).`, { reason: 'rejected' });
}

function statusOf(error: Error): number | undefined {
  if (!('$metadata' in error) || !(error.$metadata instanceof Object)) return undefined;
  const metadata = error.$metadata;
  return 'httpStatusCode' in metadata && typeof metadata.httpStatusCode === 'number'
    ? metadata.httpStatusCode
    : undefined;
}
