/**
 * What the workflow asks of the world. Nothing above 16 KB crosses this boundary in either direction, and no
 * resolved secret: the worker puts references in, and keeps the rest in artifacts. Types only.
 */
import type {
  ApprovalStepConfig,
  ChangeWindow,
  ConfigStep,
  ConnectionBudget,
  DeployStep,
  GitStep,
  InfraStep,
  Json,
  LoadTestStep,
  MonitoredProbe,
  NotifierSpec,
  NotifyMoment,
  PinnedSource,
  PlanFile,
  ProbeSpec,
  RebootStep,
  RunStep,
  SecretStep,
} from '../plan/resolved.js';
import type {
  Diagnostics,
  Evidence,
  Measurement,
  MeasurementOutcome,
  Outcome,
  Progress,
  Taint,
} from './progress.js';
import type { SignedAnswer, SignedStart } from './signed-text.js';

/** Which rollout an activity works for. */
export interface RolloutContext {
  application: string;
  version: string;
  runId: string;
  /** The plan's folder on the worker; with a source the worker puts in its own checkout. */
  directory: string;
  source?: PinnedSource;
  startedBy: string;
  /** ISO; lines of a log count from here on. Without it all of them do. */
  startedAt?: string;
}

/** One release of an application at a target. */
export interface Release {
  id: string;
  version: string;
  url: string;
  /** The same as `id` for one that runs in more or fewer copies; absent where `id` does not tell how many. */
  unscaled?: string;
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
  /** The same as it was while nobody knew yet what the version stands for: an earlier step makes it after the approval. */
  unpinnedDigest?: string;
}

/** A file as it was. Its content never leaves the worker. */
export interface ConfigFound {
  /** As a person would name it: `host:/app/.env`. */
  file: string;
  /** Of its bytes, hex. */
  sha256: string;
  /** Permission bits, octal: `0600`. */
  mode: string;
}

export interface ConfigInput {
  context: RolloutContext;
  step: ConfigStep;
}

/** `act` of a config: the file as it is now. */
export interface ConfigEffect {
  sha256: string;
  /** Keys that differ from before. */
  changedKeys: string[];
}

export interface InfraFound {
  /** sha256 over addresses, actions and masked values of the planned changes. */
  planDigest: string;
  /** Planned changes; 0 when there is nothing to do. */
  changes: number;
  /** Resources of the state by address, sha256 over them; sensitive values masked. */
  stateDigest: string;
  /**
   * The changes by address: what a killed attempt has left of them is still what was approved. Absent when they
   * would take more than 8 KB; then anything but the whole plan is drift.
   */
  planned?: Record<string, InfraPlanned>;
  /** sha256 over the configuration and its variable files, what terraform writes beside them left out. */
  filesSha256?: string;
}

/** One change of a plan. */
export interface InfraPlanned {
  action: string;
  /** Start of the sha256 over the values before and after, sensitive ones masked. */
  before: string;
  after: string;
  /** Paths into `after` that are known only when it has been applied: `input/size`. */
  unknown?: string[];
  /** Start of the sha256 over what the state held of it, as `stateDigest` does; absent where there was nothing. */
  was?: string;
  /** As the approval shows it; left out where there is no room. */
  line?: string;
}

export interface InfraInput {
  context: RolloutContext;
  step: InfraStep;
}

/** What terraform says while it works; `watch` shows it. */
export interface InfraHeartbeat {
  /** `applying`, `waiting for the state lock`, … */
  doing: string;
  /** Addresses under way, at most 5. */
  resources: string[];
  done: number;
  total: number;
  elapsedMs: number;
}

export interface InfraEffect {
  added: number;
  changed: number;
  destroyed: number;
  /** Relative to the rollout's artifact folder, or addresses (`s3://…`). */
  artifacts: string[];
}

export interface RebootFound {
  /** `available`, `rebooting`, … */
  status: string;
  parameterGroup: string;
  /** Something waits for a reboot. */
  pending: boolean;
  multiAz: boolean;
  /** `pg_postmaster_start_time()`, ISO; absent without a database to ask. */
  startedAt?: string;
  /** `max_connections` in force; absent without a database to ask. */
  maxConnections?: number;
  /** Static parameters that nobody has announced, by name: they come into force as well. */
  unannounced?: Record<string, string | null>;
}

export interface RebootInput {
  context: RolloutContext;
  step: RebootStep;
  /** A reference, not a value. */
  databaseUrl?: string;
}

export interface RebootEffect {
  /** False when nothing waited for a reboot. */
  rebooted: boolean;
  /** From the last answer before to the first answer after; absent without a database to ask. */
  outageMs?: number;
  startedAt?: string;
  /** What its parameter group says afterwards. */
  parameters?: ParametersMade;
}

export interface GitFound {
  branch: string;
  /** Commit that the working tree stands on, hex. */
  head: string;
  /** Commit of the branch at the remote; null when it is not there. */
  remoteHead: string | null;
  /** What the tag points at, at the remote; null when it is not there. */
  tagged: string | null;
  /** Object id of the tree that a commit of the paths would have. */
  tree: string;
  /** sha256 of the message's template. */
  templateSha256?: string;
}

export interface GitInput {
  context: RolloutContext;
  step: GitStep;
}

/** What has been measured so far, for the message. */
export interface StepResult {
  step: string;
  summary: string;
  measurements: string[];
}

export interface GitEffect {
  /** Absent when nothing had to be committed. */
  commit?: string;
  tag?: string;
  /** What the tag points at, or the branch's commit. */
  head: string;
}

export interface RunFound {
  /** What the step's `verify` said before anything was done; null without one. */
  held: boolean | null;
  /** sha256 of each program or script of the plan's folder, by its path. */
  files?: Record<string, string>;
}

export interface RunInput {
  context: RolloutContext;
  step: RunStep;
}

export interface RunEffect {
  /** The last line that it printed. */
  said: string;
  /** Relative to the rollout's artifact folder, or addresses (`s3://…`). */
  artifacts: string[];
}

export interface DiagnosticsInput {
  context: RolloutContext;
  step: DeployStep;
  /** The release that failed. */
  release: Release;
  /** A reference, not a value. */
  databaseUrl?: string;
  /** Probes of the stage, for the pool's metrics. */
  probes: ProbeSpec[];
  measurements: Measurement[];
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

/** How many copies of a release run, and how many more of them for a moment while they are replaced. */
export interface Scale {
  replicas: number;
  surge: number;
}

export interface DeployFound {
  live: Release;
  candidate: Release | null;
  /** Has prepare and restore: a release can be judged beside the live one. */
  staged: boolean;
  /** The image that is deployed, by its digest: the tag may move, this does not. */
  image?: string;
  /** What the version stood for, where the target can tell: a commit. */
  pinned?: string;
  /** sha256 of each file of the plan's folder that the target reads, by its path. */
  files?: Record<string, string>;
  /** The last change to `live` has not come to a good end: what it waits for. */
  unsettled?: string;
  scale?: Scale;
}

export interface DeployInput {
  context: RolloutContext;
  step: DeployStep;
}

/** What a deploy says of itself in its heartbeats; `watch` shows it. */
export interface DeployHeartbeat {
  /** `job deploy (3 of 5 steps): https://…` */
  doing: string;
  /** What the target needs to go on after a crash. */
  kept?: Json;
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
  /** Of a probe that is followed: from where it goes on; null when that could not be kept. */
  cursor?: Json;
  /** Failures of a followed probe that were counted beside the samples due. */
  early?: number;
}

export interface SamplerState {
  tallies: Record<string, ProbeTally>;
  breach?: { probe: string; limit: string; measurement: Measurement };
  /** By the step that has made what is fenced; absent where nobody has read a fence. */
  fences?: Record<string, FenceReadings>;
  /** Somebody else has changed what the verdict is about. */
  tainted?: FoundTaint[];
}

/** What a reboot has left in the parameter group of its instance. */
export interface ParametersMade {
  kind: 'parameters';
  group: string;
  /** Over all that somebody has set, hex. */
  sha256: string;
  /** By name, as far as they fit into 1.5 KB. */
  values: Record<string, string>;
}

/** What a step has made, as far as somebody else could change it while it is watched. No value of a secret or a file. */
export type Made =
  | { kind: 'release'; release: Release }
  | { kind: 'secret'; versionId: string }
  | { kind: 'file'; sha256: string }
  | ParametersMade;

/** What must be as this rollout has made it for as long as a verdict is measured. */
export interface Fence {
  step: DeployStep | SecretStep | ConfigStep | RebootStep;
  expected: Made;
}

export interface FenceReadings {
  /** Epoch ms, of the last reading that told something; absent while none has. */
  readAtMs?: number;
  /** Why the last reading told nothing. */
  error?: string;
}

export interface FoundTaint extends Taint {
  /** The step that had made it. */
  step: string;
  /** What is there now; null when it is gone. */
  now: Made | null;
}

/** One window of a monitor. Ends early on a breach, and when it is tainted. */
export interface SampleInput {
  subject: Subject;
  probes: MonitoredProbe[];
  startedAtMs: number;
  untilMs: number;
  /** State at the end of the window before. */
  state?: SamplerState;
  fences?: Fence[];
  /** The verdict is due at `untilMs`: the fences are read once more then. */
  isLast?: boolean;
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
  /** Relative to the rollout's artifact folder, or addresses (`s3://…`). */
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
  /** Of each covered step what an approver is shown and bound to, cut to what fits. */
  looks: { step: string; look: Pick<Look, 'changes' | 'warnings' | 'digest'> }[];
  results: string[];
  compensations: string[];
  /** How often an approval of this gate has been voided. */
  voided?: number;
}

export interface BudgetInput {
  context: RolloutContext;
  stage: string;
  budget: ConnectionBudget;
  deploy: DeployStep;
  /** Of the live release; one copy and none more when nobody knows. */
  scale?: Scale;
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

/** What is recorded of a step before it acts: enough to take it back without the run that did it. */
export interface SagaRecord {
  step: string;
  found: unknown;
  digest: string;
}

/** What a stage's release said of itself before anything was changed. */
export interface Baseline {
  found: DeployFound;
  inForce: Record<string, Json>;
}

export interface NotifyInput {
  context: RolloutContext;
  moment: NotifyMoment;
  notifiers: NotifierSpec[];
  /** With the moment `outcome`. */
  outcome?: Outcome;
  title: string;
  lines: string[];
  /** What a person may type now, the likeliest first. */
  commands?: string[];
  /** What earlier notices of this rollout returned. */
  threads?: Record<string, string>;
}

/** Also `[{ threads }]` in the details of a failure, when some were told and others were not. */
export interface NotifyResult {
  /** Where a receiver keeps this rollout together, by the index in `notifiers` as a text. */
  threads: Record<string, string>;
  /** Told, but not quite as the plan wants it. */
  warnings?: string[];
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
  /** The step never got so far as to change anything: what is there now is somebody else's. */
  untouched?: boolean;
  /** The release that traffic should go back to is not there any more: it has to be made anew. */
  gone?: boolean;
  /** What serves again, where the target gives the same version another id each time. */
  release?: Release;
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

  /**
   * The fingerprint of the key that has signed the start. `Refused` when the worker knows no signers, or the signature
   * is not the initiator's.
   */
  verifyStart(input: { signed?: SignedStart & { signature: string } }): Promise<{ key?: string }>;
  verifyAnswer(input: {
    answer: SignedAnswer;
    signature: string;
  }): Promise<{ key: string } | { why: string }>;

  lookConfig(input: ConfigInput): Promise<Look<ConfigFound>>;
  /** Backs the file up beside it, then replaces it whole; `Drift` when it is neither `base` nor ours. */
  writeConfig(input: ConfigInput & { base: ConfigFound }): Promise<ConfigEffect>;
  /** Reads back what the application would see. */
  verifyConfig(input: ConfigInput & { base: ConfigFound }): Promise<Measurement>;
  /** Byte for byte; `Conflict` when somebody else changed the file since. */
  undoConfig(input: ConfigInput & { base: ConfigFound }): Promise<UndoResult>;
  /** Drops the backups of earlier rollouts; ours stays, for an undo of what was promoted. */
  settleConfig(input: ConfigInput & { base: ConfigFound }): Promise<UndoResult>;

  /** init, plan, show. `Refused` for a destroy or replace that is not allowed, and for a target that matches nothing. */
  lookInfra(input: InfraInput): Promise<Look<InfraFound>>;
  /** Plans again, compares with `base` (`Drift`), applies that very plan. */
  applyInfra(input: InfraInput & { base: InfraFound }): Promise<InfraEffect>;
  /** A plan finds nothing left to do. */
  verifyInfra(input: InfraInput): Promise<Measurement>;
  /**
   * Plans with the declared undo variables, and applies it. `neverApplied`: the apply was refused before it changed
   * anything. `Conflict` when somebody else has applied something to what the step has changed.
   */
  undoInfra(input: InfraInput & { base: InfraFound; neverApplied?: boolean }): Promise<UndoResult>;

  /** `Refused` when the reboot would lower `max_connections`. */
  lookReboot(input: RebootInput): Promise<Look<RebootFound>>;
  /** Returns when the instance is available, has started after `intentAt`, and nothing pends. */
  rebootInstance(input: RebootInput & { base: RebootFound; intentAt: string }): Promise<RebootEffect>;

  /** `Refused` when the tag is at another commit, or the remote has moved on. */
  lookGit(input: GitInput): Promise<Look<GitFound>>;
  pushGit(input: GitInput & { base: GitFound; results: StepResult[] }): Promise<GitEffect>;
  /** The remote has what was pushed. */
  verifyGit(input: GitInput & { base: GitFound; effect: GitEffect }): Promise<Measurement>;
  /** A revert commit; with `deleteTag` also the tag, as long as it is ours. */
  undoGit(input: GitInput & { base: GitFound; deleteTag: boolean }): Promise<UndoResult>;

  lookRun(input: RunInput): Promise<Look<RunFound>>;
  /** `Drift` when its programs are not what was looked at. */
  runCommand(input: RunInput & { base?: RunFound }): Promise<RunEffect>;
  /** `pass` when the step's `verify` exits 0. */
  verifyCommand(input: RunInput): Promise<Measurement>;
  undoCommand(input: RunInput): Promise<UndoResult>;

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
  /**
   * `Drift` when the live release is neither the one looked at nor the candidate. `UnknownResult` when nobody can tell
   * whether an opaque deploy was begun; `knownUndone` is a person's word that it was not.
   */
  promoteRelease(
    input: DeployInput & { base: DeployFound; candidate: Release; knownUndone?: boolean },
  ): Promise<Release>;
  /** Live traffic back on `base.live`. */
  restoreTraffic(input: DeployInput & { base: DeployFound }): Promise<UndoResult>;
  /**
   * Stops `release`; without one, the candidate that stands there now and did not before (`base.candidate`): a
   * prepare that died half way leaves nobody who knows its id. Never stops what is live.
   */
  retireRelease(input: DeployInput & { base: DeployFound; release?: Release }): Promise<UndoResult>;
  /** Starts `release` again, so that it reads its configuration anew, without a gap in service. */
  restartRelease(input: DeployInput & { release: Release }): Promise<UndoResult>;
  /**
   * For a release that has been retired: the version of `base.live` is prepared anew, takes the traffic, and what
   * was live is stopped.
   */
  recreateRelease(input: DeployInput & { base: DeployFound }): Promise<Release>;
  /** Secures what the failed release tells, bounded in time; never throws for what cannot be had. */
  collectDiagnostics(input: DiagnosticsInput): Promise<Diagnostics>;
  measureBudget(input: BudgetInput): Promise<BudgetResult>;

  /** Each probe once; long queue. */
  measureProbes(input: { subject: Subject; probes: ProbeSpec[] }): Promise<Measurement[]>;
  /** The configuration in force in a running release, as far as the probes tell: values by `probe.path`; long queue. */
  measureInForce(input: { subject: Subject; probes: ProbeSpec[] }): Promise<Record<string, Json>>;
  /** Rounds until all pass, or the time is over; long queue. */
  awaitProbes(input: GateInput): Promise<GateResult>;
  /** Also reads the fences; long queue. */
  sampleProbes(input: SampleInput): Promise<SamplerState>;

  lookLoadTest(input: LoadTestInput): Promise<Look<LoadTestFound>>;
  /** `Drift` when the script is not what was looked at; long queue. */
  runLoadTest(input: LoadTestInput & { base?: LoadTestFound }): Promise<LoadTestResult>;

  /** Of a worker before 0.4 with `covers` and `looks`. */
  composeEvidence(input: EvidenceInput): Promise<Omit<Evidence, 'covers' | 'looks'>>;
  notify(input: NotifyInput): Promise<NotifyResult>;
  /** `report.json` and `report.md` beside the other artifacts. */
  writeReport(input: { context: RolloutContext; progress: Progress }): Promise<void>;
  /** What the worker can reach, lacks and may not do. */
  examineWorker(): Promise<Finding[]>;
}

export type ActivityName = keyof HeadgateActivities;
