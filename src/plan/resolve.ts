/** From a plan without faults to what the workflow is started with: defaults filled, steps named, probes attached. */
import { parseDuration } from './duration.js';
import { PROBE_KINDS } from './probe-schema.js';
import type {
  ApprovalStepConfig,
  ChangeWindow,
  CheckStepConfig,
  ConfigStepConfig,
  DeployStepConfig,
  DotenvPlace,
  Expectation,
  GitStepConfig,
  InfraStepConfig,
  Json,
  LoadTestStepConfig,
  MonitoredProbe,
  MonitorStepConfig,
  NotifierSpec,
  OnRollback,
  ProbeLimits,
  ProbeSpec,
  RebootStepConfig,
  ResolvedPlan,
  ResolvedStage,
  ResolvedStep,
  RunStepConfig,
  SecretStepConfig,
} from './resolved.js';
import { NOTIFIER_KINDS, type PlanDocument, type ProbeDocument, probeSchema } from './schema.js';
import { type StepDocument, TARGET_KINDS } from './step-schema.js';
import {
  deployFor,
  fullName,
  hasLogSource,
  logOf,
  type PlanView,
  type StageView,
  type StepView,
} from './view.js';
import { readWindow } from './window.js';

/** A plan whose source and files have not been looked at. */
export type PlanDraft = Omit<ResolvedPlan, 'files' | 'source' | 'directory' | 'digest'>;

type JsonMap = { [key: string]: Json };

/** @throws TypeError when the plan has faults or holds what is not available: both are for the caller to refuse before */
export function resolvePlan(
  document: PlanDocument,
  view: PlanView,
  overrides: Record<string, string>,
): PlanDraft {
  return {
    application: document.application,
    version: document.version,
    deadlineMs: ms(document.deadline),
    overrides,
    notify: (document.notify ?? []).map(resolveNotifier),
    stages: view.stages.map((stage, index) => resolveStage(document.stages[index], stage, view)),
  };
}

function resolveNotifier(notifier: NonNullable<PlanDocument['notify']>[number]): NotifierSpec {
  const { when, ...kinds } = notifier;
  const kind = pickKind(kinds, NOTIFIER_KINDS);
  return { kind, config: toJsonMap(Object.entries(kinds).find(([key]) => key === kind)?.[1]), when };
}

function resolveStage(
  stage: PlanDocument['stages'][number] | undefined,
  seen: StageView,
  view: PlanView,
): ResolvedStage {
  if (!stage) throw new TypeError(`no stage ${seen.index}`);
  return {
    name: stage.name,
    ...(stage.window === undefined ? {} : { window: windowOf(stage.window) }),
    ...(stage.connectionBudget === undefined ? {} : { connectionBudget: stage.connectionBudget }),
    steps: seen.steps.map((step, index) => {
      const document = stage.steps[index];
      if (!document) throw new TypeError(`no step ${index} in ${stage.name}`);
      return new StepResolver(step, document, view).resolve();
    }),
  };
}

function windowOf(text: string): ChangeWindow {
  const read = readWindow(text);
  if ('window' in read) return read.window;
  throw new TypeError(`no window: ${text}`);
}

class StepResolver {
  constructor(
    private readonly step: StepView,
    private readonly document: StepDocument,
    private readonly view: PlanView,
  ) {}

  resolve(): ResolvedStep {
    const { step, document } = this;
    const common = {
      id: step.id ?? '',
      stage: step.stage.name ?? '',
      name: fullName(step),
      onRollback: document.onRollback ?? defaultOnRollback(document),
    };
    if (document.config) return { ...common, kind: 'config', config: configOf(document.config) };
    if (document.infra) return { ...common, kind: 'infra', config: infraOf(document.infra) };
    if (document.reboot) return { ...common, kind: 'reboot', config: this.reboot(document.reboot) };
    if (document.git) return { ...common, kind: 'git', config: gitOf(document.git) };
    if (document.run) return { ...common, kind: 'run', config: runOf(document.run) };
    if (document.secret) return { ...common, kind: 'secret', config: this.secret(document.secret) };
    if (document.deploy) return { ...common, kind: 'deploy', config: this.deploy(document.deploy) };
    if (document.check) return { ...common, kind: 'check', config: this.check(document.check) };
    if (document.loadTest) return { ...common, kind: 'loadTest', config: this.loadTest(document.loadTest) };
    if (document.approval) return { ...common, kind: 'approval', config: this.approval(document.approval) };
    if (document.monitor) return { ...common, kind: 'monitor', config: this.monitor(document.monitor) };
    throw new TypeError(`${common.name} has no kind`);
  }

  private reboot(reboot: NonNullable<StepDocument['reboot']>): RebootStepConfig {
    return {
      rdsInstance: reboot.rdsInstance,
      ...(reboot.region === undefined ? {} : { region: reboot.region }),
      maxOutageMs: ms(reboot.maxOutage),
      verify: this.probes('verify'),
      probeTimeoutMs: ms(reboot.probeTimeout),
      probeIntervalMs: ms(reboot.probeInterval),
    };
  }

  private secret({ awsSecretsManager, set }: NonNullable<StepDocument['secret']>): SecretStepConfig {
    return { awsSecretsManager, set: toTexts(set) };
  }

  private deploy(deploy: NonNullable<StepDocument['deploy']>): DeployStepConfig {
    const target = pickKind(deploy, TARGET_KINDS);
    const { stage } = this.step;
    return {
      target,
      targetConfig: toJsonMap(Object.entries(deploy).find(([key]) => key === target)?.[1]),
      strategy: deploy.strategy,
      ...(deploy.image === undefined ? {} : { image: deploy.image }),
      startsFrom: deploy.startsFrom.map((name) => (name.includes('/') ? name : `${stage.name}/${name}`)),
      beforePromotion: this.probes('beforePromotion'),
      afterPromotion: this.probes('afterPromotion'),
      probeTimeoutMs: ms(deploy.probeTimeout),
      probeIntervalMs: ms(deploy.probeInterval),
    };
  }

  private check({ timeout, interval }: NonNullable<StepDocument['check']>): CheckStepConfig {
    return { probes: this.probes('probes'), timeoutMs: ms(timeout), intervalMs: ms(interval) };
  }

  private loadTest(test: NonNullable<StepDocument['loadTest']>): LoadTestStepConfig {
    return {
      script: test.script,
      env: toTexts(test.env),
      outputs: test.outputs,
      timeoutMs: ms(test.timeout),
      during: this.probes('during'),
      expect: asList(test.expect),
    };
  }

  private approval(approval: NonNullable<StepDocument['approval']>): ApprovalStepConfig {
    return {
      timeoutMs: ms(approval.timeout),
      approvals: approval.approvals,
      ...(approval.identity === undefined ? {} : { identity: approval.identity }),
      ...(approval.approvers === undefined ? {} : { approvers: approval.approvers }),
      notInitiator: approval.notInitiator,
      covers: this.stepsToNextApproval(),
    };
  }

  private stepsToNextApproval(): string[] {
    const { stage, index } = this.step;
    const covered: string[] = [];
    for (const { index: place, steps } of this.view.stages.slice(stage.index)) {
      for (const step of steps.slice(place === stage.index ? index + 1 : 0)) {
        if (step.kind === 'approval') return covered;
        covered.push(fullName(step));
      }
    }
    return covered;
  }

  private monitor(monitor: NonNullable<StepDocument['monitor']>): MonitorStepConfig {
    const probes = this.probes('probes').map((probe, index): MonitoredProbe => {
      const use = monitor.probes[index];
      return { ...probe, limits: resolveLimits(monitor, typeof use === 'object' ? use : {}) };
    });
    return {
      forMs: ms(monitor.for),
      probes,
      minimumCoverage: monitor.minimumCoverage,
      onInconclusive: monitor.onInconclusive,
      onTainted: monitor.onTainted,
    };
  }

  private probes(list: string): ProbeSpec[] {
    return this.view.uses
      .filter((use) => use.step === this.step && use.list === list)
      .map(({ name }) => this.probe(name));
  }

  private probe(name: string): ProbeSpec {
    const probe = this.view.probes.get(name);
    const instance = probe?.instances.find(({ stage }) => stage === this.step.stage);
    if (!instance) throw new TypeError(`no probe ${name} in ${fullName(this.step)}`);
    const document: ProbeDocument = probeSchema.parse(instance.node.value);
    const kind = pickKind(document, PROBE_KINDS);
    const config = toJsonMap(Object.entries(document).find(([key]) => key === kind)?.[1]);
    return {
      name,
      kind,
      config: kind === 'logs' ? this.withLog(config) : config,
      expect: asList(document.expect),
      timeoutMs: ms(document.timeout),
    };
  }

  /** A log without a source is the one that the stage's deploy target tells. */
  private withLog(config: JsonMap): JsonMap {
    const deploy = deployFor(this.step);
    if (hasLogSource((key) => key in config) || !deploy) return config;
    return { ...config, ...logOf(deploy) };
  }
}

/** What cannot be taken back is kept; so is a tag that others may have fetched. */
export function defaultOnRollback({ infra, reboot, git, run }: StepDocument): OnRollback {
  const isKept =
    reboot !== undefined ||
    (infra !== undefined && infra.undo === undefined) ||
    (git !== undefined && git.paths === undefined) ||
    (run !== undefined && run.undo === undefined);
  return isKept ? 'keep' : 'revert';
}

function configOf({ local, ssh, set }: NonNullable<StepDocument['config']>): ConfigStepConfig {
  return { place: placeOf(local, ssh), set: toTexts(set) };
}

function placeOf(
  local: NonNullable<StepDocument['config']>['local'],
  ssh: NonNullable<StepDocument['config']>['ssh'],
): DotenvPlace {
  if (local) return { kind: 'local', file: local.file };
  if (ssh) return { kind: 'ssh', ...ssh };
  throw new TypeError('neither local nor ssh');
}

function infraOf(infra: NonNullable<StepDocument['infra']>): InfraStepConfig {
  const { terraform, tofu, undo } = infra;
  return {
    tool: terraform === undefined ? 'tofu' : 'terraform',
    directory: terraform ?? tofu ?? '',
    backendConfig: infra.backendConfig ?? {},
    varFiles: infra.varFiles ?? [],
    vars: infra.vars ?? {},
    targets: infra.targets ?? [],
    allow: infra.allow ?? [],
    ...(undo === undefined ? {} : { undo: { varFiles: undo.varFiles ?? [], vars: undo.vars ?? {} } }),
    abortGraceMs: ms(infra.abortGrace),
  };
}

function gitOf({
  directory,
  remote,
  paths = [],
  tag,
  messageFile,
}: NonNullable<StepDocument['git']>): GitStepConfig {
  return { directory, remote, paths, ...(tag === undefined ? {} : { tag }), messageFile };
}

function runOf({ command, undo, verify, timeout }: NonNullable<StepDocument['run']>): RunStepConfig {
  return {
    command,
    ...(undo === undefined ? {} : { undo }),
    ...(verify === undefined ? {} : { verify }),
    timeoutMs: ms(timeout),
  };
}

interface LimitsDocument {
  interval?: string;
  initialDelay?: string;
  failureLimit?: number;
  consecutiveFailureLimit?: number;
  inconclusiveLimit?: number;
  consecutiveErrorLimit?: number;
}

/** Argo's default for errors in a row. */
const CONSECUTIVE_ERROR_LIMIT = 4;

/** The use's own, else the monitor's. Where no limit for failures is given at all, none is tolerated. */
function resolveLimits(monitor: LimitsDocument & { interval: string }, own: LimitsDocument): ProbeLimits {
  const failureLimit = own.failureLimit ?? monitor.failureLimit;
  const consecutiveFailureLimit = own.consecutiveFailureLimit ?? monitor.consecutiveFailureLimit;
  const inconclusiveLimit = own.inconclusiveLimit ?? monitor.inconclusiveLimit;
  const unlimited = failureLimit === undefined && consecutiveFailureLimit === undefined;
  return {
    intervalMs: ms(own.interval ?? monitor.interval),
    initialDelayMs: ms(own.initialDelay ?? monitor.initialDelay ?? '0s'),
    ...(unlimited ? { failureLimit: 0 } : {}),
    ...(failureLimit === undefined ? {} : { failureLimit }),
    ...(consecutiveFailureLimit === undefined ? {} : { consecutiveFailureLimit }),
    ...(inconclusiveLimit === undefined ? {} : { inconclusiveLimit }),
    consecutiveErrorLimit:
      own.consecutiveErrorLimit ?? monitor.consecutiveErrorLimit ?? CONSECUTIVE_ERROR_LIMIT,
  };
}

function pickKind(document: object, kinds: Record<string, unknown>): string {
  const found = Object.entries(document).find(
    ([key, value]) => Object.hasOwn(kinds, key) && value !== undefined,
  );
  if (!found) throw new TypeError(`none of ${Object.keys(kinds).join(', ')}`);
  return found[0];
}

function asList(expect: Expectation | Expectation[]): Expectation[] {
  return Array.isArray(expect) ? expect : [expect];
}

function toTexts(values: Record<string, string | number | boolean>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, String(value)]));
}

/** What a schema has accepted is JSON; defaults that stayed undefined go. */
function toJsonMap(value: unknown): JsonMap {
  const json: JsonMap = JSON.parse(JSON.stringify(value));
  return json;
}

function ms(duration: string): number {
  const parsed = parseDuration(duration);
  if (parsed === undefined) throw new TypeError(`no duration: ${duration}`);
  return parsed;
}
