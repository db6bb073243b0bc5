/**
 * `npm test`: builds, fetches the real parts that the suites need (as the sandbox does), runs every suite that this
 * machine can run, and ends with one true line: `N passed, N failed, N skipped`.
 *
 * HEADGATE_TEST_SUMMARY=FILE also writes the counts there as JSON.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), 'headgate-test-'));
const resultFile = join(folder, 'vitest.json');
/** A cell of the crash matrix that cannot be is neither passed nor left out. */
const NOT_APPLICABLE = /, not applicable: /;
const [major] = process.versions.node.split('.').map(Number);
if (major < 20) fail(`Node ${process.versions.node} is too old; Headgate needs Node 20 or newer.`);

try {
  run('node', ['scripts/build.mjs']);
  const { resolveTool } = await import(join(root, 'dist/src/platform/tool-resolver.js'));
  const { ensureMoto } = await import(join(root, 'dist/sandbox/moto.js'));
  const log = (line) => console.error(line);
  const tools = { HEADGATE_TOOL_MOTO: await ensureMoto({ log }) };
  for (const name of ['temporal', 'k6', 'terraform', 'victoria-metrics']) {
    tools[`HEADGATE_TOOL_${name.toUpperCase().replaceAll('-', '_')}`] = (
      await resolveTool(name, { log })
    ).path;
  }
  const vitest = spawnSync(
    process.execPath,
    [
      'node_modules/vitest/vitest.mjs',
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${resultFile}`,
      ...process.argv.slice(2),
    ],
    { cwd: root, stdio: 'inherit', env: { ...process.env, ...tools } },
  );
  report(vitest.status);
} catch (error) {
  fail(error instanceof Error ? error.message : String(error));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function report(status) {
  if (!existsSync(resultFile)) fail('vitest wrote no result');
  const result = JSON.parse(readFileSync(resultFile, 'utf8'));
  const { numPassedTests: passed } = result;
  const pending = result.testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status: each }) => each === 'pending' || each === 'skipped')
      .map(({ title }) => [NOT_APPLICABLE.test(title) ? 'not applicable' : 'skipped', name].join(': ')),
  );
  const skipped = pending.filter((each) => each.startsWith('skipped')).length;
  // A file that cannot be loaded fails without a test of its own.
  const brokenFiles = result.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  );
  const failed =
    result.numFailedTests +
    brokenFiles.length +
    (status !== 0 && result.numFailedTests === 0 && brokenFiles.length === 0 ? 1 : 0);
  for (const kind of new Set(pending)) {
    const count = pending.filter((each) => each === kind).length;
    console.log(kind.replace(`${root}/`, `${count} in `));
  }
  const summary = process.env.HEADGATE_TEST_SUMMARY;
  if (summary) writeFileSync(summary, JSON.stringify({ passed, failed, skipped }));
  console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
}

function run(command, args) {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) fail(`${command} ${args.join(' ')} failed`);
}

function fail(message) {
  rmSync(folder, { recursive: true, force: true });
  console.error(`headgate test: ${message}`);
  process.exit(1);
}
