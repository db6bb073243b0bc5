/**
 * With the actions of examples/aws/worker-policy.json and no others, on moto with IAM enforced. moto compares actions;
 * of resources and conditions it knows too little, so that they are left out here.
 */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createSecretActivities } from '../../src/activities/secret/index.js';
import type { SecretStep } from '../../src/plan/resolved.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { createS3Place } from '../../src/tools/aws/s3-artifacts.js';
import { secretTexts } from '../../src/tools/aws/secret-texts.js';
import { createSecretStore } from '../../src/tools/aws/secrets-manager.js';
import { type Moto, motoIsMissing, startMoto } from '../support/moto.js';

const policy = JSON.parse(
  await readFile(new URL('../../examples/aws/worker-policy.json', import.meta.url), 'utf8'),
);
const allowed: string[] = [
  ...new Set<string>(policy.Statement.flatMap(({ Action }: { Action: string | string[] }) => Action)),
];
const BUCKET = 'headgate-artifacts';

/** What the worker does with a service. `act` rejects when it is denied. */
const DEEDS: { prefix: string; act: (secret: string) => Promise<unknown> }[] = [
  { prefix: 'secretsmanager', act: changeSecret },
  { prefix: 's3', act: keepArtifact },
];
/**
 * moto asks for none of these: it calls no KMS, has no RDS here, lists no missing object, and takes CloudWatch for a
 * service by the name of `monitoring`.
 */
const UNSEEN = /^(kms|rds|cloudwatch):|^s3:ListBucket$/;
/** To a client that speaks JSON moto says in XML that it is denied. With the action the same deed succeeds. */
const DENIED = /the worker's AWS identity may not do this|what answered is not AWS \(SyntaxError\)/;

describe.skipIf(motoIsMissing())('the policy of the example', () => {
  let moto: Moto;
  beforeAll(async () => {
    moto = await startMoto();
    await new S3Client({ forcePathStyle: true }).send(new CreateBucketCommand({ Bucket: BUCKET }));
  });
  afterAll(() => moto.stop());

  /** As a user that may do `actions`; everything that is made before is not asked. */
  async function asUser(actions: string[], work: (secret: string) => Promise<unknown>): Promise<void> {
    const secret = `app-${randomUUID()}`;
    const content = { Name: secret, SecretString: '{"LIMIT": "20"}' };
    await new SecretsManagerClient({}).send(new CreateSecretCommand(content));
    const user = `worker-${randomUUID()}`;
    const document = {
      Version: '2012-10-17',
      Statement: [{ Effect: 'Allow', Action: actions, Resource: '*' }],
    };
    await askIam(moto.url, { Action: 'CreateUser', UserName: user });
    const grant = { UserName: user, PolicyName: 'worker', PolicyDocument: JSON.stringify(document) };
    await askIam(moto.url, { Action: 'PutUserPolicy', ...grant });
    const made = await askIam(moto.url, { Action: 'CreateAccessKey', UserName: user });
    vi.stubEnv('AWS_ACCESS_KEY_ID', /<AccessKeyId>(\w+)</.exec(made)?.[1] ?? '');
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', /<SecretAccessKey>([^<]+)</.exec(made)?.[1] ?? '');
    await enforce(moto.url, '0');
    try {
      await work(secret);
    } finally {
      await enforce(moto.url, 'inf');
      vi.unstubAllEnvs();
    }
  }

  it.each(DEEDS)('lets the worker do all that it does with $prefix', async ({ act }) => {
    await asUser(allowed, act);
  });

  const missing = DEEDS.flatMap(({ prefix, act }) =>
    allowed
      .filter((action) => action.startsWith(`${prefix}:`) && !UNSEEN.test(action))
      .map((action) => ({ action, act })),
  );
  it('has an action of every service to be taken away', () => {
    expect(missing.map(({ action }) => action).sort()).toEqual(
      allowed.filter((action) => !UNSEEN.test(action)).sort(),
    );
  });
  it.each(missing)('without $action it is refused', async ({ action, act }) => {
    const others = allowed.filter((each) => each !== action);
    await expect(asUser(others, act)).rejects.toThrow(DENIED);
  });
});

/** moto takes anybody's word as long as IAM is not enforced. */
async function askIam(url: string, parameters: Record<string, string>): Promise<string> {
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      authorization:
        'AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=0',
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams({ Version: '2010-05-08', ...parameters }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`moto's IAM: ${response.status} ${text}`);
  return text;
}

async function enforce(url: string, afterRequests: string): Promise<void> {
  const response = await fetch(`${url}/moto-api/reset-auth`, { method: 'POST', body: afterRequests });
  if (!response.ok) throw new Error(`moto does not enforce IAM: ${response.status}`);
}

async function changeSecret(id: string): Promise<void> {
  const secrets = createSecretStore();
  const references = new References({
    allowed: [],
    env: {},
    readSecret: secrets.readKey.bind(secrets),
    redactor: new Redactor(),
  });
  const activities = createSecretActivities({ secrets, texts: secretTexts, references });
  const step: SecretStep = {
    kind: 'secret',
    id: 'secret',
    stage: 'production',
    name: 'production/secret',
    onRollback: 'revert',
    config: { awsSecretsManager: { id, region: 'us-east-1' }, set: { LIMIT: '50' } },
  };
  const context = { application: 'app', version: 'v2', runId: 'run-1', directory: '/', startedBy: 'ana' };
  const { found: base } = await activities.lookSecret({ context, step });
  const call = { context, step, base };
  await activities.putSecret(call);
  expect(await activities.verifySecret(call)).toMatchObject({ outcome: 'pass' });
  expect(await activities.undoSecret(call)).toMatchObject({ changed: true });
  await activities.settleSecret(call);
}

async function keepArtifact(): Promise<void> {
  await createS3Place({ bucket: BUCKET, prefix: 'team' }).examine();
}
