/** Why a rollout turns round, read from what was thrown. */
import {
  ActivityFailure,
  ApplicationFailure,
  ChildWorkflowFailure,
  isCancellation,
} from '@temporalio/workflow';
import { FAILURES } from '../contract/messages.js';
import type { StopReason } from '../contract/progress.js';

export function now(): string {
  return new Date().toISOString();
}

/** The failure that an activity or child ended with, below Temporal's own wrappers. */
export function rootCause(error: unknown): unknown {
  let cause = error;
  while ((cause instanceof ActivityFailure || cause instanceof ChildWorkflowFailure) && cause.cause) {
    cause = cause.cause;
  }
  return cause;
}

export function describeError(error: unknown): string {
  const cause = rootCause(error);
  return cause instanceof Error ? cause.message : String(cause);
}

export function isFailure(error: unknown, type: string): boolean {
  const cause = rootCause(error);
  return cause instanceof ApplicationFailure && cause.type === type;
}

export function gateFailed(step: string, message: string): ApplicationFailure {
  return ApplicationFailure.create({ type: FAILURES.gate, message, nonRetryable: true, details: [{ step }] });
}

export function refused(message: string): ApplicationFailure {
  return ApplicationFailure.create({ type: FAILURES.refused, message, nonRetryable: true });
}

export function drifted(message: string): ApplicationFailure {
  return ApplicationFailure.create({ type: FAILURES.drift, message, nonRetryable: true });
}

/** What ended the forward flow, when nobody had asked for it. */
export function stopOf(error: unknown, step: string | undefined): StopReason {
  const base = { step, at: now() };
  if (isCancellation(error)) {
    return { kind: 'cancel', message: 'cancelled from the Temporal UI or API', ...base };
  }
  if (isFailure(error, FAILURES.refused)) {
    return { kind: 'refused', message: describeError(error), ...base };
  }
  if (isFailure(error, FAILURES.gate)) {
    return { kind: 'gate', message: describeError(error), ...base };
  }
  return { kind: 'failure', message: describeError(error), ...base };
}
