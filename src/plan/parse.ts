/** The way in: text of a plan file → every fault at once, or what a rollout is started with. Pure, never throws. */
import { type ExpandedPlan, expandPlan } from './expand.js';
import { FaultList, sortByPlace } from './fault-list.js';
import type { Path, PlanFault } from './faults.js';
import { checkSchema } from './issues.js';
import { listUnavailable } from './lint-availability.js';
import { lintRollback } from './lint-rollback.js';
import { lintStructure } from './lint-structure.js';
import { lintUses } from './lint-uses.js';
import { warnOf } from './lint-warnings.js';
import { type PlanDraft, resolvePlan } from './resolve.js';
import { planSchema, probeSchema } from './schema.js';
import { readSource } from './source.js';
import { fullName, type PlanView } from './view.js';

export interface ParseOptions {
  text: string;
  /** How the file is called in faults. */
  file: string;
  /** `--var`. */
  overrides: Record<string, string>;
}

/** A file that the plan names. Whether it is there is for the caller to find out. */
export interface NamedFile {
  /** Relative to the plan's folder. */
  path: string;
  /** Says that it is not what the plan needs, at the place where the plan names it. */
  toFault: (message: string) => PlanFault;
}

export interface OutlineStep {
  name: string;
  kind: string;
}

export interface ParsedPlan {
  /** In the order of the file. Any of them means: not this plan. */
  faults: PlanFault[];
  warnings: PlanFault[];
  /** What this version does not carry out. The plan is right, a start is refused. */
  unavailable: PlanFault[];
  /** Steps in order, as far as there are any. */
  outline: OutlineStep[];
  files: NamedFile[];
  /** Absent with faults or with something unavailable. */
  draft?: PlanDraft;
}

export function parsePlan({ text, file, overrides }: ParseOptions): ParsedPlan {
  const faults = new FaultList(file);
  const source = readSource(text, faults);
  if (!source) return { faults: faults.faults, warnings: [], unavailable: [], outline: [], files: [] };
  const expanded = expandPlan(source.json, overrides, faults);
  const { view, variables, json } = expanded;
  checkSchema(planSchema, json, [], faults);
  checkOtherInstances(expanded, faults);
  lintStructure(view);
  lintUses(view);
  lintRollback(view);
  const outline = outlineOf(view);
  const unavailable = new FaultList(file);
  unavailable.locateBy(source.locator);
  for (const input of listUnavailable(view)) unavailable.add(input);
  const refused = sortByPlace(unavailable.faults);
  if (faults.faults.length > 0) {
    const files = listFiles(view, file, source.locator);
    return { faults: sortByPlace(faults.faults), warnings: [], unavailable: refused, outline, files };
  }
  warnOf(view, variables);
  return {
    faults: [],
    warnings: sortByPlace(faults.warnings),
    unavailable: refused,
    outline,
    files: listFiles(view, file, source.locator),
    ...(refused.length === 0 ? { draft: resolvePlan(planSchema.parse(json), view, overrides) } : {}),
  };
}

/** A probe may be right with the variables of one stage and wrong with those of another. */
function checkOtherInstances({ view: { probes } }: ExpandedPlan, faults: FaultList): void {
  for (const { instances } of probes.values()) {
    for (const { node } of instances.slice(1)) checkSchema(probeSchema, node.value, node.path, faults);
  }
}

function outlineOf({ stages }: PlanView): OutlineStep[] {
  return stages.flatMap(({ steps }) =>
    steps.map((step) => ({ name: fullName(step), kind: step.kind ?? 'unknown' })),
  );
}

/** Keys of a step that name a file or a folder of the plan. */
const FILES_OF_STEP: Record<string, string[]> = {
  loadTest: ['script'],
  infra: ['terraform', 'tofu'],
  git: ['messageFile'],
};

function listFiles(view: PlanView, file: string, locator: Parameters<FaultList['locateBy']>[0]): NamedFile[] {
  const found = new Map<string, Path>();
  const note = (path: string | undefined, at: Path) => {
    if (path !== undefined && !found.has(path)) found.set(path, at);
  };
  for (const { steps } of view.stages) {
    for (const { kind, config } of steps) {
      for (const key of FILES_OF_STEP[kind ?? ''] ?? []) {
        const named = config?.get(key);
        if (named) note(named.text(), named.path);
      }
    }
  }
  for (const { instances } of view.probes.values()) {
    for (const { node } of instances) {
      const body = node.at('http', 'bodyFile');
      if (body) note(body.text(), body.path);
    }
  }
  return [...found].map(([path, at]) => ({
    path,
    toFault: (message: string) => {
      const list = new FaultList(file);
      list.locateBy(locator);
      list.add({
        code: 'file',
        path: at,
        message,
        expected: "a file that can be read in the plan's folder",
        found: path,
        fix: 'Put it there, or correct the path: it is relative to the folder of the plan.',
      });
      return list.faults[0] as PlanFault;
    },
  }));
}
