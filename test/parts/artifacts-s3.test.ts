/** Artifacts in a bucket: moto's S3, and a proxy before it that fails, cuts and is silent. */
import { createHash } from 'node:crypto';
import { mkdtemp, open, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import {
  CreateBucketCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createEvidenceActivities } from '../../src/activities/evidence.js';
import { createExamineActivities } from '../../src/activities/examine.js';
import { createLoadTestProbe } from '../../src/adapters/probes/loadTest/index.js';
import { ArtifactStore } from '../../src/platform/artifacts.js';
import { Redactor } from '../../src/platform/redaction.js';
import { loadSettings } from '../../src/platform/settings.js';
import { createArtifactStore } from '../../src/tools/aws/artifact-store.js';
import { createS3Place } from '../../src/tools/aws/s3-artifacts.js';
import { type FaultProxy, type HttpFault, startFaultProxy } from '../support/fault-proxy.js';
import { type Moto, motoIsMissing, startMoto } from '../support/moto.js';
import { subjectOf } from '../support/subject.js';

const owner = { application: 'shop', runId: 'run-1' };
const place = { bucket: 'headgate-artifacts', prefix: 'team/a' };
const OF_RUN = 's3://headgate-artifacts/team/a/shop/run-1';

describe.skipIf(motoIsMissing())('artifacts in a bucket', () => {
  let moto: Moto;
  let client: S3Client;
  let store: ArtifactStore;
  let folder: string;

  beforeAll(async () => {
    moto = await startMoto();
    client = new S3Client({ forcePathStyle: true });
    await client.send(new CreateBucketCommand({ Bucket: place.bucket }));
  });
  afterAll(async () => {
    client.destroy();
    await moto.stop();
  });
  beforeEach(async () => {
    const redactor = new Redactor();
    redactor.add('canary-secret');
    store = new ArtifactStore(createS3Place(place), redactor);
    folder = await mkdtemp(join(tmpdir(), 'headgate-s3-'));
    return () => rm(folder, { recursive: true, force: true });
  });

  async function objectAt(name: string): Promise<Buffer> {
    const key = `team/a/shop/run-1/${name}`;
    const { Body } = await client.send(new GetObjectCommand({ Bucket: place.bucket, Key: key }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  }

  async function keys(): Promise<string[]> {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket: place.bucket }));
    return Contents.map(({ Key = '' }) => Key);
  }

  it('have the names that they have in a folder, redacted, with the digest of what is there', async () => {
    const { path, sha256, bytes } = await store.write(owner, 'diagnostics/live.log', 'token canary-secret é');
    const content = await objectAt('diagnostics/live.log');
    expect(content.toString()).toBe('token [redacted] é');
    expect([path, bytes]).toEqual([`${OF_RUN}/diagnostics/live.log`, content.length]);
    expect(sha256).toBe(createHash('sha256').update(content).digest('hex'));
    const head = await client.send(
      new HeadObjectCommand({
        Bucket: place.bucket,
        Key: 'team/a/shop/run-1/diagnostics/live.log',
        ChecksumMode: 'ENABLED',
      }),
    );
    expect(head.ChecksumSHA256).toBe(Buffer.from(sha256, 'hex').toString('base64'));
    expect(head.ContentType).toBe('text/plain; charset=utf-8');
  });

  it('are read back, replaced as a whole, and undefined where there are none', async () => {
    await store.write(owner, 'report.md', 'one');
    await store.write(owner, 'report.md', 'two');
    expect(await store.read(owner, 'report.md')).toBe('two');
    expect(await store.read(owner, 'none.md')).toBeUndefined();
  });

  it('take in a file line by line, packed, and leave nothing behind', async () => {
    const source = join(folder, 'series');
    await writeFile(source, 'one\nurl?token=canary-secret\n');
    const before = (await readdir(tmpdir())).filter((name) => name.startsWith('headgate-artifact-'));
    const { sha256 } = await store.adopt(owner, 'series.json.gz', source, { gzip: true });
    const packed = await objectAt('series.json.gz');
    expect(gunzipSync(packed).toString()).toBe('one\nurl?token=[redacted]\n');
    expect(createHash('sha256').update(packed).digest('hex')).toBe(sha256);
    const after = (await readdir(tmpdir())).filter((name) => name.startsWith('headgate-artifact-'));
    expect(after.filter((name) => !before.includes(name))).toEqual([]);
  });

  it('of a hundred megabytes go through without being held', async () => {
    const source = join(folder, 'series');
    const file = await open(source, 'w');
    const line = `${JSON.stringify({ metric: 'http_req_duration', x: 'y'.repeat(970) })}\n`;
    for (let written = 0; written < 100; written += 1) await file.write(line.repeat(1_000));
    await file.close();
    let peak = 0;
    const held = () => process.memoryUsage().arrayBuffers + process.memoryUsage().heapUsed;
    const before = held();
    const timer = setInterval(() => {
      peak = Math.max(peak, held());
    }, 5);
    const { bytes } = await store.adopt(owner, 'series.json', source);
    clearInterval(timer);
    console.info(`100 MB: ${Math.round((peak - before) / 1e6)} MB held at most`);
    expect(bytes).toBeGreaterThan(95_000_000);
    expect(peak).toBeGreaterThan(0);
    expect(peak - before).toBeLessThan(80_000_000);
    expect((await objectAt('series.json')).length).toBe(bytes);
  });

  it('lie at the top of a bucket when no prefix is given, and settings say which', async () => {
    const settings = loadSettings({ HEADGATE_ARTIFACTS: `s3://${place.bucket}` });
    const { path } = await createArtifactStore(settings, new Redactor()).write(owner, 'top.txt', 'x');
    expect(path).toBe(`s3://${place.bucket}/shop/run-1/top.txt`);
    expect(await keys()).toContain('shop/run-1/top.txt');
  });

  it('are named in results by their whole addresses', async () => {
    const { context } = subjectOf('/nowhere');
    const evidence = await createEvidenceActivities({ artifacts: store }).composeEvidence({
      context: { ...context, ...owner },
      gate: 'production/approval',
      approval: { timeoutMs: 1, approvals: 1, notInitiator: false, covers: [] },
      ...{ planDigest: 'd', overrides: {}, looks: [], results: [], compensations: [] },
    });
    expect(evidence.artifact).toBe(`${OF_RUN}/evidence-production-approval.json`);
    expect(JSON.parse((await objectAt('evidence-production-approval.json')).toString())).toMatchObject({
      digest: evidence.digest,
    });
  });

  it('are what a loadTest probe judges by', async () => {
    const { context, ...subject } = subjectOf('/nowhere');
    const summary = { metrics: { http_reqs: { count: 7 } } };
    await store.write(owner, 'load-test-staging-loadTest.json', JSON.stringify(summary));
    const sample = await createLoadTestProbe({ artifacts: store }).sample({
      config: { step: 'staging/loadTest' },
      subject: { ...subject, context: { ...context, ...owner } },
      signal: new AbortController().signal,
      timeoutMs: 1_000,
    } as never);
    expect(sample).toMatchObject({ kind: 'sample', value: { http_reqs: { count: 7 } } });
  });

  /** An identity that may do nothing. */
  async function createUser(name: string) {
    const ask = async (parameters: Record<string, string>) => {
      const credential =
        'Credential=testing/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=x';
      const reply = await fetch(moto.url, {
        method: 'POST',
        headers: { authorization: `AWS4-HMAC-SHA256 ${credential}` },
        body: new URLSearchParams({ Version: '2010-05-08', UserName: name, ...parameters }),
      });
      return reply.text();
    };
    await ask({ Action: 'CreateUser' });
    const made = await ask({ Action: 'CreateAccessKey' });
    return {
      AWS_ACCESS_KEY_ID: /<AccessKeyId>(.*?)</.exec(made)?.[1] ?? '',
      AWS_SECRET_ACCESS_KEY: /<SecretAccessKey>(.*?)</.exec(made)?.[1] ?? '',
    };
  }

  describe('that cannot be kept', () => {
    const finding = async (of: ArtifactStore) => {
      const settings = { ...loadSettings({}), allowedReferences: ['X'] };
      const activities = createExamineActivities({ settings, env: {}, tools: [], artifacts: of });
      return (await activities.examineWorker()).find(({ what }) => what.startsWith('artifact'));
    };

    it('doctor says that it can be written, and writes beside no rollout', async () => {
      expect(await finding(store)).toEqual({
        what: 'artifact bucket',
        status: 'ok',
        detail: 's3://headgate-artifacts/team/a',
      });
      expect(await keys()).toContain('team/a/.headgate-doctor');
    });

    it('for want of a bucket say so at once, to doctor too', async () => {
      const lost = new ArtifactStore(createS3Place({ ...place, bucket: 'nobodys-bucket' }), new Redactor());
      const failing = lost.write(owner, 'report.md', 'x');
      await expect(failing).rejects.toMatchObject({
        type: 'Invalid',
        nonRetryable: true,
        message:
          'Artifact s3://nobodys-bucket/team/a/shop/run-1/report.md was not found. Create the bucket, or correct HEADGATE_ARTIFACTS of the worker.',
      });
      await expect(lost.read(owner, 'report.md')).rejects.toMatchObject({ type: 'Invalid' });
      expect(await finding(lost)).toMatchObject({ what: 'artifact bucket', status: 'missing' });
    });

    it('for want of permission name what has to be allowed', async () => {
      const key = await createUser('worker');
      const auth = (count: string) =>
        fetch(`${moto.url}/moto-api/reset-auth`, { method: 'POST', body: count });
      const before = { ...process.env };
      Object.assign(process.env, key);
      const denied = new ArtifactStore(createS3Place(place), new Redactor());
      try {
        // From the next call on moto asks who calls.
        await auth('0');
        await expect(denied.write(owner, 'report.md', 'x')).rejects.toMatchObject({
          type: 'Invalid',
          message: `Artifact ${OF_RUN}/report.md: the worker's AWS identity may not do this (AccessDenied). Allow it s3:PutObject and s3:GetObject on the prefix, and s3:ListBucket on the bucket.`,
        });
        expect(await finding(denied)).toMatchObject({ what: 'artifact bucket', status: 'notPermitted' });
      } finally {
        await auth('inf');
        Object.assign(process.env, before);
      }
    });
  });

  describe('behind an S3 that fails', () => {
    let proxy: FaultProxy;
    beforeEach(async () => {
      proxy = await startFaultProxy(moto.url);
      store = new ArtifactStore(createS3Place(place, { endpoint: proxy.url }), new Redactor());
      return () => proxy.close();
    });
    const sent = () => proxy.calls.filter(({ target }) => target.startsWith('PUT'));
    const FAULTS = [
      'status 500',
      'cut before forwarding',
      'cut after forwarding',
    ] as const satisfies HttpFault[];

    it.each(FAULTS)('%s twice: nobody notices, whether of bytes or of a file', async (fault) => {
      const source = join(folder, 'series');
      await writeFile(source, `${fault}\n`.repeat(100_000));
      proxy.rules.push({ match: ({ target }) => target.includes('bytes'), times: 2, fault });
      proxy.rules.push({ match: ({ target }) => target.includes('series'), times: 2, fault });
      await store.write(owner, 'bytes', fault);
      await store.adopt(owner, 'series', source);
      expect(sent()).toHaveLength(6);
      expect((await objectAt('bytes')).toString()).toBe(fault);
      expect((await objectAt('series')).toString()).toBe(`${fault}\n`.repeat(100_000));
    });

    it.each(FAULTS)('%s every time: an error that may be repeated, after three attempts', async (fault) => {
      proxy.rules.push({ match: () => true, fault });
      const error = await store.write(owner, 'lost', 'x').catch((thrown: Error) => thrown);
      expect(error).toMatchObject({ name: 'Error', message: expect.stringContaining(`${OF_RUN}/lost: AWS`) });
      expect(sent()).toHaveLength(3);
    });

    it('an answer that does not come is given up and asked for again', async () => {
      await store.write(owner, 'slow', 'there');
      proxy.rules.push({ match: () => true, times: 1, fault: { slowMs: 60_000 } });
      expect(await store.read(owner, 'slow')).toBe('there');
      expect(proxy.calls.filter(({ target }) => target.startsWith('GET'))).toHaveLength(2);
    });
  });
});
