/** TypeScript → dist, the files that tsc does not copy, the workflow bundle, the JSON Schema of the plan. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const require = createRequire(import.meta.url);

const [major = 0] = process.versions.node.split('.').map(Number);
if (major < 20) {
  console.error(`Headgate needs Node 20 or newer; this is ${process.version}.`);
  process.exit(1);
}

// The first `npx headgate` of a checkout links the package into npm's cache and would build it again, below a worker
// that runs from it.
if (process.env.npm_command === 'exec' && existsSync(join(dist, 'workflow-bundle.js'))) process.exit(0);

await rm(dist, { recursive: true, force: true });
execFileSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', join(root, 'tsconfig.json')], {
  stdio: 'inherit',
});
await cp(join(root, 'src/platform/guardian.mjs'), join(dist, 'src/platform/guardian.mjs'));
await chmod(join(dist, 'src/cli/main.js'), 0o755);

const { bundleWorkflowCode } = await import('@temporalio/worker');
const warn = (message) => console.error(message);
const { code } = await bundleWorkflowCode({
  workflowsPath: join(dist, 'src/workflows/index.js'),
  payloadConverterPath: join(dist, 'src/workflows/payload-converter.cjs'),
  logger: { trace() {}, debug() {}, info() {}, warn, error: warn, log() {} },
});
await writeFile(join(dist, 'workflow-bundle.js'), code);

const { toJsonSchema } = await import(pathToFileURL(join(dist, 'src/plan/json-schema.js')).href);
await mkdir(join(root, 'schema'), { recursive: true });
await writeFile(join(root, 'schema/rollout.schema.json'), `${JSON.stringify(toJsonSchema(), null, 2)}\n`);
