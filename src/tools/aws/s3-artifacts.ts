/**
 * Artifacts in an S3 bucket, for workers that share no disk. An object is sent as a whole in one request with its
 * sha256, which S3 compares: it is there as it was meant, or not at all.
 */
import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { ApplicationFailure } from '@temporalio/common';
import type { ArtifactPlace } from '../../platform/artifacts.js';
import { type AwsOptions, clientsByRegion } from './clients.js';
import { describeAwsError, isAwsError } from './errors.js';

export interface S3Address {
  bucket: string;
  /** Without slashes at its ends; empty for the whole bucket. */
  prefix: string;
}

/** A file of any size takes its time; a connection over which nothing goes is given up. */
const REQUEST_TIMEOUT_MS = 10 * 60_000;
const IDLE_TIMEOUT_MS = 6_000;
/** Before another attempt. The activity is repeated besides. */
const PAUSES_MS = [200, 1_000];

const ADVICE = {
  missing: 'Create the bucket, or correct HEADGATE_ARTIFACTS of the worker.',
  denied: 'Allow it s3:PutObject and s3:GetObject on the prefix, and s3:ListBucket on the bucket.',
};

/** @throws of every method: ApplicationFailure `Invalid` where repeating does not help; a plain Error where it does */
export function createS3Place({ bucket, prefix }: S3Address, options: AwsOptions = {}): ArtifactPlace {
  const clientOf = clientsByRegion(
    (config) =>
      new S3Client({
        ...config,
        requestHandler: {
          ...config.requestHandler,
          requestTimeout: REQUEST_TIMEOUT_MS,
          socketTimeout: IDLE_TIMEOUT_MS,
        },
        followRegionRedirects: true,
        forcePathStyle: hasOwnEndpoint(options),
        // A body that is read from a file cannot be sent again by the SDK; here everything is.
        maxAttempts: 1,
      }),
    options,
  );
  const address = prefix === '' ? `s3://${bucket}` : `s3://${bucket}/${prefix}`;
  const place = (key: string) => ({ Bucket: bucket, Key: prefix === '' ? key : `${prefix}/${key}` });

  async function send<T>(what: string, request: (client: S3Client) => Promise<T>): Promise<T> {
    for (const pauseMs of [...PAUSES_MS, undefined]) {
      try {
        return await request(clientOf(undefined));
      } catch (error) {
        const described = describeAwsError(error, what, ADVICE);
        if (described instanceof ApplicationFailure || pauseMs === undefined) throw described;
        await sleep(pauseMs);
      }
    }
    throw new TypeError('the last attempt returns or throws');
  }

  async function read(key: string): Promise<Buffer | undefined> {
    return send(`Artifact ${address}/${key}`, async (client) => {
      try {
        const { Body } = await client.send(new GetObjectCommand(place(key)));
        return Body && Buffer.from(await Body.transformToByteArray());
      } catch (error) {
        if (isAwsError(error, 'NoSuchKey')) return undefined;
        throw error;
      }
    });
  }

  const put: ArtifactPlace['put'] = async (key, { body, sha256, bytes }) => {
    await send(`Artifact ${address}/${key}`, (client) =>
      client.send(
        new PutObjectCommand({
          ...place(key),
          Body: typeof body === 'string' ? createReadStream(body) : body,
          ContentLength: bytes,
          ContentType: contentType(key),
          ChecksumAlgorithm: 'SHA256',
          ChecksumSHA256: Buffer.from(sha256, 'hex').toString('base64'),
        }),
      ),
    );
  };

  return {
    address,
    isRemote: true,
    put,
    read,
    async examine() {
      await put('.headgate-doctor', { body: Buffer.alloc(0), sha256: SHA256_OF_NOTHING, bytes: 0 });
      // Without s3:ListBucket the answer to what is not there is that it may not be read.
      await read(`.headgate-doctor-${randomUUID()}`);
    },
  };
}

const SHA256_OF_NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

/** What stands in for AWS knows buckets by path only. */
function hasOwnEndpoint({ endpoint }: AwsOptions): boolean {
  const { AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL } = process.env;
  return Boolean(endpoint || AWS_ENDPOINT_URL_S3 || AWS_ENDPOINT_URL);
}

/** So that a browser shows what is text. */
function contentType(key: string): string {
  if (key.endsWith('.gz')) return 'application/gzip';
  if (key.endsWith('.json')) return 'application/json';
  return /\.(md|log|txt|ndjson)$/.test(key) ? 'text/plain; charset=utf-8' : 'application/octet-stream';
}
