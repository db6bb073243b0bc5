/** How an activity fails: with a type that the workflow knows, a text for the on-call, and no secret. */
import { Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import type { ActivityExecuteInput, ActivityInboundCallsInterceptor, Next } from '@temporalio/worker';
import { FAILURES } from '../contract/messages.js';
import type { Json } from '../plan/resolved.js';
import type { Redactor } from './redaction.js';

const LARGEST_MESSAGE_BYTES = 2 * 1024;
const LARGEST_DETAILS_BYTES = 10 * 1024;
const MOST_STACK_FRAMES = 10;

/** What somebody else changed meanwhile, and the command that mends it. */
export interface ConflictDetails {
  item: string;
  found: string;
  expected: string;
  command: string;
}

/** Wrong configuration, missing permission, malformed reply: repeating does not help. */
export function invalid(message: string, details?: Json): ApplicationFailure {
  return permanent(FAILURES.invalid, message, details);
}

/** What is there now is not what was looked at or approved. */
export function drift(message: string, details?: Json): ApplicationFailure {
  return permanent(FAILURES.drift, message, details);
}

export function refused(message: string, details?: Json): ApplicationFailure {
  return permanent(FAILURES.refused, message, details);
}

export function notPermitted(message: string, details?: Json): ApplicationFailure {
  return permanent(FAILURES.notPermitted, message, details);
}

/** Whether it was done only a person can tell, who looks. */
export function unknownResult(message: string): ApplicationFailure {
  return permanent(FAILURES.unknownResult, message);
}

/** Carries `[{ item, found, expected, command }]` as details. */
export function conflict(details: ConflictDetails): ApplicationFailure {
  const message = `${details.item}: expected ${details.expected}, found ${details.found}. To mend it: ${details.command}`;
  return permanent(FAILURES.conflict, message, { ...details });
}

/** Somebody else holds it and may let it go, so that it may be repeated. Details as of a conflict. */
export function locked(message: string, details: ConflictDetails): ApplicationFailure {
  return ApplicationFailure.create({ type: FAILURES.locked, message, details: [details] });
}

/** What `locked` was given, or undefined for any other failure. */
export function lockedBy(error: unknown): ConflictDetails | undefined {
  if (!(error instanceof ApplicationFailure) || error.type !== FAILURES.locked) return undefined;
  return error.details?.[0] as ConflictDetails;
}

function permanent(type: string, message: string, details?: Json): ApplicationFailure {
  return ApplicationFailure.create({
    type,
    message,
    nonRetryable: true,
    details: details === undefined ? undefined : [details],
  });
}

/**
 * Every error of an activity passes here before Temporal records it: redacted, at most 2 KB, without causes
 * (they carry command lines and replies). What is not a failure of ours becomes a retryable one.
 * A cancellation passes unchanged.
 */
export class ErrorMappingInterceptor implements ActivityInboundCallsInterceptor {
  readonly #redactor: Redactor;

  constructor(redactor: Redactor) {
    this.#redactor = redactor;
  }

  async execute(
    input: ActivityExecuteInput,
    next: Next<ActivityInboundCallsInterceptor, 'execute'>,
  ): Promise<unknown> {
    try {
      return await next(input);
    } catch (error) {
      const { cancellationSignal } = Context.current();
      if (cancellationSignal.aborted && isCancellation(error, cancellationSignal)) {
        throw cancellationSignal.reason;
      }
      throw mapError(error, this.#redactor);
    }
  }
}

function isCancellation(error: unknown, signal: AbortSignal): boolean {
  if (error === signal.reason || error instanceof CancelledFailure) return true;
  return error instanceof Error && error.name === 'AbortError';
}

/** The failure that may be recorded for `error`. */
export function mapError(error: unknown, redactor: Redactor): ApplicationFailure {
  const message = redactor.redact(error instanceof Error ? error.message : String(error));
  const known = error instanceof ApplicationFailure ? error : undefined;
  const failure = ApplicationFailure.create({
    type: known ? (known.type ?? undefined) : nameOf(error),
    message: shorten(message, LARGEST_MESSAGE_BYTES),
    nonRetryable: known?.nonRetryable ?? false,
    details: known?.details ? redactDetails(known.details, redactor) : undefined,
    nextRetryDelay: known?.nextRetryDelay ?? undefined,
    category: known?.category ?? undefined,
  });
  failure.stack = redactor.redact(stackFrames(error));
  return failure;
}

function nameOf(error: unknown): string {
  return error instanceof Error && /^\w{1,60}$/.test(error.name) ? error.name : 'Error';
}

/** Value by value: in the text of JSON a secret of digits is a number, and what stands for it is none. */
function redactDetails(details: unknown[], redactor: Redactor): unknown[] {
  const json: Json[] = JSON.parse(JSON.stringify(details));
  const redacted = redactor.redactJson(json);
  const text = JSON.stringify(redacted);
  if (Buffer.byteLength(text) <= LARGEST_DETAILS_BYTES) return redacted;
  return [{ truncated: shorten(text, LARGEST_DETAILS_BYTES / 2) }];
}

/** Only the places: the first line of a stack repeats the message, unredacted and at full length. */
function stackFrames(error: unknown): string {
  const lines = error instanceof Error ? (error.stack ?? '').split('\n') : [];
  return lines
    .filter((line) => /^\s+at /.test(line))
    .slice(0, MOST_STACK_FRAMES)
    .join('\n');
}

function shorten(text: string, bytes: number): string {
  const all = Buffer.from(text);
  if (all.length <= bytes) return text;
  // What was cut in its middle is no character.
  return `${all
    .subarray(0, bytes - 3)
    .toString()
    .replace(/\uFFFD$/, '')}…`;
}
