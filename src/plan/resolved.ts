/**
 * A plan after parsing: variables put in, defaults filled, every step named, every probe attached to the
 * step that uses it. It is plain JSON, it is the input of the rollout workflow, and it carries no resolved
 * secret: `${env:…}`, `${secret:…}`, `${release:…}` and `${rollout:…}` are still references.
 *
 * Types only: workflow code imports this file.
 */

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What the way back does with a step's effect. */
export type OnRollback = 'revert' | 'keep' | 'ask';

export type Aggregate = 'p50' | 'p90' | 'p95' | 'p99' | 'max' | 'min' | 'mean' | 'sum' | 'last';

/** One condition over a measured value. Several conditions in one expectation all have to hold. */
export interface Expectation {
  /** k6 metric name; only in `loadTest` expectations. */
  metric?: string;
  /** Path into the sample: `pool.limit`, `rows.0.n`, `p(95)`. */
  path: string;
  /** Over a window of samples instead of the latest one. */
  aggregate?: Aggregate;
  lt?: number;
  lte?: number;
  gt?: number;
  gte?: number;
  equals?: string | number | boolean | null;
  matches?: string;
  absent?: true;
}

/** Argo Rollouts' analysis options; a limit is what is still tolerated. */
export interface ProbeLimits {
  intervalMs: number;
  initialDelayMs: number;
  failureLimit?: number;
  consecutiveFailureLimit?: number;
  inconclusiveLimit?: number;
  consecutiveErrorLimit: number;
}

export interface ProbeSpec {
  name: string;
  /** A folder of src/adapters/probes. */
  kind: string;
  /** What the adapter's schema accepts. References are not resolved. */
  config: { [key: string]: Json };
  expect: Expectation[];
  timeoutMs: number;
}

export interface MonitoredProbe extends ProbeSpec {
  limits: ProbeLimits;
}

/** A dotenv file: on the worker, or on a host that is logged in to. */
export type DotenvPlace =
  | { kind: 'local'; file: string }
  | { kind: 'ssh'; host: string; user?: string; port?: number; file: string };

export interface ConfigStepConfig {
  place: DotenvPlace;
  set: Record<string, string>;
}

export interface InfraStepConfig {
  tool: 'terraform' | 'tofu';
  /** Relative to the plan's folder. */
  directory: string;
  backendConfig: Record<string, string>;
  /** Relative to `directory`. */
  varFiles: string[];
  vars: Record<string, string | number | boolean>;
  /** Addresses; all of them when empty. */
  targets: string[];
  /** Addresses that may be destroyed or replaced. */
  allow: string[];
  /** Variables that bring back what was there before; on top of `varFiles` and `vars`. */
  undo?: { varFiles: string[]; vars: Record<string, string | number | boolean> };
  abortGraceMs: number;
}

export interface RebootStepConfig {
  rdsInstance: string;
  region?: string;
  maxOutageMs: number;
  verify: ProbeSpec[];
  /** How long `verify` may take to come true. */
  probeTimeoutMs: number;
  probeIntervalMs: number;
}

export interface GitStepConfig {
  /** The working tree on the worker: absolute, or relative to the plan's folder. May hold references. */
  directory: string;
  remote: string;
  /** What is committed, relative to `directory`; nothing when empty. */
  paths: string[];
  tag?: string;
  /** Template of the message, relative to the plan's folder. */
  messageFile: string;
}

export interface RunStepConfig {
  command: string[];
  undo?: string[];
  /** Exits 0 when the effect of `command` is there. */
  verify?: string[];
  timeoutMs: number;
}

export interface SecretStepConfig {
  awsSecretsManager: { id: string; region?: string };
  set: Record<string, string>;
}

export type DeployStrategy = 'blueGreen' | 'rolling' | 'immediate';

export interface DeployStepConfig {
  /** A folder of src/adapters/targets. */
  target: string;
  targetConfig: { [key: string]: Json };
  strategy: DeployStrategy;
  image?: string;
  /** Full names of the steps whose state the release reads when it starts. */
  startsFrom: string[];
  beforePromotion: ProbeSpec[];
  afterPromotion: ProbeSpec[];
  /** How long the probes may take to come true. */
  probeTimeoutMs: number;
  probeIntervalMs: number;
}

export interface CheckStepConfig {
  probes: ProbeSpec[];
  timeoutMs: number;
  intervalMs: number;
}

export interface LoadTestStepConfig {
  /** Relative to the plan's folder. */
  script: string;
  env: Record<string, string>;
  outputs: ('json' | { influxdb: string })[];
  timeoutMs: number;
  during: ProbeSpec[];
  expect: Expectation[];
}

export interface ApprovalStepConfig {
  timeoutMs: number;
  approvals: number;
  /** Answers are signed; the worker verifies them. */
  identity?: 'ssh';
  /** Principals of the worker's allowed signers. */
  approvers?: string[];
  notInitiator: boolean;
  /** Full names of the steps down to the next approval. */
  covers: string[];
}

export interface MonitorStepConfig {
  forMs: number;
  probes: MonitoredProbe[];
  minimumCoverage: number;
  onInconclusive: 'ask' | 'rollback';
  /** Absent in plans of before it was there: hold. */
  onTainted?: 'hold' | 'rollback';
}

interface StepOf<Kind extends StepKind, Config> {
  kind: Kind;
  /** Its `id`, else its kind, numbered from the second one of a stage: `deploy`, `deploy-2`. */
  id: string;
  stage: string;
  /** `production/deploy`. */
  name: string;
  onRollback: OnRollback;
  config: Config;
}

export type ConfigStep = StepOf<'config', ConfigStepConfig>;
export type SecretStep = StepOf<'secret', SecretStepConfig>;
export type InfraStep = StepOf<'infra', InfraStepConfig>;
export type RebootStep = StepOf<'reboot', RebootStepConfig>;
export type GitStep = StepOf<'git', GitStepConfig>;
export type DeployStep = StepOf<'deploy', DeployStepConfig>;
export type CheckStep = StepOf<'check', CheckStepConfig>;
export type LoadTestStep = StepOf<'loadTest', LoadTestStepConfig>;
export type ApprovalStep = StepOf<'approval', ApprovalStepConfig>;
export type MonitorStep = StepOf<'monitor', MonitorStepConfig>;
export type RunStep = StepOf<'run', RunStepConfig>;

export interface StepByKind {
  config: ConfigStep;
  secret: SecretStep;
  infra: InfraStep;
  reboot: RebootStep;
  git: GitStep;
  deploy: DeployStep;
  check: CheckStep;
  loadTest: LoadTestStep;
  approval: ApprovalStep;
  monitor: MonitorStep;
  run: RunStep;
}
export type StepKind = keyof StepByKind;
export type ResolvedStep = StepByKind[StepKind];

/** A step changes something only while its stage's window is open. */
export interface ChangeWindow {
  /** 0 is Sunday. */
  days: number[];
  fromMinute: number;
  toMinute: number;
  timeZone: string;
  /** As written in the plan. */
  text: string;
}

export interface ConnectionBudget {
  poolLimitKey: string;
  otherConnections: number;
}

export interface ResolvedStage {
  name: string;
  window?: ChangeWindow;
  connectionBudget?: ConnectionBudget;
  steps: ResolvedStep[];
}

export type NotifyMoment = 'started' | 'approval' | 'waiting' | 'rollback' | 'rollbackIncomplete' | 'outcome';

export interface NotifierSpec {
  /** A folder of src/adapters/notifiers. */
  kind: string;
  config: { [key: string]: Json };
  when: NotifyMoment[];
}

/** A file that the plan names, with the digest it had when the rollout was started. */
export interface PlanFile {
  /** Relative to the plan's folder. */
  path: string;
  /** sha256, hex. For a folder: over its sorted files. */
  sha256: string;
}

/** Where the files of a plan come from, as the plan says it. */
export interface PlanSource {
  git: string;
  /** Branch, tag or commit. */
  ref: string;
  /** In the repository; the files of the plan are relative to it. */
  directory: string;
}

/** The same, pinned to what `ref` led to when the rollout was started. */
export interface PinnedSource extends PlanSource {
  /** Hex. */
  commit: string;
}

export interface ResolvedPlan {
  application: string;
  version: string;
  deadlineMs: number;
  /** `--var` overrides, shown in report and digest. */
  overrides: Record<string, string>;
  notify: NotifierSpec[];
  stages: ResolvedStage[];
  files: PlanFile[];
  source?: PinnedSource;
  /** Absolute path of the folder that holds the plan. Empty with a source: each machine has a checkout of its own. */
  directory: string;
  /** sha256 over everything above, hex. */
  digest: string;
}
