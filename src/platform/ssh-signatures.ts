/** Signatures by OpenSSH: made where people are, verified where the list of allowed signers is. OpenSSH 8.2 or newer. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { SIGNATURE_NAMESPACE } from '../contract/signed-text.js';
import { childEnvironment } from './children.js';

const VERIFY_TIMEOUT_MS = 10_000;
/** A certificate with many principals is a few KB. */
export const LONGEST_SIGNATURE = 8 * 1024;
const ARMOUR = /^-----BEGIN SSH SIGNATURE-----\r?\n[A-Za-z0-9+/=\r\n]+-----END SSH SIGNATURE-----\s*$/;
const LONGEST_WHY = 300;

/** Is it one at all? Nothing is said of whose. */
export function looksLikeSignature(text: string): boolean {
  return text.length <= LONGEST_SIGNATURE && ARMOUR.test(text);
}

/**
 * @param key a private key, or a public one whose private half an agent has; a passphrase is asked for at the terminal
 * @returns the signature, armoured
 * @throws Error in ssh-keygen's own words
 */
export async function signText(key: string, text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'headgate-sign-'));
  try {
    const file = join(folder, 'text');
    await writeFile(file, text, { mode: 0o600 });
    const { failed, stderr, exitCode } = await execa(
      'ssh-keygen',
      ['-Y', 'sign', '-f', key, '-n', SIGNATURE_NAMESPACE, file],
      { stdin: 'inherit', reject: false },
    );
    if (failed) throw new Error(`ssh-keygen could not sign with ${key}: ${reasonOf(stderr, exitCode)}`);
    return await readFile(`${file}.sig`, 'utf8');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export type Verdict =
  /** Fingerprint of the key: `SHA256:…`. */
  { key: string } | { why: string };

/**
 * Was `text` signed by a key that the file allows to `by`, now and for this namespace?
 * @throws Error when it could not be found out: no ssh-keygen, no list that can be read
 */
export async function verifySignature(
  allowedSigners: string,
  { by, text, signature }: { by: string; text: string; signature: string },
): Promise<Verdict> {
  if (!looksLikeSignature(signature)) return { why: 'it is no signature of ssh-keygen -Y sign' };
  // A principal is an argument, and a list may hold patterns.
  if (by === '' || /^-|[\s,*?!"\p{Cc}]/u.test(by)) return { why: 'the name is none that can be allowed' };
  await readFile(allowedSigners).catch((error: unknown) => {
    throw new Error(`the list of allowed signers cannot be read: ${String(error)}`);
  });
  const folder = await mkdtemp(join(tmpdir(), 'headgate-verify-'));
  try {
    const file = join(folder, 'signature');
    await writeFile(file, signature, { mode: 0o600 });
    const args = ['-Y', 'verify', '-f', allowedSigners, '-I', by, '-n', SIGNATURE_NAMESPACE, '-s', file];
    const { failed, timedOut, exitCode, stdout, stderr } = await execa('ssh-keygen', args, {
      input: text,
      env: childEnvironment({ LC_ALL: 'C' }),
      extendEnv: false,
      reject: false,
      timeout: VERIFY_TIMEOUT_MS,
    });
    if (timedOut || exitCode === undefined) {
      throw new Error(`ssh-keygen did not verify: ${timedOut ? 'no end' : 'it could not be started'}`);
    }
    const key = / with \S+ key (SHA256:[A-Za-z0-9+/=]+)/.exec(stdout)?.[1];
    return !failed && key ? { key } : { why: reasonOf(stderr || stdout, exitCode) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function reasonOf(said: string, exitCode: number | undefined): string {
  const lines = said.split('\n').filter((line) => line.trim() !== '');
  const line = lines.find((each) => !each.startsWith('Signing file')) ?? `exit code ${exitCode ?? 'none'}`;
  return line.slice(0, LONGEST_WHY);
}
