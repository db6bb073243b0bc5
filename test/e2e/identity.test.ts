/** Signed approvals from outside: two people with SSH keys, a worker that knows them, and one who tries. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Progress } from '../../src/contract/progress.js';
import { Product, type Running } from '../support/product.js';
import { createKey } from '../support/sshd.js';
import { startTemporal } from '../support/temporal.js';

const PLAN = `apiVersion: headgate/v1
application: signed
version: v1
probes:
  there: { command: { argv: [printf, '{"there":true}'] }, expect: { path: there, equals: true } }
stages:
  - name: production
    steps:
      - approval: { identity: ssh, approvers: [ben@example.com], notInitiator: true }
      - check: { probes: [there] }
`;

let env: TestWorkflowEnvironment;
let folder: string;
let product: Product;
let worker: Running;
const file = (name: string) => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-identity-'));
  const lines: string[] = [];
  for (const name of ['ana', 'ben']) {
    createKey(file(name));
    const [type, key] = (await readFile(file(`${name}.pub`), 'utf8')).split(' ');
    lines.push(`${name}@example.com ${type} ${key}`);
  }
  await writeFile(file('allowed_signers'), `${lines.join('\n')}\n`);
  await writeFile(file('rollout.yaml'), PLAN);
  env = await startTemporal();
  product = await Product.create({
    TEMPORAL_ADDRESS: env.address,
    HEADGATE_ALLOWED_SIGNERS: file('allowed_signers'),
  });
  worker = product.spawn('worker', '--enable', 'command');
  await worker.untilOutput('ready: polling');
});
afterAll(async () => {
  worker?.child.kill('SIGTERM');
  await worker?.ended;
  await product?.remove();
  await env?.teardown();
  await rm(folder, { recursive: true, force: true });
});

const as = (name: string) => ['--by', `${name}@example.com`, '--key', file(name)];

test('the initiator cannot approve, an unsigned name cannot, the colleague can', async () => {
  const unsigned = await product.run('start', file('rollout.yaml'), '--by', 'ana@example.com', '--watch');
  expect([unsigned.code, unsigned.stdout + unsigned.stderr]).toEqual([
    5,
    expect.stringContaining('the start has to be signed'),
  ]);

  const started = await product.run('start', file('rollout.yaml'), ...as('ana'));
  expect(started.code, started.stderr).toBe(0);
  const watching = product.spawn('watch', 'signed', '--json');
  await watching.untilLine(({ status }) => status === 'waiting');
  const status = await product.run('status', 'signed');
  const digest = /--digest ([0-9a-f]{8}) --by NAME --key FILE/.exec(status.stdout)?.[1] ?? '';
  const approve = (...who: string[]) => product.run('approve', 'signed', '--digest', digest, '--yes', ...who);

  const typed = await approve('--by', 'ben@example.com');
  expect([typed.code, typed.stderr]).toEqual([5, expect.stringContaining('takes signed answers only')]);
  const own = await approve(...as('ana'));
  expect([own.code, own.stderr]).toEqual([5, expect.stringContaining('is none of the approvers')]);
  const borrowed = await approve('--by', 'ben@example.com', '--key', file('ana'));
  expect([borrowed.code, borrowed.stderr]).toEqual([
    5,
    expect.stringContaining('the signature is none of ben@example.com'),
  ]);
  const approved = await approve(...as('ben'));
  expect(approved.code, approved.stderr).toBe(0);
  expect((await watching.ended).code).toBe(0);

  const report = await product.run('report', 'signed', '--format', 'json');
  const { approvals } = JSON.parse(report.stdout) as { approvals: unknown[] };
  expect(approvals).toMatchObject([
    { by: 'ben@example.com', answer: 'approved', verified: true, key: expect.stringContaining('SHA256:') },
  ]);
});

test('what was answered to an earlier run is none for the next one, and a run that has ended takes none', async () => {
  const [first] = (await product.run('list', '--json')).lines.filter(({ type }) => type === 'rollout');
  const ended = `signed/${String(first?.runId)}`;
  const late = await product.run('approve', ended, '--digest', '00000000', '--yes', ...as('ben'));
  expect([late.code, late.stderr]).toEqual([
    5,
    expect.stringContaining('No gate of signed waits for approve'),
  ]);

  expect((await product.run('start', file('rollout.yaml'), ...as('ana'))).code).toBe(0);
  const watching = product.spawn('watch', 'signed', '--json');
  await watching.untilLine(({ status }) => status === 'waiting');
  const handle = env.client.workflow.getHandle('rollout/signed');
  const { waiting, runId } = await handle.query<Progress>('progress');
  expect(runId).not.toBe(first?.runId);
  // Whoever can read the history has the signature of then.
  const history = await env.client.workflow.getHandle('rollout/signed', String(first?.runId)).fetchHistory();
  const { gate = '', digest = '' } = waiting ?? {};
  const given = signaturesIn(history);
  expect(given.length).toBeGreaterThan(0);
  for (const signature of given) {
    const replayed = { gate, digest, by: 'ben@example.com', signature };
    await expect(handle.executeUpdate('approve', { args: [replayed] })).rejects.toMatchObject({
      cause: { message: expect.stringContaining('the signature is none of ben@example.com') },
    });
  }
  const shown = await product.run('status', 'signed');
  expect(shown.stdout).toContain('ignored approve: the signature is none of ben@example.com');
  expect((await product.run('abort', 'signed', '--by', 'ana')).code).toBe(0);
  expect((await watching.ended).code).toBe(1);
});

function signaturesIn(history: unknown): string[] {
  const payloads = JSON.stringify(history).matchAll(/"data":"([^"]+)"/g);
  return [...payloads].flatMap(([, data = '']) => {
    const text = Buffer.from(data, 'base64').toString('utf8');
    const found = /"signature":("-----BEGIN SSH SIGNATURE(?:[^"\\]|\\.)*")/.exec(text)?.[1];
    return found === undefined ? [] : [String(JSON.parse(found))];
  });
}
