/**
 * What the workflow asks of the world. Nothing above 16 KB crosses this boundary in either direction, and no
 * resolved secret: the worker puts references in, and keeps the rest in artifacts. Types only.
 */
import type {
  ApprovalStepConfig,
  ChangeWindow,
  ConnectionBudget,
  DeployStep,
  Json,
  LoadTestStep,
  MonitoredProbe,
  NotifierSpec,
  NotifyMoment,
  PlanFile,
  ProbeSpec,
  SecretStep,
} from '../plan/resolved.js';
import type { Evidence, Measurement, MeasurementOutcome, Progress } from './progress.js';

/** Which rollout an activity works for. */
export interface RolloutContext {
  application: string;
  version: string;
  runId: string;
  /** The plan's folder on the worker. */
  directory: string;
  startedBy: string;
  /** ISO; lines of a log count from here on. Without it all of them do. */
  startedAt?: string;
}

/** One release of an application at a target. */
export interface Release {
  id: string;
  version: string;
  url: string;
}

/** What a measurement is taken of. */
export interface Subject {
  context: RolloutContext;
  stage: string;
  /** The step that measures, in full. */
  step: string;
  /** Answers `${release:…}`; absent before the first deploy of a stage has been looked at. */
  release?: Release;
}

/** What `look` found. `found` is the snapshot that restoring is measured against; it holds no secret value. */
export interface Look<Found = unknown> {
  found: Found;
  /** What `act` would change, a line each; empty when there is nothing to do. */
  changes: string[];
  warnings: string[];
  effect: 'idempotent' | 'detectable' | 'neither' | 'none';
  /** How it can be taken back, one line; absent when it cannot. */
  undo?: string;
  estimateMs?: number;
  /** sha256 (hex) over what an approval of this step is bound to. */
  digest: string;
}

export interface SecretFound {
  arn: string;
  versionId: string;
}

export interface SecretInput {
  context: RolloutContext;
  step: SecretStep;
}

/** `act` of a secret: the version that AWSCURRENT points at now. */
export interface SecretEffect {
  versionId: string;
  /** Keys that differ from before. */
  changedKeys: string[];
}

export interface DeployFound {
  live: Release;
  candidate: Release | null;
  /** Has prepare and restore: a release can be judged beside the live one. */
  staged: boolean;
}

export interface DeployInput {
  context: RolloutContext;
  step: DeployStep;
}

/** A set of probes that have to pass together, within a time. */
export interface GateInput {
  subject: Subject;
  probes: ProbeSpec[];
  timeoutMs: number;
  intervalMs: number;
}

export interface GateResult {
  /** `pass` when every probe passed in one and the same round. */
  outcome: MeasurementOutcome;
  /** The last one of each probe. */
  measurements: Measurement[];
  rounds: number;
}

export interface ProbeTally {
  taken: number;
  pass: number;
  fail: number;
  inconclusive: number;
  error: number;
  consecutiveFailures: number;
  consecutiveErrors: number;
  /** The sliding window per aggregated path, newest last, at most 60. */
  windows: Record<string, number[]>;
  last?: Measurement;
  /** Wall-clock of the next sample that is due, epoch ms. */
  nextDueMs: number;
}

export interface SamplerState {
  tallies: Record<string, ProbeTally>;
  breach?: { probe: string; limit: string; measurement: Measurement };
}

/** One window of a monitor. Ends early on a breach. */
export interface SampleInput {
  subject: Subject;
  probes: MonitoredProbe[];
  startedAtMs: number;
  untilMs: number;
  /** State at the end of the window before. */
  state?: SamplerState;
}

export interface LoadTestInput {
  context: RolloutContext;
  step: LoadTestStep;
  release?: Release;
}

export interface LoadTestFound {
  scriptSha256: string;
  /** Metrics that the script gives a threshold (`k6 inspect`). */
  thresholds: string[];
}

/** Every figure that was measured, so that the report can show it long after. */
export interface LoadTestResult {
  outcome: MeasurementOutcome;
  measurements: Measurement[];
  /** k6's exit code. */
  exitCode: number;
  iterations: number;
  requests: number;
  durationMs: number;
  /** Relative to the rollout's artifact folder. */
  artifacts: string[];
}

/** What a load test says of itself in its heartbeats; `watch` shows it. */
export interface LoadTestHeartbeat {
  elapsedMs: number;
  virtualUsers: number;
  iterations: number;
  requests: number;
  failedRate?: number;
  p95Ms?: number;
}

export interface EvidenceInput {
  context: RolloutContext;
  gate: string;
  approval: ApprovalStepConfig;
  planDigest: string;
  overrides: Record<string, string>;
  looks: { step: string; look: Look }[];
  results: string[];
  compensations: string[];
}

export interface BudgetInput {
  context: RolloutContext;
  stage: string;
  budget: ConnectionBudget;
  deploy: DeployStep;
  /** The pool limit that the plan sets for the new release, if it does. */
  newLimit?: number;
  release?: Release;
  /** A reference, not a value. Without it nothing can be measured. */
  databaseUrl?: string;
}

export interface BudgetResult {
  /** Absent when it could not be measured; `lines` says why. */
  used?: number;
  effectiveMaximum?: number;
  fault?: string;
  warnings: string[];
  lines: string[];
}

export interface NotifyInput {
  context: RolloutContext;
  moment: NotifyMoment;
  notifiers: NotifierSpec[];
  title: string;
  lines: string[];
}

export interface LockHolder {
  application: string;
  runId: string;
  startedBy: string;
  since: string;
}

export interface UndoResult {
  /** One line: what was done, or why nothing had to be. */
  summary: string;
  changed: boolean;
}

/** One line of `doctor`. */
export interface Finding {
  what: string;
  status: 'ok' | 'missing' | 'notPermitted' | 'unreachable' | 'warning';
  detail: string;
  /** What mends it; absent when there is nothing to mend. */
  fix?: string;
}

export interface HeadgateActivities {
  /** Refuses (`Refused`) when a file of the plan is missing or differs on this worker. */
  verifyPlanFiles(input: { context: RolloutContext; files: PlanFile[] }): Promise<void>;
  /** Milliseconds until the window opens; 0 when it is open. */
  measureWindow(input: { window: ChangeWindow }): Promise<number>;
  describeLockHolder(input: { resource: string }): Promise<LockHolder | null>;

  lookSecret(input: SecretInput): Promise<Look<SecretFound>>;
  /** Compare-and-set from `base`; `Drift` when AWSCURRENT is neither `base` nor ours. */
  putSecret(input: SecretInput & { base: SecretFound }): Promise<SecretEffect>;
  /** Reads back every key that the step sets, and that no other key changed. */
  verifySecret(input: SecretInput & { base: SecretFound }): Promise<Measurement>;
  /** `Conflict` when somebody else changed it since and our keys could not all be put back. */
  undoSecret(input: SecretInput & { base: SecretFound }): Promise<UndoResult>;
  /** Drops the private labels. */
  settleSecret(input: SecretInput & { base: SecretFound }): Promise<UndoResult>;

  lookRelease(input: DeployInput): Promise<Look<DeployFound>>;
  /** Starts the new release beside the live one and waits until the target says that it is there. */
  prepareRelease(input: DeployInput & { base: DeployFound }): Promise<Release>;
  /** `Drift` when the live release is neither the one looked at nor the candidate. */
  promoteRelease(input: DeployInput & { base: DeployFound; candidate: Release }): Promise<Release>;
  /** Live traffic back on `base.live`. */
  restoreTraffic(input: DeployInput & { base: DeployFound }): Promise<UndoResult>;
  /**
   * Stops `release`; without one, the candidate that stands there now and did not before (`base.candidate`): a
   * prepare that died half way leaves nobody who knows its id. Never stops what is live.
   */
  retireRelease(input: DeployInput & { base: DeployFound; release?: Release }): Promise<UndoResult>;
  /** Starts `release` again, so that it reads its configuration anew, without a gap in service. */
  restartRelease(input: DeployInput & { release: Release }): Promise<UndoResult>;
  measureBudget(input: BudgetInput): Promise<BudgetResult>;

  /** Each probe once; long queue. */
  measureProbes(input: { subject: Subject; probes: ProbeSpec[] }): Promise<Measurement[]>;
  /** The configuration in force in a running release, as far as the probes tell: values by `probe.path`; long queue. */
  measureInForce(input: { subject: Subject; probes: ProbeSpec[] }): Promise<Record<string, Json>>;
  /** Rounds until all pass, or the time is over; long queue. */
  awaitProbes(input: GateInput): Promise<GateResult>;
  /** Long queue. */
  sampleProbes(input: SampleInput): Promise<SamplerState>;

  lookLoadTest(input: LoadTestInput): Promise<Look<LoadTestFound>>;
  /** Long queue. */
  runLoadTest(input: LoadTestInput): Promise<LoadTestResult>;

  composeEvidence(input: EvidenceInput): Promise<Evidence>;
  notify(input: NotifyInput): Promise<void>;
  /** `report.json` and `report.md` beside the other artifacts. */
  writeReport(input: { context: RolloutContext; progress: Progress }): Promise<void>;
  /** What the worker can reach, lacks and may not do. */
  examineWorker(): Promise<Finding[]>;
}

export type ActivityName = keyof HeadgateActivities;
