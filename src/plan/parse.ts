/** The way in: text of a plan file → every fault at once, or what a rollout is started with. Pure, never throws. */
import { type ExpandedPlan, expandPlan } from './expand.js';
import { type FaultInput, FaultList, sortByPlace } from './fault-list.js';
import type { Path, PlanFault } from './faults.js';
import { checkSchema } from './issues.js';
import { lintIdentity } from './lint-identity.js';
import { lintRollback } from './lint-rollback.js';
import { lintSize } from './lint-size.js';
import { lintSource } from './lint-source.js';
import { lintStructure } from './lint-structure.js';
import { lintUses } from './lint-uses.js';
import { warnOf } from './lint-warnings.js';
import { type PlanDraft, resolvePlan } from './resolve.js';
import type { PlanSource } from './resolved.js';
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

/** Where the plan says that its files come from. Whether it is there is for the caller to find out. */
export interface NamedSource {
  source: PlanSource;
  /** Says what is wrong with it, at the place of that key. */
  toFault: (key: 'git' | 'ref' | 'directory', message: string, fix: string) => PlanFault;
}

export interface OutlineStep {
  name: string;
  kind: string;
}

export interface ParsedPlan {
  /** In the order of the file. Any of them means: not this plan. */
  faults: PlanFault[];
  warnings: PlanFault[];
  /** Steps in order, as far as there are any. */
  outline: OutlineStep[];
  files: NamedFile[];
  /** Absent without a source, and with faults. */
  source?: NamedSource;
  /** Absent with faults. */
  draft?: PlanDraft;
}

export function parsePlan({ text, file, overrides }: ParseOptions): ParsedPlan {
  const faults = new FaultList(file);
  const source = readSource(text, faults);
  if (!source) return { faults: faults.faults, warnings: [], outline: [], files: [] };
  const expanded = expandPlan(source.json, overrides, faults);
  const { view, variables, json } = expanded;
  checkSchema(planSchema, json, [], faults);
  checkOtherInstances(expanded, faults);
  lintStructure(view);
  lintUses(view);
  lintRollback(view);
  lintSource(view);
  lintIdentity(view);
  const outline = outlineOf(view);
  if (faults.faults.length > 0) {
    // Without a source that is right nobody knows where its files are.
    const files = view.root.has('source') ? [] : listFiles(view, file, source.locator);
    return { faults: sortByPlace(faults.faults), warnings: [], outline, files };
  }
  warnOf(view, variables);
  const document = planSchema.parse(json);
  const draft = resolvePlan(document, view, overrides);
  lintSize(view, draft);
  if (faults.faults.length > 0) return { faults: faults.faults, warnings: [], outline, files: [] };
  return {
    faults: [],
    warnings: sortByPlace(faults.warnings),
    outline,
    files: listFiles(view, file, source.locator),
    ...(document.source ? { source: nameSource(document.source, file, source.locator) } : {}),
    draft,
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
      const stack = kind === 'deploy' ? config?.at('dockerStack', 'file') : undefined;
      if (stack) note(stack.text(), stack.path);
    }
  }
  for (const { instances } of view.probes.values()) {
    for (const { node } of instances) {
      const body = node.at('http', 'bodyFile');
      if (body) note(body.text(), body.path);
    }
  }
  const expected = view.root.has('source') ? PINNED_FILE : FILE_BESIDE;
  return [...found].map(([path, at]) => ({
    path,
    toFault: (message: string) =>
      oneFault(file, locator, { code: 'file', path: at, message, found: path, ...expected }),
  }));
}

const FILE_BESIDE = {
  expected: "a file that can be read in the plan's folder",
  fix: 'Put it there, or correct the path: it is relative to the folder of the plan.',
};

const PINNED_FILE = {
  expected: 'a file of the commit that the source is pinned to',
  fix: 'Commit it and push, or correct the path: it is relative to the directory of the source.',
};

function nameSource(
  planSource: PlanSource,
  file: string,
  locator: Parameters<FaultList['locateBy']>[0],
): NamedSource {
  const expected = 'a repository, a ref in it and a folder of it that this machine can read';
  return {
    source: planSource,
    toFault: (key, message, fix) =>
      oneFault(file, locator, { code: 'source', path: ['source', key], message, expected, fix }),
  };
}

function oneFault(file: string, locator: Parameters<FaultList['locateBy']>[0], input: FaultInput): PlanFault {
  const list = new FaultList(file);
  list.locateBy(locator);
  list.add(input);
  return list.faults[0] as PlanFault;
}
