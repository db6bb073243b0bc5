import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ArtifactStore } from '../../../src/platform/artifacts.js';
import { Redactor } from '../../../src/platform/redaction.js';

const context = { application: 'shop', runId: 'run-1' };
let home: string;
let store: ArtifactStore;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'headgate-artifacts-'));
  const redactor = new Redactor();
  redactor.add('canary-secret');
  store = new ArtifactStore(home, redactor);
});
afterEach(async () => {
  await rm(home, { recursive: true, force: true });
});

const mode = async (path: string) => (await stat(path)).mode & 0o777;

it('writes for its owner only, redacted, with the digest of what is there', async () => {
  const { path, sha256, bytes } = await store.write(context, 'diagnostics/live.log', 'token canary-secret');
  const content = await readFile(path);
  expect(content.toString()).toBe('token [redacted]');
  expect(path).toBe(join(home, 'artifacts/shop/run-1/diagnostics/live.log'));
  expect(sha256).toBe(createHash('sha256').update(content).digest('hex'));
  expect(bytes).toBe(content.length);
  expect(await mode(path)).toBe(0o600);
  expect(await mode(dirname(path))).toBe(0o700);
  expect(await mode(store.folder(context))).toBe(0o700);
  expect(await readdir(dirname(path))).toEqual(['live.log']);
});

it('redacts bytes that are text and keeps those that are not', async () => {
  await store.write(context, 'text', Buffer.from('canary-secret'));
  const { path } = await store.write(context, 'binary', Uint8Array.of(0xff, 0xfe, 0));
  expect(await store.read(context, 'text')).toBe('[redacted]');
  expect(await readFile(path)).toEqual(Buffer.from([0xff, 0xfe, 0]));
});

it('takes in a file line by line, packed when asked', async () => {
  const source = join(home, 'source');
  await writeFile(source, 'one\nurl?token=canary-secret\n');
  const { path, bytes } = await store.adopt(context, 'series.json.gz', source, { gzip: true });
  const packed = await readFile(path);
  expect(packed.length).toBe(bytes);
  expect(gunzipSync(packed).toString()).toBe('one\nurl?token=[redacted]\n');
  expect(await mode(path)).toBe(0o600);
});

it('reads what is there, and undefined for what is not', async () => {
  await store.write(context, 'report.md', 'fine');
  expect(await store.read(context, 'report.md')).toBe('fine');
  expect(await store.read(context, 'other.md')).toBeUndefined();
});

it.each(['../escape', '/etc/passwd', 'a/../../b', '.'])('refuses the name %s', async (name) => {
  await expect(store.write(context, name, 'x')).rejects.toThrow(/leads out/);
});

it.each(['..', 'a/b', ''])('refuses the application %j', (application) => {
  expect(() => store.folder({ ...context, application })).toThrow(/cannot name a folder/);
});
