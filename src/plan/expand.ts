/** Puts the variables in: each stage has its own, and a probe is one thing per stage that uses it. */
import type { FaultList } from './fault-list.js';
import type { Path } from './faults.js';
import { isMap, PlanNode } from './node.js';
import type { Json } from './resolved.js';
import { listWords } from './suggest.js';
import { addUnknown, expand, readVariables, type Scope, type Variables } from './variables.js';
import {
  collectUses,
  type PlanView,
  type ProbeUse,
  type ProbeView,
  probeView,
  type StageView,
  viewStages,
} from './view.js';

export interface ExpandedPlan {
  view: PlanView;
  variables: Variables;
  /** The whole document; each probe as it is in the first stage that uses it. */
  json: Json;
}

export function expandPlan(source: Json, overrides: Record<string, string>, faults: FaultList): ExpandedPlan {
  const declared = new PlanNode(source, [], faults);
  const variables = readVariables(declared, overrides, faults);
  const withoutProbes = expandDocument(source, variables, faults);
  const root = new PlanNode(withoutProbes, [], faults);
  const stages = viewStages(root);
  const uses = collectUses(stages);
  const probes = expandProbes(declared, { stages, uses, variables, faults });
  const json = withProbes(withoutProbes, probes);
  return { view: { root: new PlanNode(json, [], faults), stages, uses, probes, faults }, variables, json };
}

function expandDocument(source: Json, variables: Variables, faults: FaultList): Json {
  if (!isMap(source)) return source;
  const entries = Object.entries(source).map(([key, value]) => {
    if (key === 'vars' || key === 'probes') return [key, value];
    const inPlan = { scope: variables.plan, variables, faults };
    if (key !== 'stages' || !Array.isArray(value)) return [key, expand(value, [key], inPlan)];
    const stages = value.map((stage, index) => {
      const scope = variables.stages[index] ?? variables.plan;
      return expandStage(stage, ['stages', index], { scope, variables, faults });
    });
    return [key, stages];
  });
  return Object.fromEntries(entries);
}

function expandStage(stage: Json, path: Path, expansion: Parameters<typeof expand>[2]): Json {
  if (!isMap(stage)) return expand(stage, path, expansion);
  const entries = Object.entries(stage).map(([key, value]) => {
    return [key, key === 'vars' ? value : expand(value, [...path, key], expansion)];
  });
  return Object.fromEntries(entries);
}

interface ProbeContext {
  stages: StageView[];
  uses: ProbeUse[];
  variables: Variables;
  faults: FaultList;
}

function expandProbes(declared: PlanNode, context: ProbeContext): Map<string, ProbeView> {
  const probes = declared.get('probes')?.entries() ?? [];
  return new Map(probes.map(({ key, node }) => [key, expandProbe(key, node, context)]));
}

function expandProbe(name: string, { value, path }: PlanNode, context: ProbeContext): ProbeView {
  const { stages, uses, variables, faults } = context;
  const using = stages.filter((stage) => uses.some((use) => use.name === name && use.step.stage === stage));
  const places: { stage?: StageView; scope: Scope }[] = using.map((stage) => ({
    stage,
    scope: variables.stages[stage.index] ?? variables.plan,
  }));
  if (places.length === 0) places.push({ scope: anyScope(variables) });
  const unknown: UnknownVariable[] = [];
  const instances = places.map(({ stage, scope }) => {
    const onUnknown = (variable: string, at: Path) => unknown.push({ variable, at, scope });
    return { stage, value: expand(value, path, { scope, variables, faults, onUnknown }) };
  });
  addUnknownVariables(unknown, name, faults);
  return probeView(name, instances, faults);
}

interface UnknownVariable {
  variable: string;
  at: Path;
  scope: Scope;
}

/** One fault per variable, however many stages lack it. */
function addUnknownVariables(unknown: UnknownVariable[], probe: string, faults: FaultList): void {
  const variables = [...new Set(unknown.map(({ variable }) => variable))];
  for (const variable of variables) {
    const all = unknown.filter((entry) => entry.variable === variable);
    const [first] = all;
    if (!first) continue;
    const titles = [...new Set(all.map(({ scope }) => scope.title))];
    const title = titles.length === 1 ? first.scope.title : listWords(titles, 'and');
    const where = first.scope.title === 'the plan' ? title : `${title}, where probe ${probe} is used`;
    addUnknown(variable, first.at, { ...first.scope, title: where }, faults);
  }
}

/** For a probe that nobody uses: what it names has to be declared somewhere. */
function anyScope({ plan, stages }: Variables): Scope {
  return {
    title: 'the plan',
    values: new Map([...stages.flatMap(({ values }) => [...values]), ...plan.values]),
  };
}

function withProbes(json: Json, probes: Map<string, ProbeView>): Json {
  if (!isMap(json) || !isMap(json.probes)) return json;
  const entries = Object.entries(json.probes).map(([name, value]) => {
    return [name, probes.get(name)?.instances[0]?.node.value ?? value] as const;
  });
  return { ...json, probes: Object.fromEntries(entries) };
}
