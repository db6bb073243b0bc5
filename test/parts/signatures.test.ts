/** Signed starts and answers with the system's ssh-keygen: who may sign is what the worker's list says, and nothing else. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createIdentityActivities } from '../../src/activities/identity.js';
import {
  type SignedAnswer,
  type SignedStart,
  textOfAnswer,
  textOfStart,
} from '../../src/contract/signed-text.js';
import { signText, verifySignature } from '../../src/platform/ssh-signatures.js';
import { createKey } from '../support/sshd.js';

const ANSWER: SignedAnswer = {
  answer: 'approve',
  application: 'shop',
  runId: 'run-1',
  gate: 'production/approval',
  evidenceSha256: 'a'.repeat(64),
  by: 'ana@example.com',
};
const START: SignedStart = {
  application: 'shop',
  version: 'v1.0.1',
  planDigest: 'b'.repeat(64),
  by: 'ana@example.com',
  at: '2026-01-16T12:00:00.000Z',
};

let folder: string;
let signers: string;
const keyOf = (name: string) => join(folder, name);
const publicKey = async (name: string) =>
  (await readFile(`${keyOf(name)}.pub`, 'utf8')).split(' ').slice(0, 2).join(' ');

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-signers-'));
  signers = join(folder, 'allowed_signers');
  for (const name of ['ana', 'ben', 'former', 'git', 'mallory']) createKey(keyOf(name));
  const lines = [
    '# who may approve',
    `ana@example.com ${await publicKey('ana')}`,
    `ben@example.com,ben@mobile.example.com namespaces="headgate" ${await publicKey('ben')}`,
    `former@example.com valid-before="20250101" ${await publicKey('former')}`,
    `git@example.com namespaces="git" ${await publicKey('git')}`,
  ];
  await writeFile(signers, `${lines.join('\n')}\n`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const activities = (allowedSigners: string | undefined = signers) =>
  createIdentityActivities({ allowedSigners, verifySignature });
const fingerprintOf = (name: string) =>
  execFileSync('ssh-keygen', ['-l', '-f', `${keyOf(name)}.pub`], { encoding: 'utf8' }).split(' ')[1];
const sign = (name: string, answer: SignedAnswer = ANSWER) => signText(keyOf(name), textOfAnswer(answer));

describe('a signed answer', () => {
  it('is verified, and its key named', async () => {
    const verdict = await activities().verifyAnswer({ answer: ANSWER, signature: await sign('ana') });
    expect(verdict).toEqual({ key: fingerprintOf('ana') });
  });

  it('may be made with what an agent holds, named by the public half', async () => {
    const agent = execFileSync('ssh-agent', ['-s'], { encoding: 'utf8' });
    const socket = /SSH_AUTH_SOCK=([^;]+)/.exec(agent)?.[1] ?? '';
    const pid = Number(/SSH_AGENT_PID=(\d+)/.exec(agent)?.[1]);
    const before = process.env.SSH_AUTH_SOCK;
    try {
      process.env.SSH_AUTH_SOCK = socket;
      execFileSync('ssh-add', ['-q', keyOf('ana')]);
      const signature = await signText(`${keyOf('ana')}.pub`, textOfAnswer(ANSWER));
      expect(await activities().verifyAnswer({ answer: ANSWER, signature })).toHaveProperty('key');
    } finally {
      if (before === undefined) delete process.env.SSH_AUTH_SOCK;
      else process.env.SSH_AUTH_SOCK = before;
      process.kill(pid);
    }
  });

  it.each([
    ['for another run', { runId: 'run-2' }],
    ['for another application', { application: 'bank' }],
    ['for another gate', { gate: 'production/second' }],
    ['for other evidence', { evidenceSha256: 'c'.repeat(64) }],
    ['the other way round', { answer: 'reject' as const }],
    ['with another reason', { reason: 'looks good' }],
    ['by another person', { by: 'ben@example.com' }],
  ])('is worth nothing %s', async (_what, change) => {
    const signature = await sign('ana');
    const verdict = await activities().verifyAnswer({ answer: { ...ANSWER, ...change }, signature });
    expect(verdict).toHaveProperty('why');
  });

  it.each([
    ['somebody who is not on the list', 'mallory', 'ana@example.com'],
    ['a key that was valid once', 'former', 'former@example.com'],
    ['a key that may sign other things', 'git', 'git@example.com'],
  ])('of %s is refused', async (_what, key, by) => {
    const answer = { ...ANSWER, by };
    expect(await activities().verifyAnswer({ answer, signature: await sign(key, answer) })).toHaveProperty(
      'why',
    );
  });

  it('made for another purpose is refused', async () => {
    const file = join(folder, 'text');
    await writeFile(file, textOfAnswer(ANSWER));
    execFileSync('ssh-keygen', ['-Y', 'sign', '-f', keyOf('ana'), '-n', 'git', file], { stdio: 'ignore' });
    const signature = await readFile(`${file}.sig`, 'utf8');
    expect(await activities().verifyAnswer({ answer: ANSWER, signature })).toHaveProperty('why');
  });

  it('that was altered is refused, whatever was altered', async () => {
    const signature = await sign('ana');
    const lines = signature.split('\n');
    const altered = [
      '',
      'yes',
      signature.slice(0, -60),
      lines.map((line, index) => (index === 2 ? line.split('').reverse().join('') : line)).join('\n'),
      `${signature}${signature}`,
      signature.replace('BEGIN', 'begin'),
      `${signature}\n-oProxyCommand=touch /tmp/x`,
      'A'.repeat(100_000),
    ];
    for (const each of altered) {
      expect(
        await activities().verifyAnswer({ answer: ANSWER, signature: each }),
        each.slice(0, 40),
      ).toHaveProperty('why');
    }
  });

  it.each([
    '*@example.com',
    '-Osomething',
    'ana@example.com,ben@example.com',
    '',
    'ana\nben',
    'a b',
    '?na@example.com',
  ])('under the name %j is refused', async (by) => {
    const answer = { ...ANSWER, by };
    expect(await activities().verifyAnswer({ answer, signature: await sign('ana', answer) })).toEqual({
      why: 'the name is none that can be allowed',
    });
  });
});

describe('a signed start', () => {
  it('is verified, and its key named', async () => {
    const signature = await signText(keyOf('ana'), textOfStart(START));
    expect(await activities().verifyStart({ signed: { ...START, signature } })).toEqual({
      key: fingerprintOf('ana'),
    });
  });

  it.each([
    ['version', { version: 'v1.0.2' }],
    ['plan', { planDigest: 'd'.repeat(64) }],
    ['time', { at: '2026-01-16T12:00:01.000Z' }],
    ['name', { by: 'ben@example.com' }],
  ])('is refused with another %s', async (_what, change) => {
    const signature = await signText(keyOf('ana'), textOfStart(START));
    const start = activities().verifyStart({ signed: { ...START, ...change, signature } });
    await expect(start).rejects.toMatchObject({ type: 'Refused', nonRetryable: true });
  });

  it('an answer is none, and a start is no answer', async () => {
    const signature = await signText(keyOf('ana'), textOfStart(START));
    expect(await activities().verifyAnswer({ answer: ANSWER, signature })).toHaveProperty('why');
  });
});

describe('a worker', () => {
  it('without a list refuses the rollout, and says what is missing', async () => {
    const nobody = createIdentityActivities({ allowedSigners: undefined, verifySignature });
    await expect(nobody.verifyStart({})).rejects.toMatchObject({
      type: 'Refused',
      message: expect.stringContaining('HEADGATE_ALLOWED_SIGNERS'),
    });
  });

  it('whose list is gone cannot tell, which is no verdict', async () => {
    const signature = await sign('ana');
    await expect(
      activities(join(folder, 'nowhere')).verifyAnswer({ answer: ANSWER, signature }),
    ).rejects.toThrow(/allowed signers cannot be read/);
  });
});

it('a key that is not there is said in ssh-keygen’s own words', async () => {
  await expect(signText(join(folder, 'none'), 'text')).rejects.toThrow(/could not sign with .*none/);
});
