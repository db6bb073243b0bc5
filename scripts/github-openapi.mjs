/**
 * GitHub's published API description, cut down to the requests that Headgate makes, so that the doubles of the tests
 * can be held against it. The whole of it has 13 MB. To renew it, or to add an operation below:
 *
 *   npm pack @octokit/openapi@23.0.2 && tar xzf octokit-openapi-23.0.2.tgz package/generated/api.github.com.json
 *   node scripts/github-openapi.mjs package/generated/api.github.com.json
 */
import { readFile, writeFile } from 'node:fs/promises';

const OPERATIONS = [
  'actions/cancel-workflow-run',
  'actions/create-workflow-dispatch',
  'actions/force-cancel-workflow-run',
  'actions/get-workflow',
  'actions/get-workflow-run',
  'actions/get-workflow-run-attempt',
  'actions/list-jobs-for-workflow-run',
  'actions/list-jobs-for-workflow-run-attempt',
  'actions/list-workflow-runs',
  'actions/list-workflow-runs-for-repo',
  'git/get-ref',
  'issues/create',
  'issues/create-comment',
  'issues/list-comments',
  'issues/list-for-repo',
  'issues/update',
  'repos/get',
  'repos/get-commit',
];
/** What nobody checks by. */
const PROSE = new Set(['description', 'summary', 'example', 'examples', 'externalDocs', 'tags']);

const [file] = process.argv.slice(2);
if (!file) {
  console.error(
    'Name the description: node scripts/github-openapi.mjs package/generated/api.github.com.json',
  );
  process.exit(2);
}
const whole = JSON.parse(await readFile(file, 'utf8'));
const components = {};
const paths = {};
for (const [path, methods] of Object.entries(whole.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    if (!OPERATIONS.includes(operation.operationId)) continue;
    const { operationId, parameters, requestBody, responses } = operation;
    const statuses = Object.keys(responses).map((status) => [status, {}]);
    paths[path] = {
      ...paths[path],
      [method]: trim({ operationId, parameters, requestBody, responses: Object.fromEntries(statuses) }),
    };
  }
}
const found = Object.values(paths).flatMap((methods) =>
  Object.values(methods).map(({ operationId }) => operationId),
);
const missing = OPERATIONS.filter((id) => !found.includes(id));
if (missing.length > 0) throw new Error(`not in ${file}: ${missing.join(', ')}`);

const { openapi, info } = whole;
const source = `@octokit/openapi ${info.version}, api.github.com: ${info.description}. Only requests are kept. License: MIT.`;
const kept = {
  openapi,
  info: { title: info.title, version: info.version, description: source },
  paths,
  components,
};
await writeFile(
  new URL('../test/fixtures/github-openapi.json', import.meta.url),
  `${JSON.stringify(kept, null, 1)}\n`,
);

/** A copy without prose; what it refers to is copied into `components`. */
function trim(value) {
  if (Array.isArray(value)) return value.map(trim);
  if (value === null || typeof value !== 'object') return value;
  if (typeof value.$ref === 'string') keep(value.$ref);
  const isNamed = (key, entry) => PROSE.has(key) && (typeof entry !== 'object' || key.startsWith('example'));
  const entries = Object.entries(value).filter(
    ([key, entry]) => !isNamed(key, entry) && !key.startsWith('x-'),
  );
  return Object.fromEntries(entries.map(([key, entry]) => [key, trim(entry)]));
}

function keep(reference) {
  const [, , sort, name] = reference.split('/');
  components[sort] ??= {};
  if (name in components[sort]) return;
  components[sort][name] = {};
  components[sort][name] = trim(whole.components[sort][name]);
}
