/** The way back from a resolved plan to a plan file: variables put in, defaults written out. Pure. */
import { formatDuration } from './duration.js';
import { type PrintedProbes, printProbes } from './print-probes.js';
import { toYaml } from './print-yaml.js';
import type { PlanDraft } from './resolve.js';
import type {
  DotenvPlace,
  Json,
  MonitorStepConfig,
  NotifierSpec,
  PlanSource,
  ProbeLimits,
  ProbeSpec,
  ResolvedStage,
  ResolvedStep,
  StepByKind,
  StepKind,
} from './resolved.js';

/** What of a plan a file can say; files and digest belong to the place where it lies. */
export type PrintablePlan = PlanDraft & { source?: PlanSource | undefined };

type JsonMap = { [key: string]: Json };

/**
 * A plan file that is parsed to the same plan, in the folder of the one that it came from. Of overrides only their
 * effect is left. Steps, names and limits are all written out; a probe that differs from stage to stage gets
 * variables, for it cannot be said otherwise.
 * @throws TypeError for what no plan file can say: a probe whose shape differs from stage to stage
 */
export function printPlan(plan: PrintablePlan): string {
  const printed = printProbes(plan.stages);
  return toYaml({
    apiVersion: 'headgate/v1',
    application: plan.application,
    version: plan.version,
    deadline: formatDuration(plan.deadlineMs),
    ...(plan.source ? { source: printSource(plan.source) } : {}),
    ...filled({ notify: plan.notify.map(printNotifier), probes: printed.probes }),
    stages: plan.stages.map((stage) => printStage(stage, printed)),
  });
}

/** Without the commit: that is what `ref` leads to. */
function printSource({ git, ref, directory }: PlanSource): JsonMap {
  return { git, ref, directory };
}

function printNotifier({ kind, config, when }: NotifierSpec): JsonMap {
  return { [kind]: config, when };
}

function printStage(
  { name, window, connectionBudget, steps }: ResolvedStage,
  printed: PrintedProbes,
): JsonMap {
  return {
    name,
    ...filled({ vars: Object.fromEntries(printed.variables.get(name) ?? []) }),
    ...(window ? { window: window.text } : {}),
    ...(connectionBudget ? { connectionBudget: { ...connectionBudget } } : {}),
    steps: steps.map(printStep),
  };
}

/** Kinds that have nothing to take back: `onRollback` would say nothing of them. */
const CHANGES_NOTHING: StepKind[] = ['check', 'loadTest', 'approval', 'monitor'];

function printStep(step: ResolvedStep): JsonMap {
  const { id, kind, onRollback } = step;
  const isDefault = onRollback === 'revert' && CHANGES_NOTHING.includes(kind);
  return { id, ...(isDefault ? {} : { onRollback }), [kind]: printConfig(step) };
}

const PRINTERS: { [Kind in StepKind]: (config: StepByKind[Kind]['config']) => JsonMap } = {
  config: ({ place, set }) => ({ ...printPlace(place), set }),
  secret: ({ awsSecretsManager, set }) => ({ awsSecretsManager: { ...awsSecretsManager }, set }),
  infra: ({ tool, directory, undo, abortGraceMs, ...lists }) => ({
    [tool]: directory,
    ...filled(lists),
    ...(undo ? { undo: filled(undo) } : {}),
    abortGrace: formatDuration(abortGraceMs),
  }),
  reboot: ({ rdsInstance, region, maxOutageMs, verify, ...patience }) => ({
    rdsInstance,
    ...given({ region }),
    maxOutage: formatDuration(maxOutageMs),
    ...filled({ verify: namesOf(verify) }),
    ...printPatience(patience),
  }),
  git: ({ directory, remote, paths, tag, messageFile }) => ({
    directory,
    remote,
    ...filled({ paths }),
    ...given({ tag }),
    messageFile,
  }),
  deploy: ({
    target,
    targetConfig,
    strategy,
    image,
    startsFrom,
    beforePromotion,
    afterPromotion,
    ...patience
  }) => ({
    [target]: targetConfig,
    strategy,
    ...given({ image }),
    ...filled({
      startsFrom,
      beforePromotion: namesOf(beforePromotion),
      afterPromotion: namesOf(afterPromotion),
    }),
    ...printPatience(patience),
  }),
  check: ({ probes, timeoutMs, intervalMs }) => ({
    probes: namesOf(probes),
    timeout: formatDuration(timeoutMs),
    interval: formatDuration(intervalMs),
  }),
  loadTest: ({ script, env, outputs, timeoutMs, during, expect }) => ({
    script,
    ...filled({ env, outputs }),
    timeout: formatDuration(timeoutMs),
    ...filled({ during: namesOf(during) }),
    expect: expect.map((each) => ({ ...each })),
  }),
  approval: ({ timeoutMs, approvals, identity, approvers, notInitiator }) => ({
    timeout: formatDuration(timeoutMs),
    approvals,
    ...given({ identity, approvers }),
    notInitiator,
  }),
  monitor: printMonitor,
  run: ({ command, undo, verify, timeoutMs }) => ({
    command,
    ...given({ undo, verify }),
    timeout: formatDuration(timeoutMs),
  }),
};

function printConfig<Kind extends StepKind>(step: StepByKind[Kind]): JsonMap {
  const print = PRINTERS[step.kind] as (config: StepByKind[Kind]['config']) => JsonMap;
  return print(step.config);
}

function printPlace(place: DotenvPlace): JsonMap {
  const { kind, ...where } = place;
  return { [kind]: where };
}

function printPatience(patience: { probeTimeoutMs: number; probeIntervalMs: number }): JsonMap {
  return {
    probeTimeout: formatDuration(patience.probeTimeoutMs),
    probeInterval: formatDuration(patience.probeIntervalMs),
  };
}

/** Limits that all probes share stand once, at the monitor. */
function printMonitor({ forMs, probes, ...verdict }: MonitorStepConfig): JsonMap {
  const limits = probes.map((probe) => printLimits(probe.limits));
  const shared = Object.entries(limits[0] ?? {}).filter(([key, value]) =>
    limits.every((each) => each[key] === value),
  );
  const sharedKeys = shared.map(([key]) => key);
  const uses = probes.map(({ name }, index): Json => {
    const own = Object.entries(limits[index] ?? {}).filter(([key]) => !sharedKeys.includes(key));
    return own.length === 0 ? name : { probe: name, ...Object.fromEntries(own) };
  });
  return {
    for: formatDuration(forMs),
    ...Object.fromEntries(shared),
    probes: uses,
    ...verdict,
  };
}

function printLimits({ intervalMs, initialDelayMs, ...counts }: ProbeLimits): JsonMap {
  return {
    interval: formatDuration(intervalMs),
    initialDelay: formatDuration(initialDelayMs),
    ...given(counts),
  };
}

function namesOf(probes: ProbeSpec[]): string[] {
  return probes.map(({ name }) => name);
}

/** Without what was left out. */
function given(values: { [key: string]: Json | undefined }): JsonMap {
  const entries = Object.entries(values).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, value] as const],
  );
  return Object.fromEntries(entries);
}

/** Without empty lists and maps: a plan leaves them out. */
function filled(values: { [key: string]: Json[] | JsonMap }): JsonMap {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => Object.keys(value).length > 0));
}
