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

/** For people. */
export function describeSpan(ms: number): string {
  return ms >= 60_000 ? `${Math.round(ms / 6_000) / 10} min` : `${ms / 1000} s`;
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

/** The step whose gate it is: a monitor may fail while a later step waits. */
function gateOf(error: unknown): string | undefined {
  const cause = rootCause(error);
  const detail: unknown = cause instanceof ApplicationFailure ? cause.details?.[0] : undefined;
  if (typeof detail !== 'object' || detail === null || !('step' in detail)) return undefined;
  return typeof detail.step === 'string' ? detail.step : undefined;
}

export function stopOfCancel(step: string | undefined): StopReason {
  return { kind: 'cancel', message: 'cancelled from the Temporal UI or API', step, at: now() };
}

/** What ended the forward flow, when nobody had asked for it. */
export function stopOf(error: unknown, step: string | undefined): StopReason {
  const base = { step, at: now() };
  if (isCancellation(error)) return stopOfCancel(step);
  if (isFailure(error, FAILURES.refused)) {
    return { kind: 'refused', message: describeError(error), ...base };
  }
  if (isFailure(error, FAILURES.gate)) {
    return { kind: 'gate', message: describeError(error), ...base, step: gateOf(error) ?? step };
  }
  return { kind: 'failure', message: describeError(error), ...base };
}
