/** The options of a schema as rows of a table, read from the JSON Schema that editors get. */
import { z } from 'zod';
import { DURATION_PATTERN } from '../../src/plan/duration.js';

/** As much of a JSON Schema as zod writes for a plan file. */
export interface Schema {
  title?: string;
  description?: string;
  type?: string | string[];
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  examples?: unknown[];
  pattern?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  $ref?: string;
}

export function schemaOf(schema: z.ZodType): Schema {
  return z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12' }) as Schema;
}

/** What has a place of its own in the docs, by the title of its schema: how it is called as a type. */
const NAMED: Record<string, string> = {
  expectation: 'expectation',
  'probe use': 'probe',
  probe: 'probe',
  notifier: 'notifier',
  stage: 'stage',
  step: 'step',
};

/** A Markdown table of the options, those of maps below their map: `hmac`, `hmac.header`; `without` some and theirs. */
export function renderOptions(schema: Schema, without: string[] = []): string {
  const isLeftOut = (path: string) => without.some((key) => path === key || path.startsWith(`${key}.`));
  const rows = rowsOf(schema, '').filter(({ path }) => !isLeftOut(path));
  return [
    '| option | type | when left out | meaning |',
    '|---|---|---|---|',
    ...rows.map(({ path, cells }) => `| ${[`\`${path}\``, ...cells].join(' | ')} |`),
  ].join('\n');
}

interface Row {
  path: string;
  cells: string[];
}

function rowsOf(schema: Schema, prefix: string): Row[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, option]) => {
    const path = `${prefix}${key}`;
    const cells = [typeOf(option), absenceOf(option, schema.required?.includes(key)), meaningOf(option)];
    const inner = isNamed(option) ? [] : rowsOf(option, `${path}.`);
    return [{ path, cells: cells.map(escapeCell) }, ...inner];
  });
}

function isNamed({ title = '' }: Schema): boolean {
  return title in NAMED;
}

function absenceOf({ default: fallback }: Schema, isRequired = false): string {
  if (fallback === undefined) return isRequired ? '**required**' : '';
  const isEmpty = typeof fallback === 'object' && Object.keys(fallback ?? {}).length === 0;
  return isEmpty ? '' : codeOf(fallback);
}

function meaningOf(schema: Schema): string {
  const { examples = [], pattern } = schema;
  const meaning = describe(schema);
  // What a duration looks like is said once, of the type.
  if (examples.length === 0 || pattern === DURATION_PATTERN) return meaning;
  return `${meaning} For example ${examples.map(codeOf).join(', ')}.`;
}

function codeOf(value: unknown): string {
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

/** References as code: GitHub takes what stands between two dollar signs for mathematics. */
export function describe({ description = '' }: Schema): string {
  return description.replaceAll(/\$\{[^}]*\}/g, '`$&`');
}

/** The type as words: `list of text`, `duration`, `whole number, 1 to 65535`. */
function typeOf(schema: Schema): string {
  const { title = '', anyOf, enum: values, items, additionalProperties } = schema;
  if (schema.$ref !== undefined) return 'anything';
  if (title in NAMED) return NAMED[title] ?? title;
  if (anyOf) return joinWords([...new Set(anyOf.map(branchOf))]);
  if (values) return values.map(codeOf).join(', ');
  if (schema.const !== undefined) return codeOf(schema.const);
  if (items) return `list of ${pluralOf(items)}`;
  if (typeof additionalProperties === 'object') return `map of ${pluralOf(additionalProperties)}`;
  if (schema.pattern === DURATION_PATTERN) return 'duration';
  return joinWords([schema.type ?? []].flat().map((type) => nameOf(type, schema)));
}

function joinWords(words: string[]): string {
  return [words.slice(0, -1).join(', '), ...words.slice(-1)].filter((part) => part !== '').join(' or ');
}

/** In a choice a map is shown by its keys: nothing else tells it from the others. */
function branchOf(schema: Schema): string {
  if (isNamed(schema) || !schema.properties) return typeOf(schema);
  return `\`{ ${Object.keys(schema.properties).join(', ')} }\``;
}

function pluralOf(schema: Schema): string {
  const type = isProbeUse(schema) ? 'probe' : typeOf(schema);
  return /^(probe|expectation|notifier|stage|step|map)$/.test(type) ? `${type}s` : type;
}

/** The name of a probe, or a map with limits beside it. */
function isProbeUse({ anyOf = [] }: Schema): boolean {
  return anyOf.some(({ title }) => title === 'probe use');
}

function nameOf(type: string, { minimum, maximum, exclusiveMinimum }: Schema): string {
  if (type === 'string') return 'text';
  if (type === 'object') return 'map';
  if (type !== 'integer' && type !== 'number') return type;
  const name = type === 'integer' ? 'whole number' : 'number';
  // zod writes the largest whole number where the schema says nothing.
  const most = maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum;
  const from = minimum ?? exclusiveMinimum;
  const least = from === undefined ? '' : minimum === undefined ? `above ${from}` : `${from}`;
  if (most !== undefined) return `${name}, ${least}${minimum === undefined ? ', up' : ''} to ${most}`;
  return least === '' ? name : `${name}, ${least} or more`;
}

/** In a table a bar ends a cell, and what looks like HTML would not be shown. */
export function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('\n', ' ');
}
