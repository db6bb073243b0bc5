/** Commands of a shell in whatever a plan may say: they reach each real tool as one text, and none of them is carried out. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createCommandProbe } from '../../src/adapters/probes/command/index.js';
import { schema as probeSchema } from '../../src/adapters/probes/command/schema.js';
import { checked } from '../../src/adapters/probes/registry.js';
import { createCommandTarget } from '../../src/adapters/targets/command/index.js';
import { runChild } from '../../src/platform/children.js';
import { createLocalFiles } from '../../src/tools/dotenv/files.js';
import { quoteForShell } from '../../src/tools/ssh/quote.js';
import { openConfigStep } from '../support/config-step.js';
import { GitWorld } from '../support/git.js';
import { COMMANDS } from '../support/shell-words.js';
import { subjectOf } from '../support/subject.js';
import { takeSample } from '../support/take-sample.js';
import { targetCall } from '../support/target-call.js';
import { InfraWorld, terraformIsMissing } from '../support/terraform.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-words-'));
});
afterEach(async () => {
  expect(existsSync(join(folder, 'x')), 'nothing was carried out').toBe(false);
  await rm(folder, { recursive: true, force: true });
});

it('positive control: a shell that reads them makes the file', async () => {
  const own = await mkdtemp(join(tmpdir(), 'headgate-words-'));
  for (const line of [`echo ${COMMANDS}`, `echo '${COMMANDS}'`, `echo "${COMMANDS}"`]) {
    try {
      execFileSync('sh', ['-c', line], { cwd: own, stdio: 'ignore' });
    } catch {
      // What is left of the line after the commands is no program.
    }
    expect(await readdir(own), line).toContain('x');
    await rm(join(own, 'x'));
  }
  await rm(own, { recursive: true });
});

const PRINT = 'console.log(JSON.stringify(Object.fromEntries([["said", process.argv.slice(1)]])))';

it('an argument of a program is one argument', async () => {
  const { stdout } = await runChild({ file: process.execPath, args: ['-e', PRINT, COMMANDS], cwd: folder });
  expect(JSON.parse(stdout)).toEqual({ said: [COMMANDS] });
});

it('a variable of its environment is one value', async () => {
  const args = ['-e', 'console.log(JSON.stringify(process.env.WORDS))'];
  const { stdout } = await runChild({ file: process.execPath, args, cwd: folder, env: { WORDS: COMMANDS } });
  expect(JSON.parse(stdout)).toBe(COMMANDS);
});

it('a word of a line for the shell of a host is one word', () => {
  const line = quoteForShell([process.execPath, '-e', PRINT, COMMANDS, `'${COMMANDS}'`, `\n${COMMANDS}\n`]);
  const stdout = execFileSync('sh', ['-c', line], { cwd: folder, encoding: 'utf8' });
  expect(JSON.parse(stdout)).toEqual({ said: [COMMANDS, `'${COMMANDS}'`, `\n${COMMANDS}\n`] });
});

it('the command probe and the command target hand them on as arguments', async () => {
  const probe = checked(probeSchema, createCommandProbe({ runChild, commandsEnabled: true }));
  const argv = [process.execPath, '-e', PRINT, COMMANDS];
  const found = await takeSample(probe, { argv }, { subject: subjectOf(folder) });
  expect(found).toEqual({ kind: 'sample', value: { said: [COMMANDS] } });
  const target = createCommandTarget({ runChild, commandsEnabled: true });
  const version = `JSON.stringify({ live: { id: process.argv[1], version: "v1", url: "http://a" }, candidate: null })`;
  const status = [process.execPath, '-e', `console.log(${version})`, COMMANDS];
  const config = { status, promote: ['false'] };
  expect((await target.status({ ...targetCall(folder, {}), config })).live.id).toBe(COMMANDS);
});

describe('git', () => {
  let world: GitWorld;
  beforeEach(async () => {
    world = await GitWorld.create();
  });
  afterEach(async () => {
    expect(world.has('x'), 'nothing was carried out').toBe(false);
    await world.remove();
  });

  it('a path and a message are what they say', async () => {
    await world.write(`src/${COMMANDS}`, 'new\n');
    await world.write('release.md', `Release ${COMMANDS}\n`);
    const call = await world.lookedAt(world.input({ paths: [`src/${COMMANDS}`], tag: undefined }));
    await world.push(call);
    expect(world.history()[0]).toBe(`Release ${COMMANDS}`);
    const named = world.git(['-c', 'core.quotePath=false', 'show', '-z', '--name-only', '--format=', 'main']);
    expect(named.replaceAll('\0', '')).toBe(`src/${COMMANDS}`);
  });

  it.each([
    ['a tag', { tag: COMMANDS }],
    ['a remote', { remote: COMMANDS }],
    ['a path that is an option', { paths: ['--upload-pack=touch x'] }],
    ['a tag that is an option', { tag: '--exec=touch x' }],
    ['a remote that is an option', { remote: '--upload-pack=touch x' }],
    ['a remote that runs a program', { remote: 'ext::sh -c "touch x"' }],
    ['a working tree', { directory: COMMANDS }],
  ])('%s is refused before anything is written', async (_what, config) => {
    await world.write('src/a', 'new\n');
    const refs = world.git(['for-each-ref']);
    const input = world.input(config);
    const failure: unknown = await world.lookedAt(input).then(
      async (call) => world.push(call),
      (error: unknown) => error,
    );
    const isNothing = 'paths' in config;
    if (!isNothing) expect(failure).toBeInstanceOf(Error);
    if (!isNothing) expect(world.git(['for-each-ref'])).toBe(refs);
    expect([world.has('x'), existsSync(join(world.remote, 'x'))]).toEqual([false, false]);
  });
});

it('a setting of a dotenv file is one setting, as the application would read it', async () => {
  const local = {
    placeOf: (file: string) => ({ kind: 'local' as const, file }),
    openHost: () => createLocalFiles(),
    prefix: '',
  };
  const at = await openConfigStep(local);
  // All three kinds of quotes no way of quoting carries.
  await expect(at.lookAt(at.inputOf({ WORDS: COMMANDS }))).rejects.toThrow(/no way of quoting/);
  const call = await at.lookAt(at.inputOf({ WORDS: COMMANDS.replaceAll('"', '') }));
  await at.write(call);
  expect(await at.verify(call)).toMatchObject({ outcome: 'pass' });
  expect(await at.read()).toContain('touch x');
  expect(await readdir(at.folder)).not.toContain('x');
  await at.close();
});

describe.skipIf(await terraformIsMissing())('terraform', () => {
  it('a variable and a setting of the backend are values', async () => {
    const world = await InfraWorld.create('setting');
    // The log is what a provisioner of the fixture writes by a shell of its own.
    const backendConfig = { path: world.file(`state ${COMMANDS.replaceAll('/', '')}.json`) };
    const config = { vars: { size: 20 }, backendConfig };
    const { found } = await world.look(config);
    await world.apply(found, config);
    expect(JSON.parse(await readFile(backendConfig.path, 'utf8'))).toMatchObject({ version: 4 });
    expect(existsSync(world.file('infra', 'x')) || existsSync(world.file('x'))).toBe(false);
    await world.remove();
  });

  it('an address that is an option is refused', async () => {
    const world = await InfraWorld.create('setting');
    const look = world.look({ vars: { size: 20 }, targets: [COMMANDS] });
    await expect(look).rejects.toThrow(/target/i);
    expect(existsSync(world.file('infra', 'x'))).toBe(false);
    await world.remove();
  });
});
