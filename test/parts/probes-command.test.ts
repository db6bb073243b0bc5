/** The probe command with real programs under the guardian. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSampler } from '../../src/activities/sampler.js';
import { createCommandProbe } from '../../src/adapters/probes/command/index.js';
import { schema } from '../../src/adapters/probes/command/schema.js';
import { checked } from '../../src/adapters/probes/registry.js';
import { runChild } from '../../src/platform/children.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { describeProbe } from '../support/describe-probe.js';
import { subjectOf } from '../support/subject.js';
import { takeSample } from '../support/take-sample.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-command-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const commandProbe = (commandsEnabled = true) =>
  checked(schema, createCommandProbe({ runChild, commandsEnabled }));
const script = (source: string) => ['node', '-e', source];

const sampleOf = (argv: string[], probe = commandProbe()) =>
  takeSample(probe, { argv }, { subject: subjectOf(folder, 'http://127.0.0.1:1') });

describeProbe('command', async () => ({
  probe: commandProbe(),
  subject: subjectOf(folder),
  good: {
    config: { argv: script('console.log(JSON.stringify({ queue: { depth: 3 } }))') },
    expect: [{ path: 'queue.depth', lt: 10 }],
  },
  bad: {
    'a program that fails': { argv: script('console.log("{}"); process.exit(3)') },
    'a program that is not there': { argv: ['/no/such/program'] },
    'a program that says nothing': { argv: script('') },
    'an argument that is none': { argv: ['node', 1] },
    'no argument at all': { argv: [] },
  },
  hanging: { argv: script('setInterval(() => {}, 1000)') },
}));

describe('command', () => {
  it("runs in the plan's folder, without a shell, and is told which release is meant, and nothing of the worker", async () => {
    const file = join(folder, 'measure.mjs');
    const source = `
      const { HEADGATE_ROLLOUT_ID, HEADGATE_STAGE, HEADGATE_VERSION, HEADGATE_RELEASE, CANARY } = process.env;
      console.log(JSON.stringify({
        told: [HEADGATE_ROLLOUT_ID, HEADGATE_STAGE, HEADGATE_VERSION, HEADGATE_RELEASE],
        canary: CANARY ?? null,
        argument: process.argv[2],
      }));`;
    await writeFile(file, `#!/usr/bin/env node\n${source}`);
    await chmod(file, 0o755);
    process.env.CANARY = 'canary-credential';
    try {
      expect(await sampleOf(['./measure.mjs', '$HOME; exit 1'])).toEqual({
        kind: 'sample',
        value: {
          told: ['run-1', 'staging', 'v1.0.1', 'green'],
          canary: null,
          argument: '$HOME; exit 1',
        },
      });
    } finally {
      delete process.env.CANARY;
    }
  });

  it('a program that fails is an error with the end of its stderr', async () => {
    const source = 'console.error("x".repeat(5000) + " no queue of that name"); process.exit(4)';
    expect(await sampleOf(script(source))).toEqual({
      kind: 'error',
      message: expect.stringMatching(/^"node" ended with 4: x{1,300} no queue of that name$/),
    });
  });

  it.each([
    ['text', 'console.log("ready")', /expected one JSON object on stdout, found "ready"/],
    ['nothing', 'console.error("{}")', /found nothing/],
    ['a list', 'console.log("[1]")', /found "\[1\]"/],
    ['a bare value', 'console.log("1")', /found "1"/],
    ['two objects', 'console.log("{}\\n{}")', /expected one JSON object/],
  ])('%s is inconclusive', async (_what, source, message) => {
    expect(await sampleOf(script(source))).toEqual({
      kind: 'inconclusive',
      message: expect.stringMatching(message),
    });
  });

  it('64 KiB are read, and one byte more is not', async () => {
    const printing = (bytes: number) =>
      script(`process.stdout.write(JSON.stringify({ pad: 'x'.repeat(${bytes} - 10) }))`);
    expect(await sampleOf(printing(65_536))).toMatchObject({ kind: 'sample' });
    expect(await sampleOf(printing(65_537))).toEqual({
      kind: 'inconclusive',
      message: 'the program printed more than 64 KiB; expected one JSON object',
    });
  });

  it('runs only where the worker allows it', async () => {
    const found = await sampleOf(script('console.log("{}")'), commandProbe(false));
    expect(found).toMatchObject({
      kind: 'error',
      message: expect.stringContaining('--enable command'),
    });
  });

  it('no value of the environment or a secret becomes an argument; what is public does', async () => {
    const redactor = new Redactor();
    const references = new References({
      allowed: ['TOKEN', 'app/config'],
      env: { TOKEN: 'canary-token' },
      readSecret: async () => 'canary-secret',
      redactor,
    });
    const probes = new Map([['command', commandProbe()]]);
    const sampler = createSampler({ probes, references, redactor, now: Date.now });
    const measure = (argument: string) =>
      sampler.sampleOnce(
        subjectOf(folder),
        {
          name: 'queue',
          kind: 'command',
          config: { argv: [...script('console.log(JSON.stringify({ given: process.argv[1] }))'), argument] },
          expect: [{ path: 'given', equals: 'run-1' }],
          timeoutMs: 10_000,
        },
        new AbortController().signal,
      );
    for (const reference of ['${env:TOKEN}', 'x${secret:app/config#KEY}']) {
      await expect(measure(reference)).rejects.toMatchObject({
        type: 'NotPermitted',
        message: expect.stringContaining('would become a process argument'),
      });
    }
    expect((await measure('${rollout:id}')).measurement.outcome).toBe('pass');
  });
});
