/** Probes whose evidence lies in files: logs, by file and by a real program, and the figures of an earlier load test. */
import { appendFile, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createLoadTestProbe } from '../../src/adapters/probes/loadTest/index.js';
import { schema as loadTestSchema } from '../../src/adapters/probes/loadTest/schema.js';
import { createLogsProbe } from '../../src/adapters/probes/logs/index.js';
import { schema as logsSchema } from '../../src/adapters/probes/logs/schema.js';
import { checked } from '../../src/adapters/probes/registry.js';
import type { Json } from '../../src/plan/resolved.js';
import { ArtifactStore } from '../../src/platform/artifacts.js';
import { runChild } from '../../src/platform/children.js';
import { Redactor } from '../../src/platform/redaction.js';
import { describeProbe } from '../support/describe-probe.js';
import { noHosts } from '../support/no-hosts.js';
import { subjectOf } from '../support/subject.js';

const STARTED = '2026-01-16T12:00:00.000Z';
const NOW = Date.parse('2026-01-16T12:05:00.000Z');

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-logs-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const logsProbe = (commandsEnabled = true) =>
  checked(logsSchema, createLogsProbe({ ...noHosts, runChild, commandsEnabled, now: () => NOW }));

async function writeLog(name: string, lines: string[]): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `${lines.join('\n')}\n`);
  return path;
}

describeProbe('logs', async () => {
  const file = await writeLog('contract.log', ['2026-01-16T12:01:00Z INFO ready']);
  return {
    probe: logsProbe(),
    subject: subjectOf(folder, undefined, STARTED),
    good: { config: { pattern: 'ready', file }, expect: [{ path: 'count', equals: 1 }] },
    bad: {
      'no such file': { pattern: 'ready', file: join(folder, 'nothing.log') },
      'a folder': { pattern: 'ready', file: folder },
      'a program that fails': { pattern: 'ready', command: ['node', '-e', 'process.exit(3)'] },
      'a program that is not there': { pattern: 'ready', command: ['/no/such/program'] },
      'no pattern': { pattern: '(', file },
      'no source': { pattern: 'ready' },
    },
    hanging: { pattern: 'ready', command: ['node', '-e', 'setInterval(() => {}, 1000)'] },
  };
});

describe('logs', () => {
  const sample = (config: { [key: string]: Json }, probe = logsProbe()) =>
    probe.sample({
      config,
      subject: subjectOf(folder, undefined, STARTED),
      expect: [],
      timeoutMs: 5_000,
      signal: new AbortController().signal,
    });
  const countOf = async (config: { [key: string]: Json }, probe = logsProbe()) => {
    const found = await sample(config, probe);
    return found.kind === 'sample' && typeof found.value === 'object' ? found.value : found;
  };

  it("reads nothing that is the worker's own, not by a link either", async () => {
    vi.stubEnv('CANARY_KEY', 'canary-of-the-worker');
    const link = join(folder, 'linked.log');
    await symlink('/proc/self/environ', link);
    try {
      for (const file of ['/proc/self/environ', link, '/proc/1/cmdline']) {
        const found = await sample({ pattern: '.', file });
        expect(found).toEqual({
          kind: 'error',
          message: `${file} is one of the worker's own files, and no log`,
        });
      }
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it('counts from the start of the rollout on; a line without a time belongs to the one before it', async () => {
    const file = await writeLog('since.log', [
      '2026-01-16T11:59:00Z ERROR before',
      '  ERROR in its stack trace',
      '2026-01-16T12:01:00Z ERROR after',
      '  ERROR in its stack trace',
      '{"time":1768565000000,"msg":"ERROR by pino"}',
    ]);
    expect(await countOf({ pattern: 'ERROR', file })).toMatchObject({ count: 3 });
  });

  it('reads only what was added, and begins anew when the file was replaced', async () => {
    const file = await writeLog('grows.log', ['2026-01-16T12:01:00Z hit']);
    const probe = logsProbe();
    expect(await countOf({ pattern: 'hit', file }, probe)).toMatchObject({ count: 1 });
    await appendFile(file, '2026-01-16T12:02:00Z hit\n2026-01-16T12:03:00Z hi');
    expect(await countOf({ pattern: 'hit', file }, probe)).toMatchObject({ count: 2 });
    await appendFile(file, 't\n');
    expect(await countOf({ pattern: 'hit', file }, probe)).toMatchObject({ count: 3 });
    await rm(file);
    await writeLog('grows.log', ['2026-01-16T12:04:00Z hit']);
    expect(await countOf({ pattern: 'hit', file }, probe)).toMatchObject({ count: 1 });
  });

  it('compares with the hour before the change, and says when it cannot', async () => {
    const before = Array.from(
      { length: 60 },
      (_, minute) => `2026-01-16T11:${String(minute).padStart(2, '0')}:30Z ERROR`,
    );
    const after = Array.from(
      { length: 10 },
      (_, index) => `2026-01-16T12:0${Math.floor(index / 2)}:10Z ERROR`,
    );
    const file = await writeLog('rate.log', [...before, ...after]);
    expect(await countOf({ pattern: 'ERROR', file, comparedTo: 'before' })).toMatchObject({
      rateRatio: expect.closeTo(2, 1),
    });
    const fresh = await writeLog('fresh.log', ['2026-01-16T12:01:00Z ERROR']);
    expect(await sample({ pattern: 'ERROR', file: fresh, comparedTo: 'before' })).toMatchObject({
      kind: 'inconclusive',
    });
  });

  it('runs a program only where the worker allows it, and tells it which release is meant', async () => {
    const command = [
      'node',
      '-e',
      'console.log(process.env.HEADGATE_STAGE + " " + (process.env.AWS_SECRET_ACCESS_KEY ?? "none"))',
    ];
    process.env.AWS_SECRET_ACCESS_KEY = 'canary-credential';
    try {
      expect(await countOf({ pattern: '^staging none$', command })).toMatchObject({ count: 1 });
    } finally {
      delete process.env.AWS_SECRET_ACCESS_KEY;
    }
    const off = await sample({ pattern: 'x', command }, logsProbe(false));
    expect(off).toMatchObject({ kind: 'error', message: expect.stringContaining('--enable command') });
  });
});

const SUMMARY = JSON.stringify({
  metrics: {
    http_req_failed: { passes: 0, fails: 100, value: 0.004, thresholds: {} },
    http_req_duration: { avg: 110, 'p(95)': 139 },
  },
});

const openLoadTest = async () => {
  const artifacts = new ArtifactStore(folder, new Redactor());
  const subject = subjectOf(folder);
  await artifacts.write(subject.context, 'load-test-staging-peak.json', SUMMARY);
  await artifacts.write(subject.context, 'load-test-staging-broken.json', '{"metrics": 1}');
  return {
    probe: checked(loadTestSchema, createLoadTestProbe({ artifacts })),
    subject,
    good: {
      config: { step: 'staging/peak' },
      expect: [
        { metric: 'http_req_failed', path: 'rate', lt: 0.01 },
        { metric: 'http_req_duration', path: 'p(95)', lt: 400 },
      ],
    },
    bad: { 'one that never ran': { step: 'staging/other' }, 'no summary': { step: 'staging/broken' } },
  };
};
describeProbe('loadTest', openLoadTest, { hangs: false });
