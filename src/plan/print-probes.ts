/**
 * Probes, back from the steps that use them to the one place where a plan names them. What differs from stage to
 * stage came from variables and becomes variables again. Pure.
 */
import { toCanonicalJson } from './canonical.js';
import { formatDuration } from './duration.js';
import { isMap } from './node.js';
import type { DeployStep, Expectation, Json, ProbeSpec, ResolvedStage, ResolvedStep } from './resolved.js';
import { traitsOf } from './step-schema.js';
import { hasLogSource } from './view.js';

type JsonMap = { [key: string]: Json };
type Scalar = string | number | boolean;

export interface PrintedProbes {
  probes: JsonMap;
  /** By stage. */
  variables: Map<string, Map<string, Scalar>>;
}

interface Use {
  stage: ResolvedStage;
  step: ResolvedStep;
  probe: ProbeSpec;
}

interface Instance {
  stage: string;
  value: Json;
}

/** @throws TypeError for probes of one name that differ in more than a few values */
export function printProbes(stages: ResolvedStage[]): PrintedProbes {
  const uses = stages.flatMap((stage) =>
    stage.steps.flatMap((step) => probesOf(step).map((probe): Use => ({ stage, step, probe }))),
  );
  const variables = new Variables();
  const probes: JsonMap = {};
  for (const name of new Set(uses.map(({ probe }) => probe.name))) {
    const own = uses.filter(({ probe }) => probe.name === name);
    const isTold = own.every(isToldByTarget);
    const instances = own.map(({ stage, probe }) => ({
      stage: stage.name,
      value: printProbe(probe, isTold ? withoutSource(probe.config) : probe.config),
    }));
    probes[name] = variables.merge(instances, [name]);
  }
  return { probes, variables: variables.byStage };
}

function probesOf(step: ResolvedStep): ProbeSpec[] {
  if (step.kind === 'deploy') return [...step.config.beforePromotion, ...step.config.afterPromotion];
  if (step.kind === 'check' || step.kind === 'monitor') return step.config.probes;
  if (step.kind === 'loadTest') return step.config.during;
  return step.kind === 'reboot' ? step.config.verify : [];
}

function printProbe({ kind, expect, timeoutMs }: ProbeSpec, config: JsonMap): JsonMap {
  return {
    [kind]: config,
    expect: expect.map((each: Expectation) => ({ ...each })),
    timeout: formatDuration(timeoutMs),
  };
}

const SOURCE_KEYS = ['directory', 'ssh'];

function withoutSource(config: JsonMap): JsonMap {
  return Object.fromEntries(
    Object.entries(config).filter(
      ([key]) => !SOURCE_KEYS.includes(key) && !hasLogSource((source) => source === key),
    ),
  );
}

/** A log that the stage's deploy target tells needs no source in the plan, and each stage may have another target. */
function isToldByTarget({ stage, step, probe }: Use): boolean {
  if (probe.kind !== 'logs') return false;
  const deploy = deployFor(stage, step);
  const told = deploy && traitsOf(deploy.config.target)?.log(deploy.config.targetConfig);
  if (!told) return false;
  return toCanonicalJson({ ...withoutSource(probe.config), ...told }) === toCanonicalJson(probe.config);
}

/** As the parser does: the nearest before, else the first. */
function deployFor({ steps }: ResolvedStage, step: ResolvedStep): DeployStep | undefined {
  const deploys = steps.filter((each): each is DeployStep => each.kind === 'deploy');
  const until = steps.indexOf(step);
  return deploys.findLast((deploy) => steps.indexOf(deploy) <= until) ?? deploys[0];
}

/** Makes one value of several: where they differ a variable stands for them. */
class Variables {
  readonly byStage = new Map<string, Map<string, Scalar>>();
  readonly #taken = new Set<string>();

  merge(instances: Instance[], path: (string | number)[]): Json {
    const values = instances.map(({ value }) => value);
    const [first] = values;
    if (first === undefined) throw new TypeError(`no value at ${path.join('.')}`);
    if (new Set(values.map(toCanonicalJson)).size === 1) return first;
    if (
      Array.isArray(first) &&
      values.every((value) => Array.isArray(value) && value.length === first.length)
    ) {
      return first.map((_, index) => this.merge(instances.map(at(index)), [...path, index]));
    }
    if (isMap(first) && values.every((value) => isMap(value) && sameKeys(value, first))) {
      const entries = Object.keys(first).map((key) => [
        key,
        this.merge(instances.map(at(key)), [...path, key]),
      ]);
      return Object.fromEntries(entries);
    }
    return this.#declare(instances, path);
  }

  #declare(instances: Instance[], path: (string | number)[]): string {
    const name = this.#nameFor(path);
    for (const { stage, value } of instances) {
      if (value === null || typeof value === 'object') {
        throw new TypeError(`${path.join('.')} differs from stage to stage in more than a value`);
      }
      const declared = this.byStage.get(stage) ?? new Map<string, Scalar>();
      const before = declared.get(name);
      if (before !== undefined && before !== value) {
        throw new TypeError(`${path.join('.')} differs within stage ${stage}`);
      }
      this.byStage.set(stage, declared.set(name, value));
    }
    return `\${var:${name}}`;
  }

  #nameFor(path: (string | number)[]): string {
    const words = path.join('-').replaceAll(/[^A-Za-z0-9_-]/g, '-');
    const base = /^[A-Za-z_]/.test(words) ? words : `_${words}`;
    let name = base;
    for (let count = 2; this.#taken.has(name); count += 1) name = `${base}-${count}`;
    this.#taken.add(name);
    return name;
  }
}

function at(key: string | number) {
  return ({ stage, value }: Instance): Instance => {
    const child = (value as { [key: string | number]: Json })[key];
    return { stage, value: child ?? null };
  };
}

function sameKeys(a: JsonMap, b: JsonMap): boolean {
  return toCanonicalJson(Object.keys(a).sort()) === toCanonicalJson(Object.keys(b).sort());
}
