/** Names and shapes that clients, workers and people at the signal form agree on. Fixed by the interface. */

export const ROLLOUT_WORKFLOW = 'rollout';
export const PREVIEW_WORKFLOW = 'preview';
export const LOCK_WORKFLOW = 'lock';
/** The worker's part of `doctor`. */
export const EXAMINE_WORKFLOW = 'examine';

export const TASK_QUEUE = 'headgate';
/** Load tests, gates and monitor samplers: they hold a slot for minutes, and an undo must never queue behind them. */
export const LONG_TASK_QUEUE = 'headgate-long';

export const PROGRESS_QUERY = 'progress';

/** Signals and updates bear the same names and take the same input. */
export const MESSAGE_NAMES = [
  'approve',
  'reject',
  'abort',
  'hold',
  'resume',
  'retry',
  'skip',
  'accept',
] as const;
export type MessageName = (typeof MESSAGE_NAMES)[number];

/** `approve` and `reject`: gate and digest are required. */
export interface ApprovalAnswer {
  gate: string;
  digest: string;
  by?: string;
  reason?: string;
  /** Of the text of signed-text.ts; needed where the gate says `identity: ssh`. */
  signature?: string;
}

/** `abort`, `hold`, `resume`, `retry`, `accept` (all optional; `retry` may name a step) and `skip` (step and reason required). */
export interface OperatorAnswer {
  step?: string;
  by?: string;
  reason?: string;
}

export const SEARCH_ATTRIBUTES = {
  application: 'HeadgateApplication',
  version: 'HeadgateVersion',
  stage: 'HeadgateStage',
  phase: 'HeadgatePhase',
  outcome: 'HeadgateOutcome',
} as const;

/** `ApplicationFailure.type`s. */
export const FAILURES = {
  /** What was found differs from what was approved or looked at. */
  drift: 'Drift',
  /** A gate did not hold. */
  gate: 'GateFailed',
  /** Nothing was touched. */
  refused: 'Refused',
  /** Someone else changed the thing meanwhile; details: [{ item, found, expected, command }]. */
  conflict: 'Conflict',
  /** Somebody else holds it, and may let it go: repeated; details as of a conflict. */
  locked: 'Locked',
  /** Wrong configuration, missing permission, malformed reply: repeating does not help. */
  invalid: 'Invalid',
  /** Nobody can tell whether it was done, so that it may not be repeated by itself. */
  unknownResult: 'UnknownResult',
  /** The worker's settings do not allow it. */
  notPermitted: 'NotPermitted',
  /** The end state of `rollbackIncomplete`. */
  incomplete: 'RollbackIncomplete',
} as const;

export function rolloutWorkflowId(application: string): string {
  return `rollout/${application}`;
}

export function lockWorkflowId(resource: string): string {
  return `headgate/lock/${resource}`;
}
