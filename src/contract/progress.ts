/** What a rollout shows of itself: the answer of the `progress` query and the memo that outlives every worker. Types only. */
import type { Json, PinnedSource, StepKind } from '../plan/resolved.js';

export type Outcome = 'promoted' | 'rolledBack' | 'rollbackIncomplete' | 'refused';

export type Phase =
  | 'starting'
  | 'running'
  | 'waiting'
  | 'held'
  | 'settling'
  | 'rollingBack'
  | 'stuck'
  | 'closed';

export type StepStatus =
  | 'pending'
  | 'running'
  | 'waiting'
  | 'succeeded'
  | 'failed'
  | 'undoing'
  | 'undone'
  | 'kept'
  | 'skipped'
  | 'undoFailed';

export type MeasurementOutcome = 'pass' | 'fail' | 'inconclusive' | 'error';

/** One judged sample of one probe. A value, never an exception. */
export interface Measurement {
  probe: string;
  outcome: MeasurementOutcome;
  /** ISO 8601. */
  at: string;
  /** One sentence with the measured figures beside what was expected: `pool.limit = 20, expected 50`. */
  message: string;
  /** The measured value per path that the probe expects something of; scalars, strings truncated to 200 characters. */
  values: Record<string, Json>;
  durationMs: number;
}

/** What somebody else changed while a verdict was measured. */
export interface Taint {
  /** `secret shop/config`, `live release of production/deploy`. */
  what: string;
  expected: string;
  found: string;
  /** ISO, when it was found. */
  at: string;
}

export interface StepProgress {
  stage: string;
  id: string;
  name: string;
  kind: StepKind;
  status: StepStatus;
  attempt: number;
  startedAt?: string;
  endedAt?: string;
  /** One line: what it did, is doing or found. */
  summary?: string;
  /** The last measurement of each probe, at most 20. */
  measurements?: Measurement[];
  /** Of a monitor, oldest first. */
  tainted?: Taint[];
}

/** What a rollout waits for, with everything a person needs to answer. */
export interface Waiting {
  for: 'approval' | 'window' | 'hold' | 'decision' | 'undo';
  /** The step (an approval's is its gate). */
  step: string;
  since: string;
  /** ISO; when the wait ends by itself. */
  until?: string;
  message: string;
  /** Approval: what was found, and the digest that an answer has to name. */
  gate?: string;
  digest?: string;
  evidence?: Evidence;
  /** Only signed answers are taken (`identity: ssh`). */
  signed?: true;
  /** A monitor's `onTainted: hold`: what a `retry` takes as given and a `skip` lets pass. */
  tainted?: Taint[];
  /** Answers that this wait takes. */
  answers: ('approve' | 'reject' | 'retry' | 'skip' | 'accept' | 'resume' | 'abort')[];
}

export interface Evidence {
  gate: string;
  /** First 8 hex digits of the sha256 over the canonical evidence. */
  digest: string;
  /** All of it; what a signed answer is bound to. Absent in evidence of before 0.3. */
  sha256?: string;
  /** Full names of the covered steps. */
  covers: string[];
  /** What would change, a line each. */
  changes: string[];
  warnings: string[];
  /** Results so far, a line each. */
  results: string[];
  /** What the way back would do, in its order, a line each. */
  compensations: string[];
  /** Each covered step's `look` digest. */
  looks: Record<string, string>;
  /** Artifact that holds all of it. */
  artifact?: string;
}

export interface Approval {
  gate: string;
  digest: string;
  answer: 'approved' | 'rejected' | 'voided';
  by: string;
  /** A typed name proves nothing. */
  verified: boolean;
  /** Fingerprint of the key that signed: `SHA256:…`. */
  key?: string;
  at: string;
  reason?: string;
}

export type CompensationStatus = 'recorded' | 'undoing' | 'undone' | 'kept' | 'notNeeded' | 'failed';

/** The undo of one step, recorded before the step acts. */
export interface Compensation {
  step: string;
  kind: StepKind;
  description: string;
  status: CompensationStatus;
  /** When it failed: what is left, and the command that mends it. */
  item?: string;
  found?: string;
  expected?: string;
  command?: string;
  error?: string;
  at?: string;
}

/** Why the rollout turned round. */
export interface StopReason {
  kind: 'abort' | 'cancel' | 'gate' | 'failure' | 'rejected' | 'timeout' | 'deadline' | 'refused' | 'undo';
  message: string;
  /** What the document's troubleshooting says of measurements like these, a line each. */
  advice?: string[];
  step?: string;
  by?: string;
  at: string;
}

export interface Restoration {
  /** What was measured after the way back. */
  checks: { what: string; expected: string; found: string; ok: boolean }[];
}

/** What was secured of a failed release before it was stopped. */
export interface Diagnostics {
  stage: string;
  release: string;
  /** Relative to the rollout's artifacts, or an address (`s3://…`). */
  folder: string;
  /** sha256 of the manifest, which holds those of every file. */
  manifestSha256: string;
  files: string[];
  /** What could not be had, and why. */
  missing: string[];
}

/** One value of what is in force, before the first change and at the end. */
export interface Changed {
  what: string;
  before: string;
  after: string;
}

export interface Progress {
  v: 1;
  application: string;
  version: string;
  runId: string;
  planDigest: string;
  /** Where the files of the plan are from, pinned. */
  source?: PinnedSource;
  startedBy: string;
  startedAt: string;
  deadlineAt: string;
  overrides: Record<string, string>;
  phase: Phase;
  /** Every change of anything below adds one. */
  revision: number;
  stage?: string;
  held?: { by: string; at: string };
  steps: StepProgress[];
  waiting?: Waiting;
  approvals: Approval[];
  compensations: Compensation[];
  stop?: StopReason;
  restoration?: Restoration;
  diagnostics?: Diagnostics[];
  /** What is in force in each stage's release, before the first change and after the last gate. */
  changed?: Changed[];
  /** The run that this one takes back. */
  undoes?: string;
  /** The last answer that did nothing, and why. */
  ignored?: { signal: string; at: string; why: string };
  outcome?: Outcome;
  closedAt?: string;
  /** Closed by `accept` with things left undone. */
  acceptedBy?: string;
  /** Marked `keep`, or left after `accept`. */
  left: string[];
  warnings: string[];
}
