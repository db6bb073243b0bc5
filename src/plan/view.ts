/** The plan as stages, steps and uses of probes, as far as it can be made out: faulty plans are linted too. */
import type { FaultList } from './fault-list.js';
import { PlanNode } from './node.js';
import { PROBE_KINDS } from './probe-schema.js';
import type { Json } from './resolved.js';
import { STEP_KINDS, TARGET_KINDS, traitsOf } from './step-schema.js';

export interface StepView {
  stage: StageView;
  index: number;
  node: PlanNode;
  /** Absent when no known kind is there. */
  kind?: string;
  config?: PlanNode;
  id?: string;
}

export interface StageView {
  index: number;
  node: PlanNode;
  name?: string;
  steps: StepView[];
}

export interface ProbeUse {
  name: string;
  /** The name or the map in the list. */
  node: PlanNode;
  step: StepView;
  /** `beforePromotion`, `afterPromotion`, `probes`, `during`, `verify`. */
  list: string;
}

export interface ProbeView {
  name: string;
  kind?: string;
  /** As it is in each stage that uses it; one without stage when none does. */
  instances: { stage?: StageView; node: PlanNode }[];
}

export interface PlanView {
  root: PlanNode;
  stages: StageView[];
  uses: ProbeUse[];
  probes: Map<string, ProbeView>;
  faults: FaultList;
}

/** Where each kind of step uses probes. */
const PROBE_LISTS: Record<string, string[]> = {
  deploy: ['beforePromotion', 'afterPromotion'],
  check: ['probes'],
  loadTest: ['during'],
  monitor: ['probes'],
  reboot: ['verify'],
};

export function viewStages(root: PlanNode): StageView[] {
  const stages = root.get('stages')?.items() ?? [];
  return stages.map((node) => {
    const index = Number(node.path.at(-1));
    const stage: StageView = { index, node, name: node.get('name')?.text(), steps: [] };
    for (const step of node.get('steps')?.items() ?? []) stage.steps.push(viewStep(step, stage));
    return stage;
  });
}

function viewStep(node: PlanNode, stage: StageView): StepView {
  const kind = kindOf(node, STEP_KINDS);
  const explicit = node.get('id')?.text();
  const before = stage.steps.filter((step) => step.kind === kind).length;
  const derived = kind === undefined || before === 0 ? kind : `${kind}-${before + 1}`;
  return {
    stage,
    index: Number(node.path.at(-1)),
    node,
    kind,
    config: kind === undefined ? undefined : node.get(kind),
    id: node.has('id') ? explicit : derived,
  };
}

/** The first key that names a kind. */
export function kindOf(node: PlanNode, kinds: Record<string, unknown>): string | undefined {
  return node.keys().find((key) => Object.hasOwn(kinds, key));
}

export function collectUses(stages: StageView[]): ProbeUse[] {
  return stages.flatMap(({ steps }) =>
    steps.flatMap((step) =>
      (PROBE_LISTS[step.kind ?? ''] ?? []).flatMap((list) =>
        (step.config?.get(list)?.items() ?? []).flatMap((node) => {
          const name = node.text() ?? node.get('probe')?.text();
          return name === undefined ? [] : [{ name, node, step, list }];
        }),
      ),
    ),
  );
}

/** `production/deploy`; the parts as far as they are known. */
export function fullName({ stage, id }: StepView): string {
  return `${stage.name ?? ''}/${id ?? ''}`;
}

export function probeView(
  name: string,
  instances: { stage?: StageView; value: Json }[],
  faults: FaultList,
): ProbeView {
  const nodes = instances.map(({ stage, value }) => ({
    stage,
    node: new PlanNode(value, ['probes', name], faults),
  }));
  const [first] = nodes;
  return { name, kind: first && kindOf(first.node, PROBE_KINDS), instances: nodes };
}

export interface DeployView {
  step: StepView;
  target?: string;
  targetConfig?: PlanNode;
}

export function viewDeploys(stage: StageView): DeployView[] {
  return stage.steps.flatMap((step) => {
    if (step.kind !== 'deploy') return [];
    const target = step.config && kindOf(step.config, TARGET_KINDS);
    return [{ step, target, targetConfig: target === undefined ? undefined : step.config?.get(target) }];
  });
}

/** The deploy that the release in question comes from: the step itself, else the nearest before, else the first. */
export function deployFor(step: StepView): DeployView | undefined {
  const deploys = viewDeploys(step.stage);
  return deploys.findLast((deploy) => deploy.step.index <= step.index) ?? deploys[0];
}

/** Can the target hold a release beside the live one? */
export function isStaged({ step, target = '', targetConfig }: DeployView): boolean {
  const strategy = step.config?.get('strategy')?.text() ?? '';
  return traitsOf(target)?.staged({ strategy, has: (key) => targetConfig?.has(key) ?? false }) ?? true;
}

/** Does a `logs` probe say by itself what it reads? */
export function hasLogSource(has: (key: string) => boolean): boolean {
  return ['file', 'command', 'kubernetes', 'pm2', 'journald', 'compose'].some(has);
}

/** Options of a `logs` probe that reads what the target tells; undefined when it tells none. */
export function logOf({ target = '', targetConfig }: DeployView): { [key: string]: Json } | undefined {
  const config = targetConfig?.value;
  if (config === null || typeof config !== 'object' || Array.isArray(config)) return undefined;
  return traitsOf(target)?.log(config);
}
