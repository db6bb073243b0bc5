/** `run` with real programs: what they are given, what is kept of them, and how they end. */
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createRunActivities } from '../../src/activities/run/index.js';
import type { Look, RunEffect, RunFound, RunInput, UndoResult } from '../../src/contract/activities.js';
import type { Measurement } from '../../src/contract/progress.js';
import type { RunStepConfig } from '../../src/plan/resolved.js';
import { ArtifactStore } from '../../src/platform/artifacts.js';
import { runChild } from '../../src/platform/children.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { isAlive, waitFor } from '../support/processes.js';
import { subjectOf } from '../support/subject.js';

const node = process.execPath;

let folder: string;
let home: string;
let logged: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-run-'));
  home = join(folder, 'home');
  logged = [];
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

function environment(): MockActivityEnvironment {
  const logger = new DefaultLogger('WARN', ({ message }) => logged.push(message));
  return new MockActivityEnvironment(undefined, { logger });
}

function activities(runEnabled = true) {
  const redactor = new Redactor();
  redactor.add('canary-known-secret');
  const references = new References({
    allowed: ['TOKEN'],
    env: { TOKEN: 'canary-of-the-plan' },
    readSecret: async () => '',
    redactor,
  });
  const artifacts = new ArtifactStore(home, redactor);
  return createRunActivities({ runChild, runEnabled, references, artifacts, redactor });
}

function inputOf(config: Partial<RunStepConfig>): RunInput {
  const step: RunInput['step'] = {
    kind: 'run',
    id: 'migrate',
    stage: 'staging',
    name: 'staging/migrate',
    onRollback: 'revert',
    config: { command: [node, '-e', ''], timeoutMs: 30_000, ...config },
  };
  return { context: subjectOf(folder).context, step };
}

const program = (text: string) => [node, '-e', text];
type Config = Partial<RunStepConfig>;
const run = (config: Config): Promise<RunEffect> =>
  environment().run(() => activities().runCommand(inputOf(config)));
const look = (config: Config): Promise<Look<RunFound>> =>
  environment().run(() => activities().lookRun(inputOf(config)));
const verify = (config: Config): Promise<Measurement> =>
  environment().run(() => activities().verifyCommand(inputOf(config)));
const undo = (config: Config): Promise<UndoResult> =>
  environment().run(() => activities().undoCommand(inputOf(config)));

const artifactFolder = () => join(home, 'artifacts', 'booking', 'run-1');
const artifact = (name: string) => readFile(join(artifactFolder(), name), 'utf8');

async function script(name: string, text: string, mode = 0o755): Promise<string> {
  await writeFile(join(folder, name), `#!/bin/sh\n${text}\n`);
  await chmod(join(folder, name), mode);
  return `./${name}`;
}

describe('a command', () => {
  it('runs in the folder of the plan, knows its rollout, and sees nothing of the worker', async () => {
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'canary-credential');
    const told = `console.log(JSON.stringify([process.cwd(), process.env]))`;
    const first = await run({ command: program(told) });
    const second = await run({ command: program(told) });
    expect(second).toEqual(first);
    const [cwd, env] = JSON.parse(await artifact('run-staging-migrate.log'));
    expect(cwd).toBe(folder);
    expect(env).toMatchObject({
      HEADGATE_ROLLOUT_ID: 'run-1',
      HEADGATE_STAGE: 'staging',
      HEADGATE_VERSION: 'v1.0.1',
      HEADGATE_STEP: 'staging/migrate',
    });
    expect(JSON.stringify(env)).not.toContain('canary');
  });

  it('says its last line; all of its output is an artifact', async () => {
    const command = program('console.log("one"); console.error("two"); console.log("  three  \\n")');
    expect(await run({ command })).toEqual({ said: 'three', artifacts: ['run-staging-migrate.log'] });
    expect((await artifact('run-staging-migrate.log')).split('\n').sort()).toEqual([
      '',
      '',
      '  three  ',
      'one',
      'two',
    ]);
  });

  it('is no line of a shell, and its public references are put in', async () => {
    const echo = 'console.log(JSON.stringify(process.argv.slice(1)))';
    const { said } = await run({ command: [...program(echo), '$(touch pwned); x', '${rollout:version}'] });
    expect(JSON.parse(said)).toEqual(['$(touch pwned); x', 'v1.0.1']);
    expect(existsSync(join(folder, 'pwned'))).toBe(false);
  });

  it('never gets a secret as an argument', async () => {
    const wrong = run({ command: [...program(''), '${env:TOKEN}'] });
    await expect(wrong).rejects.toMatchObject({ type: 'NotPermitted', nonRetryable: true });
    await expect(wrong).rejects.not.toThrow(/canary/);
  });

  it('that prints a secret does not get it anywhere', async () => {
    const leak = 'console.log("canary-known-secret"); console.error("oh canary-known-secret"); ';
    const { said } = await run({ command: program(leak) });
    const failed = run({ command: program(`${leak} process.exitCode = 1`) });
    await expect(failed).rejects.toThrow(/exited with 1: oh \[redacted\]/);
    expect(said).toMatch(/\[redacted\]/);
    expect(await artifact('run-staging-migrate.log')).not.toContain('canary');
  });

  it('that exits with something else than 0 fails for good, with its code and its last words', async () => {
    const failing = 'console.error("no such\\ntable: bookings"); process.exitCode = 3';
    const failed = run({ command: program(failing) });
    await expect(failed).rejects.toMatchObject({ type: 'Invalid', nonRetryable: true });
    await expect(failed).rejects.toThrow(
      /staging\/migrate: .* exited with 3: no such\ntable: bookings \(all of it: run-staging-migrate\.log\)/,
    );
    expect(await artifact('run-staging-migrate.log')).toBe('no such\ntable: bookings\n');
    await expect(run({ command: program('process.kill(process.pid, "SIGABRT")') })).rejects.toThrow(
      /was ended by SIGABRT and said nothing/,
    );
  });

  it('that is not done in time is stopped, whatever its exit code then is', async () => {
    const polite = 'process.on("SIGTERM", () => process.exit(0)); setInterval(() => {}, 1000)';
    const late = run({ command: program(polite), timeoutMs: 500 });
    await expect(late).rejects.toMatchObject({ type: 'Invalid', nonRetryable: true });
    await expect(late).rejects.toThrow(/timed out: it was not done after 0.5 s and was stopped/);
  });

  it('that cannot be started is told of by name', async () => {
    const missing = run({ command: ['headgate-no-such-program'] });
    await expect(missing).rejects.toMatchObject({ type: 'Invalid' });
    await expect(missing).rejects.toThrow(/staging\/migrate: Cannot start "headgate-no-such-program"/);
  });

  it.each([{ deaf: false }, { deaf: true }])(
    'that is cancelled is gone within 2 s, and so is its child (deaf: $deaf)',
    async ({ deaf }) => {
      const pids = join(folder, 'pids');
      const family = `${deaf ? 'process.on("SIGTERM", () => {});' : ''}
        const child = require('child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
        console.log('at work');
        require('fs').writeFileSync(${JSON.stringify(pids)}, process.pid + ' ' + child.pid);
        setInterval(() => {}, 1000);`;
      const world = environment();
      const running = world.run(activities().runCommand, inputOf({ command: program(family) }));
      await waitFor(() => existsSync(pids) && readFileSync(pids, 'utf8').includes(' '), 'the family');
      const alive = readFileSync(pids, 'utf8').split(' ').map(Number);
      expect(alive.every(isAlive)).toBe(true);
      const startedAt = performance.now();
      world.cancel();
      await expect(running).rejects.toThrow(CancelledFailure);
      expect(alive.some(isAlive)).toBe(false);
      expect(performance.now() - startedAt).toBeLessThan(2_000);
      expect(await artifact('run-staging-migrate.log')).toBe('at work\n');
    },
  );

  it('that prints a great deal is kept with its newest megabyte, in whole lines', async () => {
    const text = 'for (let i = 0; i < 300000; i++) console.log("line " + i); console.log("the end")';
    expect(await run({ command: program(text) })).toMatchObject({ said: 'the end' });
    const log = await artifact('run-staging-migrate.log');
    expect(log.length).toBeGreaterThan(1_000_000);
    expect(log.length).toBeLessThan(1_048_576 + 100);
    expect(log).toMatch(/^… older lines are left out\nline \d+\n/);
    expect(log).toMatch(/line 299999\nthe end\n$/);
  });

  it('tells its last line in heartbeats while it runs', async () => {
    const go = join(folder, 'go');
    const waiting = `console.log("3 of 7, canary-known-secret"); setInterval(() => require('fs').existsSync(${JSON.stringify(go)}) && process.exit(0), 50)`;
    const world = environment();
    const beats: unknown[] = [];
    world.on('heartbeat', (details) => beats.push(details));
    const running = world.run(activities().runCommand, inputOf({ command: program(waiting) }));
    await waitFor(() => JSON.stringify(beats).includes('3 of 7'), 'a heartbeat with its line');
    await writeFile(go, '');
    await running;
    expect(beats.at(-1)).toEqual({ said: '3 of 7, [redacted]' });
  });

  it('has done what it has done, even when its output cannot be kept', async () => {
    await writeFile(home, 'a file where the folder would be');
    expect(await run({ command: program('console.log("done")') })).toEqual({ said: 'done', artifacts: [] });
    expect(logged).toEqual([
      expect.stringMatching(/^staging\/migrate: the output of its command cannot be kept/),
    ]);
  });
});

describe('on a worker that does not allow it', () => {
  it('nothing is run, and every verb says how to allow it', async () => {
    const ran = join(folder, 'ran');
    const touch = ['touch', ran];
    const input = inputOf({ command: touch, undo: touch, verify: touch });
    const { lookRun, runCommand, verifyCommand, undoCommand } = activities(false);
    for (const verb of [lookRun, runCommand, verifyCommand, undoCommand]) {
      const refused = environment().run(async () => verb(input));
      await expect(refused).rejects.toMatchObject({ type: 'NotPermitted', nonRetryable: true });
      await expect(refused).rejects.toThrow(/headgate worker --enable run/);
    }
    expect(existsSync(ran)).toBe(false);
    await environment().run(activities().runCommand, input);
    expect(existsSync(ran)).toBe(true);
  });
});

describe('look', () => {
  it('says what runs and what takes it back, and runs neither', async () => {
    const command = [await script('migrate', 'touch ran'), 'up', 'two words'];
    expect(await look({ command, undo: ['./migrate', 'down'] })).toMatchObject({
      found: { held: null },
      changes: ['runs: ./migrate up "two words"'],
      warnings: [],
      effect: 'neither',
      undo: 'runs: ./migrate down',
    });
    expect(existsSync(join(folder, 'ran'))).toBe(false);
    const { undo: none } = await look({ command });
    expect(none).toBeUndefined();
  });

  it('asks verify what holds before anything is done', async () => {
    const verified = { command: program(''), verify: ['test', '-e', 'flag'] };
    expect(await look(verified)).toMatchObject({
      found: { held: false },
      effect: 'detectable',
      warnings: [],
    });
    await writeFile(join(folder, 'flag'), '');
    expect(await look(verified)).toMatchObject({
      found: { held: true },
      warnings: ['staging/migrate: its verify holds already, before the command has run'],
    });
    await expect(look({ ...verified, verify: ['sleep', '30'], timeoutMs: 300 })).rejects.toThrow(
      /its verify gives no answer: sleep 30 timed out/,
    );
  });

  it('has another digest when an argument, a program or a script of the plan is another', async () => {
    const config = { command: [await script('migrate', 'exit 0'), 'up'], undo: ['sh', 'down.sh'] };
    await writeFile(join(folder, 'down.sh'), 'exit 0');
    const { digest } = await look(config);
    expect((await look(config)).digest).toBe(digest);
    const digests = [digest, (await look({ ...config, command: ['./migrate', 'all'] })).digest];
    await script('migrate', 'exit 1');
    digests.push((await look(config)).digest);
    await writeFile(join(folder, 'down.sh'), 'exit 1');
    digests.push((await look(config)).digest);
    expect(new Set(digests).size).toBe(4);
  });

  it.each([
    [{ command: ['headgate-no-such-program'] }, /no program "headgate-no-such-program" on the worker's PATH/],
    [{ command: ['./nowhere'] }, /no program ".\/nowhere" at .*nowhere/],
    [{ command: ['true'], undo: ['./not-executable'] }, /no program ".\/not-executable" at .*chmod \+x/],
    [{ command: ['true'], verify: ['../outside'] }, /\.\.\/outside lies outside/],
  ])('names a program that is not there: %o', async (config, message) => {
    await script('not-executable', 'exit 0', 0o644);
    const wrong = look(config);
    await expect(wrong).rejects.toMatchObject({ type: 'Invalid', nonRetryable: true });
    await expect(wrong).rejects.toThrow(message);
  });
});

describe('verify', () => {
  it('passes with 0, fails with anything else, and is an error without an end of its own', async () => {
    expect(await verify({ verify: program('') })).toMatchObject({
      probe: 'verify',
      outcome: 'pass',
      values: { exitCode: 0 },
    });
    expect(await verify({ verify: program('console.error("2 left"); process.exitCode = 4') })).toMatchObject({
      outcome: 'fail',
      message: expect.stringMatching(/exited with 4: 2 left$/),
      values: { exitCode: 4 },
    });
    expect(await verify({ verify: ['headgate-no-such-program'] })).toMatchObject({
      outcome: 'error',
      message: expect.stringMatching(/Cannot start/),
      values: { exitCode: null },
    });
    expect(await verify({ verify: ['sleep', '30'], timeoutMs: 300 })).toMatchObject({ outcome: 'error' });
    expect(await readdir(artifactFolder())).toEqual(['run-staging-migrate-verify.log']);
  });
});

describe('undo', () => {
  it('runs its own command, and says what that said', async () => {
    await writeFile(join(folder, 'made'), '');
    const down = await script('down', 'rm -f made; echo "7 rows back"');
    expect(await undo({ undo: [down] })).toEqual({ summary: './down: 7 rows back', changed: true });
    expect(existsSync(join(folder, 'made'))).toBe(false);
    expect(await undo({ undo: [down] })).toMatchObject({ changed: true });
    expect(await artifact('run-staging-migrate-undo.log')).toBe('7 rows back\n');
  });

  it('that fails may be repeated; one that is not there may not', async () => {
    const failed = undo({ undo: program('process.exitCode = 1') });
    await expect(failed).rejects.toThrow(/exited with 1/);
    await expect(failed).rejects.not.toMatchObject({ nonRetryable: true });
    await expect(undo({ undo: ['./nowhere'] })).rejects.toMatchObject({
      type: 'Invalid',
      nonRetryable: true,
    });
    await expect(undo({})).rejects.toThrow(/staging\/migrate has no undo/);
  });
});
