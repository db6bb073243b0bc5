/** Turns what zod says of a value into sentences for people, each with the place it is about. */
import type { z } from 'zod';
import type { FaultInput, FaultList } from './fault-list.js';
import { type Path, showFound, showPath } from './faults.js';
import { childOf, isMap } from './node.js';
import type { Json } from './resolved.js';
import { hasReference, type ScalarFault } from './scalars.js';
import { describeField, keysAt, titleAt } from './schema-walk.js';
import { adviseName, listWords, suggest } from './suggest.js';

type Issue = z.core.$ZodIssue;

interface Context {
  schema: z.ZodType;
  root: Json;
  /** Of the value that the schema is for, in the file. */
  base: Path;
}

/** Checks `root`, which stands at `base` in the file; every issue becomes a fault of its own. */
export function checkSchema(schema: z.ZodType, root: Json, base: Path, faults: FaultList): void {
  const result = schema.safeParse(root);
  if (result.success) return;
  const context = { schema, root, base };
  const inputs = result.error.issues.flatMap((issue) => translate(issue, [], context));
  const unknown = groupUnknownKeys(inputs);
  for (const input of inputs) {
    if (!faults.coversAround(input.path) && !isMisspelt(input, unknown)) faults.add(input);
  }
}

/** Unknown keys by the place of the map that holds them. */
function groupUnknownKeys(inputs: FaultInput[]): Map<string, string[]> {
  const unknown = new Map<string, string[]>();
  for (const { code, path } of inputs) {
    if (code !== 'unknownKey') continue;
    const owner = showPath(path.slice(0, -1));
    const keys = unknown.get(owner) ?? [];
    keys.push(String(path.at(-1)));
    unknown.set(owner, keys);
  }
  return unknown;
}

/** A key that is missing because it is misspelt: the unknown key beside it already says so. */
function isMisspelt({ path, atKey, code }: FaultInput, unknown: Map<string, string[]>): boolean {
  if (!atKey || code === 'unknownKey') return false;
  const siblings = unknown.get(showPath(path.slice(0, -1))) ?? [];
  return siblings.some((key) => suggest(key, [String(path.at(-1))]) !== undefined);
}

function translate(issue: Issue, before: Path, context: Context): FaultInput[] {
  const local = [...before, ...issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))];
  const value = valueAt(context.root, local);
  const place = { local, value, context, path: [...context.base, ...local] };
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => describeUnknownKey(key, place));
    case 'invalid_union':
      return translateUnion(issue, place);
    case 'invalid_key':
      return [describeBadKey(place)];
    case 'invalid_type':
      return [value === undefined ? describeMissing(place) : describeType(place, nameType(issue.expected))];
    case 'invalid_value':
      return [value === undefined ? describeMissing(place) : describeChoice(place, issue.values)];
    case 'too_small':
    case 'too_big':
      return [describeRange(place, issue)];
    case 'custom':
      return [describeScalar(place, issue.params)];
    case 'invalid_format':
    case 'invalid_element':
    case 'not_multiple_of':
      return [describeType(place, 'another value')];
  }
}

interface PlaceOfIssue {
  /** From the value that the schema is for. */
  local: Path;
  /** From the root of the file. */
  path: Path;
  value: Json | undefined;
  context: Context;
}

/** The branch that fits the type of the value is the one that was meant; its faults are the faults. */
function translateUnion(issue: z.core.$ZodIssueInvalidUnion, place: PlaceOfIssue): FaultInput[] {
  const { value, local, context } = place;
  if (value === undefined) return [describeMissing(place)];
  const meant = issue.errors.find(
    (branch) => !branch.some(({ code, path }) => code === 'invalid_type' && path.length === 0),
  );
  if (meant) return meant.flatMap((inner) => translate(inner, local, context));
  const types = issue.errors.flatMap((branch) => branch.flatMap((inner) => typesOf(inner)));
  return [describeType(place, listWords([...new Set(types)]))];
}

function typesOf(issue: Issue): string[] {
  if (issue.code === 'invalid_type' && issue.path.length === 0) return [nameType(issue.expected)];
  if (issue.code === 'invalid_value') return issue.values.map((value) => JSON.stringify(value));
  return [];
}

function describeUnknownKey(key: string, { local, path, context }: PlaceOfIssue): FaultInput {
  const known = keysAt(context.schema, local);
  const title = titleAt(context.schema, local);
  const where = title ?? (showPath(path) || 'a plan');
  return {
    code: 'unknownKey',
    path: [...path, key],
    atKey: true,
    message: `${where} has no key "${key}".`,
    expected: `one of: ${known.join(', ')}`,
    found: key,
    fix: adviseName(key, known, 'Remove it, or use one of the keys that are expected.'),
  };
}

function describeBadKey({ path }: PlaceOfIssue): FaultInput {
  const key = String(path.at(-1));
  return {
    code: 'badName',
    path,
    atKey: true,
    message: key === '' ? 'An empty text cannot be a name here.' : `"${key}" cannot be a name here.`,
    expected: 'letters, digits, underscores and hyphens',
    found: `"${key}"`,
    fix: 'Use another name.',
  };
}

/** Said of what should hold the key, because the key is not there. */
function describeMissing({ path, local, context }: PlaceOfIssue): FaultInput {
  const key = String(path.at(-1));
  const description = describeField(context.schema, local);
  const owner = titleAt(context.schema, local.slice(0, -1)) ?? showPath(path.slice(0, -1));
  const evidence = key === 'expect';
  return {
    code: evidence ? 'noExpectation' : 'missingKey',
    path,
    atKey: true,
    message: evidence
      ? `${showPath(path.slice(0, -1))} expects nothing; a gate never passes for want of evidence.`
      : `${owner || 'The plan'} lacks the key "${key}".`,
    expected: description === undefined ? `the key "${key}"` : `${key}: ${lowerFirst(description)}`,
    fix: evidence ? 'Add expect: { path: …, equals: … } or another condition.' : `Add "${key}".`,
  };
}

function describeType(place: PlaceOfIssue, expected: string): FaultInput {
  const { path, value } = place;
  const nothing = value === null || value === undefined;
  return {
    code: 'wrongType',
    path,
    message: nothing ? `${showPath(path)} has no value.` : `${showPath(path)} is ${nameValue(value)}.`,
    expected,
    found: showFound(value),
    fix: adviseType(value, expected),
  };
}

function adviseType(value: Json | undefined, expected: string): string {
  if (typeof value === 'string' && hasReference(value)) {
    return 'This has to be known before the start: write it out, or use ${var:…}.';
  }
  if (expected.includes('text') && (typeof value === 'number' || typeof value === 'boolean')) {
    return `Put it in quotes: "${value}".`;
  }
  if (
    typeof value === 'string' &&
    expected === 'a number' &&
    value.trim() !== '' &&
    Number.isFinite(Number(value))
  ) {
    return `Leave the quotes out: ${value}.`;
  }
  if (expected === 'a list' && value !== null) return 'Put it in brackets: [ … ].';
  return `Write ${expected} here.`;
}

function describeChoice({ path, value }: PlaceOfIssue, values: z.core.util.Primitive[]): FaultInput {
  const words = values.map(String);
  const fix = words.length === 1 ? `Write ${words[0]}.` : 'Use one of these.';
  return {
    code: 'wrongValue',
    path,
    message: `${showPath(path)} cannot be ${showFound(value)}.`,
    expected: words.length === 1 ? String(words[0]) : `one of ${listWords(words)}`,
    found: showFound(value),
    fix: typeof value === 'string' ? adviseName(value, words, fix) : fix,
  };
}

type RangeIssue = z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig;

function describeRange({ path, value }: PlaceOfIssue, issue: RangeIssue): FaultInput {
  if (issue.code === 'too_small' && issue.origin !== 'number' && issue.origin !== 'int') {
    const evidence = path.at(-1) === 'expect';
    return {
      code: evidence ? 'noExpectation' : 'empty',
      path,
      message: evidence
        ? `${showPath(path)} expects nothing; a gate never passes for want of evidence.`
        : `${showPath(path)} is empty.`,
      expected: typeof value === 'string' ? 'text' : 'at least one entry',
      found: showFound(value),
      fix: typeof value === 'string' ? 'Write a value.' : 'Add an entry.',
    };
  }
  const bound =
    issue.code === 'too_small'
      ? `${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`
      : `${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}`;
  return {
    code: 'outOfRange',
    path,
    message: `${showPath(path)} is out of range: ${showFound(value)}.`,
    expected: bound,
    found: showFound(value),
    fix: `Write a number that is ${bound}.`,
  };
}

function describeScalar({ path, value }: PlaceOfIssue, params: unknown): FaultInput {
  const fault: ScalarFault = isScalarFault(params)
    ? params
    : { code: 'wrongValue', expected: 'another value', fix: 'Write another value.' };
  const early = typeof value === 'string' && hasReference(value);
  return {
    code: fault.code,
    path,
    message: `${showPath(path)} cannot be ${showFound(value)}.`,
    expected: fault.expected,
    found: showFound(value),
    fix: early ? 'This has to be known before the start: write it out, or use ${var:…}.' : fault.fix,
  };
}

function isScalarFault(params: unknown): params is ScalarFault {
  return (
    typeof params === 'object' &&
    params !== null &&
    'code' in params &&
    'expected' in params &&
    'fix' in params
  );
}

const TYPE_NAMES: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map',
  record: 'a map',
  array: 'a list',
  null: 'null',
};

function nameType(expected: string): string {
  return TYPE_NAMES[expected] ?? expected;
}

function nameValue(value: Json): string {
  if (typeof value === 'string') return 'text';
  return Array.isArray(value) ? 'a list' : isMap(value) ? 'a map' : `the ${typeof value} ${String(value)}`;
}

function lowerFirst(text: string): string {
  const plain = text.replace(/\.$/, '');
  return /^[A-Z][a-z]/.test(plain) ? plain.charAt(0).toLowerCase() + plain.slice(1) : plain;
}

function valueAt(root: Json, path: Path): Json | undefined {
  let here: Json | undefined = root;
  for (const part of path) here = childOf(here, part);
  return here;
}
