/** What a double is sent, held against the published description of the API that it stands for. */
import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';
import addFormats from 'ajv-formats';

export interface SentRequest {
  method: string;
  /** Without the server's own part and without the query. */
  path: string;
  query?: URLSearchParams;
  /** Parsed. */
  body?: unknown;
}

/** What is wrong with a request, a line each; empty when it is as described. */
export type RequestCheck = (request: SentRequest) => string[];

interface Schema {
  properties?: Record<string, unknown>;
}
interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  schema: Schema;
}
interface Operation {
  operationId: string;
  parameters?: (Parameter | { $ref: string })[];
  requestBody?: { required?: boolean; content: Record<string, { schema: Schema }> };
}
interface Description {
  paths: Record<string, Record<string, Operation>>;
  components: Record<string, Record<string, unknown>>;
}

/** @param fixture a file of test/fixtures */
export function createRequestCheck(fixture: string): RequestCheck {
  const file = new URL(`../fixtures/${fixture}`, import.meta.url);
  const description: Description = JSON.parse(readFileSync(file, 'utf8'));
  const compile = schemasOf(description);
  return ({ method, path, query = new URLSearchParams(), body }) => {
    const found = findOperation(description, method.toLowerCase(), path);
    if (!found) return [`${method} ${path} is not described; add its operation to ${fixture}`];
    const { operation, values } = found;
    return [
      ...checkParameters(parametersOf(description, operation), { path: values, query }, compile),
      ...checkBody(operation, body, compile),
    ];
  };
}

type Compile = (schema: Schema, coerce: boolean) => ValidateFunction;

function schemasOf(description: Description): Compile {
  const options = { strict: false, allErrors: true };
  // A query and a path are texts, whatever they mean; a body is not.
  const [texts, bodies] = [new Ajv({ ...options, coerceTypes: true }), new Ajv(options)];
  for (const ajv of [texts, bodies]) {
    addFormats.default(ajv);
    ajv.addSchema({ $id: 'description', ...description });
  }
  return (schema, coerce) => (coerce ? texts : bodies).compile(refersTo(schema) as Schema);
}

/** As ajv reads it: the references of a part lead into the whole, and `nullable` says nothing without a type. */
function refersTo(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(refersTo);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).filter(([key]) => key !== 'nullable' || 'type' in value);
  return Object.fromEntries(
    entries.map(([key, entry]) => [key, key === '$ref' ? `description${String(entry)}` : refersTo(entry)]),
  );
}

function findOperation(description: Description, method: string, path: string) {
  // The one with the fewest variables: `/runs/latest` before `/runs/{run_id}`.
  const templates = Object.keys(description.paths).sort((a, b) => a.split('{').length - b.split('{').length);
  for (const template of templates) {
    const operation = description.paths[template]?.[method];
    const values = operation && matchPath(template, path);
    if (operation && values) return { operation, values };
  }
  return undefined;
}

function matchPath(template: string, path: string): Record<string, string> | undefined {
  const pattern = template.replaceAll(/\{(\w+)\}/g, '(?<$1>[^/]+)');
  const match = new RegExp(`^${pattern}$`).exec(path);
  if (!match) return undefined;
  const entries = Object.entries(match.groups ?? {});
  return Object.fromEntries(entries.map(([name, value]) => [name, decodeURIComponent(value)]));
}

function parametersOf(description: Description, { parameters = [] }: Operation): Parameter[] {
  return parameters.map((parameter) => {
    if (!('$ref' in parameter)) return parameter;
    const [, , sort = '', name = ''] = parameter.$ref.split('/');
    return description.components[sort]?.[name] as Parameter;
  });
}

function checkParameters(
  parameters: Parameter[],
  { path, query }: { path: Record<string, string>; query: URLSearchParams },
  compile: Compile,
): string[] {
  const inQuery = parameters.filter((parameter) => parameter.in === 'query');
  const unknown = [...query.keys()].filter((name) => !inQuery.some((parameter) => parameter.name === name));
  const faults = parameters.flatMap((parameter) => {
    const value = parameter.in === 'path' ? path[parameter.name] : query.get(parameter.name);
    if (parameter.in !== 'path' && parameter.in !== 'query') return [];
    if (value === null || value === undefined) {
      return parameter.required ? [`${parameter.in} ${parameter.name} is missing`] : [];
    }
    const check = compile({ properties: { [parameter.name]: parameter.schema } }, true);
    return check({ [parameter.name]: value }) ? [] : faultsOf(check, parameter.in);
  });
  return [...unknown.map((name) => `query ${name} is not described`), ...faults];
}

function checkBody({ requestBody }: Operation, body: unknown, compile: Compile): string[] {
  if (!requestBody) return body === undefined ? [] : ['a body, where none is described'];
  if (body === undefined) return requestBody.required ? ['the body is missing'] : [];
  const schema = requestBody.content['application/json']?.schema;
  if (!schema) return ['the body is JSON, which is not described'];
  const check = compile(schema, false);
  const faults = check(body) ? [] : faultsOf(check, 'body');
  // The servers pass over what they do not know; a misspelt key would go unseen.
  const known = schema.properties;
  if (!known || body === null || typeof body !== 'object') return faults;
  const unknown = Object.keys(body).filter((key) => !(key in known));
  return [...faults, ...unknown.map((key) => `body/${key} is not described`)];
}

function faultsOf({ errors }: ValidateFunction, where: string): string[] {
  return (errors ?? []).map(({ instancePath, message }) => `${where}${instancePath} ${message}`);
}
