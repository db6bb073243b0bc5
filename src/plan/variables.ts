/** `vars` of plan and stages, `--var`, and putting them in. */
import type { FaultList } from './fault-list.js';
import { type Path, showPath } from './faults.js';
import { isMap, type PlanNode } from './node.js';
import { checkReference, findReferences } from './references.js';
import type { Json } from './resolved.js';
import { adviseName, listWords } from './suggest.js';

type Scalar = string | number | boolean;

export interface Scope {
  /** What the scope is called in faults: `the plan`, `stage production`. */
  title: string;
  values: ReadonlyMap<string, Scalar>;
}

export interface Variables {
  plan: Scope;
  /** By place in the list of stages. */
  stages: Scope[];
  /** Names of the variables that were put in somewhere. */
  used: Set<string>;
  /** Names of those whose value has a fault: what it makes wrong elsewhere is not said again. */
  faulty: ReadonlySet<string>;
}

/** Reads the declarations and lays `--var` over them. */
export function readVariables(
  root: PlanNode,
  overrides: Record<string, string>,
  faults: FaultList,
): Variables {
  const faulty = new Set<string>();
  const planVars = declared(root.get('vars'), faulty, faults);
  const stages = root.get('stages')?.items() ?? [];
  const stageVars = stages.map((stage) => declared(stage.get('vars'), faulty, faults));
  const all = [planVars, ...stageVars];
  for (const [name, text] of Object.entries(overrides)) override(name, text, all, faults);
  return {
    plan: { title: 'the plan', values: planVars },
    stages: stages.map((stage, index) => ({
      title: `stage ${stage.get('name')?.text() ?? index + 1}`,
      values: new Map([...planVars, ...(stageVars[index] ?? [])]),
    })),
    used: new Set(),
    faulty,
  };
}

function declared(vars: PlanNode | undefined, faulty: Set<string>, faults: FaultList): Map<string, Scalar> {
  const values = new Map<string, Scalar>();
  for (const { key, node } of vars?.entries() ?? []) {
    const { value } = node;
    if (typeof value === 'string' && !checkVariableText(value, node.path, faults)) faulty.add(key);
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      values.set(key, value);
  }
  return values;
}

/** @returns whether it can be a value */
function checkVariableText(text: string, path: Path, faults: FaultList): boolean {
  const before = faults.faults.length;
  for (const reference of findReferences(text)) {
    const fault = checkReference(reference, path);
    if (fault) faults.add(fault);
    else if (reference.kind === 'var') {
      faults.add({
        code: 'badReference',
        path,
        message: `${showPath(path)} refers to another variable.`,
        expected: 'text without ${var:…}',
        found: reference.whole,
        fix: 'Write the value itself; ${env:…} and ${secret:…} are possible.',
      });
    }
  }
  return faults.faults.length === before;
}

/** An override keeps the type that the variable was declared with. */
function override(name: string, text: string, scopes: Map<string, Scalar>[], faults: FaultList): void {
  if (!checkVariableText(text, ['vars', name], faults)) return;
  const holders = scopes.filter((scope) => scope.has(name));
  if (holders.length === 0) {
    const names = [...new Set(scopes.flatMap((scope) => [...scope.keys()]))];
    faults.add({
      code: 'badOverride',
      path: ['vars', name],
      message: `--var ${name}: the plan declares no such variable.`,
      expected: names.length === 0 ? 'no --var: the plan declares no variables' : listWords(names),
      found: name,
      fix: adviseName(name, names, `Declare it under vars, or leave --var ${name} out.`),
    });
  }
  for (const scope of holders) {
    const value = convert(text, scope.get(name));
    if (value !== undefined) {
      scope.set(name, value);
      continue;
    }
    const type = typeof scope.get(name);
    faults.add({
      code: 'badOverride',
      path: ['vars', name],
      message: `--var ${name}: the variable was declared as a ${type}.`,
      expected: type === 'boolean' ? 'true or false' : 'a number',
      found: `"${text}"`,
      fix: `Give a ${type}, as in the plan.`,
    });
    return;
  }
}

function convert(text: string, model: Scalar | undefined): Scalar | undefined {
  if (typeof model === 'boolean') return text === 'true' ? true : text === 'false' ? false : undefined;
  if (typeof model !== 'number') return text;
  const value = Number(text);
  return text.trim() !== '' && Number.isFinite(value) ? value : undefined;
}

const VARIABLE = /\$\{var:([^}]*)\}/g;

export interface Expansion {
  scope: Scope;
  variables: Variables;
  faults: FaultList;
  /** Called instead of a fault for a variable that the scope has not. */
  onUnknown?: (name: string, path: Path) => void;
}

/** A copy with every `${var:…}` put in; a value that is nothing but one takes the variable's type. */
export function expand(value: Json, path: Path, expansion: Expansion): Json {
  if (typeof value === 'string') return expandText(value, path, expansion);
  if (Array.isArray(value)) return value.map((entry, index) => expand(entry, [...path, index], expansion));
  if (!isMap(value)) return value;
  const entries = Object.entries(value).map(([key, entry]) => {
    if (key.includes('${')) addKeyFault(key, [...path, key], expansion.faults);
    return [key, expand(entry, [...path, key], expansion)] as const;
  });
  return Object.fromEntries(entries);
}

function addKeyFault(key: string, path: Path, faults: FaultList): void {
  if (faults.covers(path)) return;
  faults.add({
    code: 'badReference',
    path,
    atKey: true,
    message: 'A key cannot hold a reference.',
    expected: 'a plain key',
    found: `"${key}"`,
    fix: 'Write the key out; references belong into values.',
  });
}

function expandText(text: string, path: Path, { scope, variables, faults, onUnknown }: Expansion): Json {
  if (!text.includes('${') || faults.covers(path)) return text;
  const inputs = findReferences(text).flatMap((reference) => checkReference(reference, path) ?? []);
  for (const input of inputs) faults.add(input);
  if (inputs.length > 0) return text;
  const unknown = new Set<string>();
  const lookUp = (name: string) => {
    variables.used.add(name);
    if (variables.faulty.has(name)) faults.mask(path);
    const value = scope.values.get(name);
    if (value === undefined) unknown.add(name);
    return value;
  };
  const only = /^\$\{var:([^}]*)\}$/.exec(text)?.[1];
  const value =
    only === undefined
      ? text.replace(VARIABLE, (whole, name: string) => String(lookUp(name) ?? whole))
      : (lookUp(only) ?? text);
  if (typeof value === 'string' && unknown.size === 0) checkSeams(text, value, path, { scope, faults });
  for (const name of unknown) {
    if (onUnknown) onUnknown(name, path);
    else addUnknown(name, path, scope, faults);
  }
  return value;
}

/** `$` before a variable, and a value that begins with `{`: nobody has written the reference that comes of it. */
function checkSeams(
  text: string,
  value: string,
  path: Path,
  { scope, faults }: Pick<Expansion, 'scope' | 'faults'>,
): void {
  const written = findReferences(text).flatMap((reference) =>
    reference.kind === 'var' ? findReferences(String(scope.values.get(reference.name))) : [reference],
  );
  const known = written.map(({ whole }) => whole);
  const arisen = findReferences(value).find(({ whole }, index) => whole !== known[index]);
  if (!arisen) return;
  faults.add({
    code: 'badReference',
    path,
    message: `${showPath(path)} becomes a reference only when its variables are put in.`,
    expected: 'references that are written out, or that are a value of a variable',
    found: arisen.whole,
    fix: 'Write the reference itself, or give it to a variable as a whole.',
  });
}

export function addUnknown(name: string, path: Path, scope: Scope, faults: FaultList): void {
  const names = [...scope.values.keys()];
  faults.add({
    code: 'unknownVariable',
    path,
    message: `\${var:${name}} has no value in ${scope.title}.`,
    expected:
      names.length === 0
        ? 'a variable that is declared under vars'
        : `a variable of ${scope.title}: ${listWords(names)}`,
    found: name,
    fix: adviseName(name, names, `Declare ${name} under vars of ${scope.title}.`),
  });
}
