/**
 * The Docker Engine's published API description, cut down to the requests that the docker CLI makes for a stack, and
 * written as OpenAPI 3, so that the double of the tests can be held against it. To renew it, or to add an operation:
 *
 *   go mod download -json github.com/docker/docker@v27.5.1+incompatible   # "Dir" is where it lies
 *   node scripts/docker-openapi.mjs DIR/api/swagger.yaml v27.5.1
 */
import { readFile, writeFile } from 'node:fs/promises';
import { parse } from 'yaml';

const OPERATIONS = [
  ...['SystemInfo', 'SystemPing', 'SystemPingHead', 'SystemVersion', 'NodeInspect', 'NodeList'],
  ...['NetworkInspect', 'NetworkList', 'NetworkCreate', 'SecretList', 'DistributionInspect'],
  ...['ConfigList', 'ConfigCreate', 'ConfigInspect', 'ConfigDelete', 'TaskList', 'TaskInspect'],
  ...['ServiceList', 'ServiceCreate', 'ServiceInspect', 'ServiceUpdate', 'ServiceLogs'],
];
/** What nobody checks by. `format` names sizes of integers that JSON does not know. */
const PROSE = new Set(['description', 'summary', 'example', 'examples', 'format', 'title', 'default']);

const [file, release] = process.argv.slice(2);
if (!file || !release) {
  console.error(
    'Name the description and its release: node scripts/docker-openapi.mjs DIR/api/swagger.yaml v27.5.1',
  );
  process.exit(2);
}
const whole = parse(await readFile(file, 'utf8'));
const schemas = {};
const paths = {};
for (const [path, methods] of Object.entries(whole.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    if (!OPERATIONS.includes(operation.operationId)) continue;
    paths[path] = { ...paths[path], [method]: convert(operation) };
  }
}
const found = Object.values(paths).flatMap((methods) =>
  Object.values(methods).map(({ operationId }) => operationId),
);
const missing = OPERATIONS.filter((id) => !found.includes(id));
if (missing.length > 0) throw new Error(`not in ${file}: ${missing.join(', ')}`);

const description = `moby/moby ${release}, api/swagger.yaml, API ${whole.info.version}. Only requests are kept. License: Apache-2.0.`;
await writeFile(
  new URL('../test/fixtures/docker-openapi.json', import.meta.url),
  `${JSON.stringify({ openapi: '3.0.3', info: { title: whole.info.title, version: whole.info.version, description }, paths, components: { schemas } }, null, 1)}\n`,
);

function convert({ operationId, parameters = [] }) {
  const body = parameters.find((parameter) => parameter.in === 'body');
  const others = parameters.filter((parameter) => ['path', 'query'].includes(parameter.in));
  return {
    operationId,
    parameters: others.map(({ name, in: place, required, type, enum: values }) => ({
      name,
      in: place,
      required,
      schema: { type, ...(values ? { enum: values } : {}) },
    })),
    ...(body
      ? {
          requestBody: {
            required: body.required,
            content: { 'application/json': { schema: trim(body.schema) } },
          },
        }
      : {}),
  };
}

/** A copy without prose; what it refers to is copied into the components. */
function trim(value) {
  if (Array.isArray(value)) return value.map(trim);
  if (value === null || typeof value !== 'object') return value;
  if (typeof value.$ref === 'string') return { $ref: keep(value.$ref) };
  const isProse = (key, entry) =>
    PROSE.has(key) && (typeof entry !== 'object' || key.startsWith('example') || key === 'default');
  const entries = Object.entries(value).filter(
    ([key, entry]) => !isProse(key, entry) && !key.startsWith('x-'),
  );
  const copy = Object.fromEntries(entries.map(([key, entry]) => [key, trim(entry)]));
  return value['x-nullable'] && value.type ? { ...copy, nullable: true } : copy;
}

function keep(reference) {
  const name = reference.replace('#/definitions/', '');
  if (!(name in schemas)) {
    schemas[name] = null;
    schemas[name] = trim(whole.definitions[name]);
  }
  return `#/components/schemas/${name}`;
}
