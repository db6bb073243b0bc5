import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createSecretActivities } from '../../src/activities/secret/index.js';
import type { SecretCall } from '../../src/activities/secret/versions.js';
import type { SecretStep } from '../../src/plan/resolved.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { readMembers } from '../../src/tools/aws/json-text.js';
import { secretTexts } from '../../src/tools/aws/secret-texts.js';
import { createSecretStore, type SecretStore } from '../../src/tools/aws/secrets-manager.js';
import { type Moto, motoIsMissing, startMoto } from '../support/moto.js';

/** Thirty keys as somebody else wrote them: what a parser would write back differently is among them. */
const others = [
  '"FLOAT": 1.0',
  '"HUGE": 1e400',
  '"LONG": 12345678901234567890',
  '"UNICODE": "caf\\u00e9 \\/ }{"',
  '"NESTED": { "list": [1.50, {"a": "]}"}] }',
  ...Array.from({ length: 25 }, (_unused, index) => `"KEY_${index}": "canary-stored-${index}"`),
];
const original = `{\n  "DB_CONNECTION_LIMIT": "20",\n  ${others.join(',\n  ')}\n}\n`;

const set = { DB_CONNECTION_LIMIT: '50', DB_POOL_TIMEOUT: '30' };

let client: SecretsManagerClient;
let store: SecretStore;
let id: string;
let count = 0;

function createActivities(secrets: SecretStore = store, env: NodeJS.ProcessEnv = {}) {
  const references = new References({
    allowed: ['DB_PASSWORD'],
    env,
    readSecret: secrets.readKey.bind(secrets),
    redactor: new Redactor(),
  });
  return createSecretActivities({ secrets, texts: secretTexts, references });
}

function inputOf(values: Record<string, string> = set) {
  const step: SecretStep = {
    kind: 'secret',
    id: 'secret',
    stage: 'production',
    name: 'production/secret',
    onRollback: 'revert',
    config: { awsSecretsManager: { id, region: 'us-east-1' }, set: values },
  };
  const context = { application: 'app', version: 'v2', runId: 'run-1', directory: '/', startedBy: 'ana' };
  return { context, step };
}

async function lookAt(input = inputOf()): Promise<SecretCall> {
  const { found } = await createActivities().lookSecret(input);
  return { ...input, base: found };
}

async function readCurrent(): Promise<{ text: string; versionId: string }> {
  const found = await client.send(new GetSecretValueCommand({ SecretId: id, VersionStage: 'AWSCURRENT' }));
  return { text: found.SecretString ?? '', versionId: found.VersionId ?? '' };
}

async function readLabels(): Promise<string[]> {
  const { VersionIdsToStages } = await client.send(new DescribeSecretCommand({ SecretId: id }));
  return Object.values(VersionIdsToStages ?? {}).flat();
}

/**
 * Somebody else puts a new current version. In two calls: after AWSCURRENT was moved once, the emulator's
 * PutSecretValue leaves it on two versions.
 */
async function putForeign(content: string | Buffer): Promise<string> {
  const { currentVersionId: from } = await store.describe({ id });
  const put = await client.send(
    new PutSecretValueCommand({
      SecretId: id,
      VersionStages: ['foreign'],
      ...(typeof content === 'string' ? { SecretString: content } : { SecretBinary: content }),
    }),
  );
  const to = put.VersionId ?? '';
  expect(await store.moveCurrent({ id }, { from, to })).toBe(true);
  return to;
}

function otherMembers(text: string): [string, string][] {
  return [...readMembers(text)].filter(([key]) => !Object.hasOwn(set, key));
}

describe.skipIf(motoIsMissing())('secret, against a real API', () => {
  let moto: Moto;
  beforeAll(async () => {
    moto = await startMoto();
    client = new SecretsManagerClient({});
    store = createSecretStore();
  });
  afterAll(async () => {
    client.destroy();
    await moto.stop();
  });
  beforeEach(async () => {
    id = `app/config-${count++}`;
    await client.send(new CreateSecretCommand({ Name: id, SecretString: original }));
  });

  describe('look', () => {
    it('says what would change and shows no stored value', async () => {
      const look = await createActivities().lookSecret(inputOf());
      expect(look.changes).toEqual([
        `${id}#DB_CONNECTION_LIMIT: set to "50" (now: another value)`,
        `${id}#DB_POOL_TIMEOUT: set to "30" (now: absent)`,
      ]);
      expect(look.found).toEqual({
        arn: expect.stringContaining(id),
        versionId: (await readCurrent()).versionId,
      });
      expect(look.effect).toBe('idempotent');
      expect(original).toContain('canary-stored');
      expect(JSON.stringify(look)).not.toContain('canary-stored');
    });

    it('says nothing where the values are there already, and act changes nothing', async () => {
      const call = await lookAt(inputOf({ DB_CONNECTION_LIMIT: '20' }));
      const look = await createActivities().lookSecret(call);
      expect(look).toMatchObject({ changes: [], effect: 'none' });
      expect(await createActivities().putSecret(call)).toEqual({
        versionId: call.base.versionId,
        changedKeys: [],
      });
      expect(await readLabels()).toEqual(['AWSCURRENT']);
    });

    it('has one digest per version and wanted values', async () => {
      const { lookSecret } = createActivities();
      const first = await lookSecret(inputOf());
      expect((await lookSecret(inputOf())).digest).toBe(first.digest);
      expect((await lookSecret(inputOf({ ...set, MORE: '1' }))).digest).not.toBe(first.digest);
      await putForeign(original.replace('1.0', '1.1'));
      expect((await lookSecret(inputOf())).digest).not.toBe(first.digest);
    });
  });

  describe('act', () => {
    it('sets our keys and leaves the bytes of the thirty others', async () => {
      const call = await lookAt();
      const { putSecret, verifySecret } = createActivities();
      const effect = await putSecret(call);
      const { text, versionId } = await readCurrent();
      expect(effect).toEqual({ versionId, changedKeys: ['DB_CONNECTION_LIMIT', 'DB_POOL_TIMEOUT'] });
      expect(versionId).not.toBe(call.base.versionId);
      expect(JSON.parse(text)).toMatchObject(set);
      expect(otherMembers(text)).toHaveLength(30);
      expect(otherMembers(text)).toEqual(otherMembers(original));
      expect(await verifySecret(call)).toMatchObject({
        outcome: 'pass',
        message: `${id}: 2 keys as set, 30 other keys unchanged`,
      });
    });

    it('resolves references, and shows the reference only', async () => {
      const secrets = createActivities(store, { DB_PASSWORD: 'canary-resolved' });
      const call = await lookAt().then(({ base }) => ({
        ...inputOf({ DB_PASSWORD: '${env:DB_PASSWORD}' }),
        base,
      }));
      const look = await secrets.lookSecret(call);
      expect(look.changes).toEqual([`${id}#DB_PASSWORD: set to "\${env:DB_PASSWORD}" (now: absent)`]);
      const effect = await secrets.putSecret(call);
      const told = [look, effect, await secrets.verifySecret(call), await secrets.undoSecret(call)];
      expect(JSON.stringify(told)).not.toContain('canary-resolved');
      const { text } = await store.readVersion({ id }, effect.versionId);
      expect(JSON.parse(text).DB_PASSWORD).toBe('canary-resolved');
    });

    it('fails as drift when someone changed it since the look, and touches nothing', async () => {
      const call = await lookAt();
      const foreign = await putForeign('{"theirs": 1}');
      const act = createActivities().putSecret(call);
      await expect(act).rejects.toMatchObject({ type: 'Drift', nonRetryable: true });
      await expect(act).rejects.toThrow(
        new RegExp(`version ${foreign.slice(0, 8)}.*${call.base.versionId.slice(0, 8)}`),
      );
      expect(await readCurrent()).toEqual({ versionId: foreign, text: '{"theirs": 1}' });
    });

    it('fails as drift when someone gets in between reading and moving; undo then finds nothing of ours', async () => {
      const call = await lookAt();
      let foreign = '';
      const secrets = createActivities({
        ...bound(store),
        async moveCurrent(place, move) {
          foreign = await putForeign(original.replace('"20"', '"33"'));
          return store.moveCurrent(place, move);
        },
      });
      await expect(secrets.putSecret(call)).rejects.toMatchObject({ type: 'Drift' });
      expect(await createActivities().undoSecret(call)).toMatchObject({ changed: false });
      expect((await readCurrent()).versionId).toBe(foreign);
    });
  });

  describe('verify', () => {
    it('fails when another key changed, or one of ours is not as set, by name and without values', async () => {
      const call = await lookAt();
      const { putSecret, verifySecret } = createActivities();
      await putSecret(call);
      const { text } = await readCurrent();
      await putForeign(text.replace('canary-stored-3', 'canary-foreign').replace('"50"', '"51"'));
      const measurement = await verifySecret(call);
      expect(measurement).toMatchObject({
        outcome: 'fail',
        message: `${id}: not as set: DB_CONNECTION_LIMIT; changed by someone else: KEY_3`,
      });
      expect(JSON.stringify(measurement)).not.toContain('canary');
    });
  });

  describe('undo', () => {
    it('moves AWSCURRENT back to the very version, byte for byte', async () => {
      const call = await lookAt();
      const { putSecret, undoSecret, settleSecret } = createActivities();
      await putSecret(call);
      expect(await undoSecret(call)).toMatchObject({ changed: true });
      expect(await readCurrent()).toEqual({ versionId: call.base.versionId, text: original });
      expect(await undoSecret(call)).toMatchObject({ changed: false });
      await settleSecret(call);
      expect((await readLabels()).filter((label) => label.startsWith('headgate'))).toEqual([]);
    });

    it('has nothing to do when the step never acted', async () => {
      const call = await lookAt();
      expect(await createActivities().undoSecret(call)).toMatchObject({ changed: false });
      await putForeign('{"theirs": 1}');
      expect(await createActivities().undoSecret(call)).toMatchObject({ changed: false });
      expect((await readCurrent()).text).toBe('{"theirs": 1}');
    });

    it('keeps what somebody else changed since and puts only our keys back: old value, or none', async () => {
      const call = await lookAt();
      const { putSecret, undoSecret } = createActivities();
      await putSecret(call);
      const ours = (await readCurrent()).text;
      await putForeign(ours.replace('canary-stored-7', 'changed by them'));
      expect(await undoSecret(call)).toMatchObject({ changed: true });
      const expected = original.replace('canary-stored-7', 'changed by them');
      expect((await readCurrent()).text).toBe(expected);
      expect(await undoSecret(call)).toBeDefined();
      expect((await readCurrent()).text).toBe(expected);
    });

    it('is a conflict when somebody changed our key since: theirs stays, the others go back, the command mends it', async () => {
      const call = await lookAt();
      const { putSecret, undoSecret, settleSecret } = createActivities();
      await putSecret(call);
      const ours = (await readCurrent()).text;
      await putForeign(ours.replace('"50"', '"99"'));
      const undo = undoSecret(call);
      await expect(undo).rejects.toMatchObject({ type: 'Conflict', nonRetryable: true });
      const { versionId, text } = await readCurrent();
      expect(JSON.parse(text)).toMatchObject({ DB_CONNECTION_LIMIT: '99' });
      expect(JSON.parse(text)).not.toHaveProperty('DB_POOL_TIMEOUT');
      expect(otherMembers(text)).toEqual(otherMembers(original));
      await expect(undo).rejects.toMatchObject({
        details: [
          {
            item: `secret ${id}`,
            found: 'other values in DB_CONNECTION_LIMIT, set by someone else',
            expected: `version ${call.base.versionId}`,
            command: `aws secretsmanager update-secret-version-stage --secret-id ${id} --region us-east-1 --version-stage AWSCURRENT --move-to-version-id ${call.base.versionId} --remove-from-version-id ${versionId} # drops what others have changed since`,
          },
        ],
      });
      await store.moveCurrent({ id }, { from: versionId, to: call.base.versionId });
      expect(await undoSecret(call)).toMatchObject({ changed: false });
      await settleSecret(call);
      expect((await readLabels()).filter((label) => label.startsWith('headgate'))).toEqual([]);
    });

    it('is a conflict when somebody deleted it, or put what is no JSON', async () => {
      const call = await lookAt();
      const { putSecret, undoSecret } = createActivities();
      await putSecret(call);
      await putForeign('canary-stored plain');
      const undo = undoSecret(call);
      await expect(undo).rejects.toMatchObject({ type: 'Conflict', details: [{ found: /no JSON object/ }] });
      await expect(undo).rejects.not.toThrow(/canary/);
      await client.send(new DeleteSecretCommand({ SecretId: id, RecoveryWindowInDays: 7 }));
      await expect(undoSecret(call)).rejects.toMatchObject({
        type: 'Conflict',
        details: [{ command: expect.stringContaining('restore-secret') }],
      });
    });
  });

  it('undo after settle still finds what was ours, also below two versions of somebody else', async () => {
    const call = await lookAt();
    const { putSecret, undoSecret, settleSecret } = createActivities();
    await putSecret(call);
    await settleSecret(call);
    const ours = (await readCurrent()).text;
    await putForeign(ours.replace('canary-stored-7', 'first change'));
    await putForeign(ours.replace('canary-stored-7', 'second change'));
    expect(await undoSecret(call)).toMatchObject({ changed: true });
    expect((await readCurrent()).text).toBe(original.replace('canary-stored-7', 'second change'));
  });

  describe('a worker that dies at any point', () => {
    type Mutation = 'putPending' | 'moveCurrent' | 'addLabel' | 'dropLabel';
    const mutations: Mutation[] = ['putPending', 'moveCurrent', 'addLabel', 'dropLabel'];

    /** Dies before or after its n-th mutating call. */
    function dyingStore(at: number, when: 'before' | 'after'): SecretStore {
      const whole = bound(store);
      let calls = 0;
      const dying = (name: Mutation) => ({
        [name]: async (...input: never[]) => {
          calls += 1;
          if (calls === at && when === 'before') throw new Error('killed');
          const result = await Reflect.apply(whole[name], store, input);
          if (calls === at) throw new Error('killed');
          return result;
        },
      });
      return Object.assign({ ...whole }, ...mutations.map(dying));
    }

    const points = [1, 2, 3].flatMap((at) => [
      { at, when: 'before' as const },
      { at, when: 'after' as const },
    ]);

    it.each(points)('act: $when call $at', async ({ at, when }) => {
      const call = await lookAt();
      await expect(createActivities(dyingStore(at, when)).putSecret(call)).rejects.toThrow('killed');
      const again = await createActivities().putSecret(call);
      const { text, versionId } = await readCurrent();
      expect(again).toEqual({ versionId, changedKeys: ['DB_CONNECTION_LIMIT', 'DB_POOL_TIMEOUT'] });
      expect(otherMembers(text)).toEqual(otherMembers(original));
      const { VersionIdsToStages } = await client.send(new DescribeSecretCommand({ SecretId: id }));
      expect(Object.keys(VersionIdsToStages ?? {})).toHaveLength(2);
    });

    it.each(points)('act: $when call $at, then undone', async ({ at, when }) => {
      const call = await lookAt();
      await expect(createActivities(dyingStore(at, when)).putSecret(call)).rejects.toThrow('killed');
      await createActivities().undoSecret(call);
      expect(await readCurrent()).toEqual({ versionId: call.base.versionId, text: original });
    });

    it.each(points.slice(0, 2))('undo: $when call $at', async ({ at, when }) => {
      const call = await lookAt();
      await createActivities().putSecret(call);
      await expect(createActivities(dyingStore(at, when)).undoSecret(call)).rejects.toThrow('killed');
      await createActivities().undoSecret(call);
      expect(await readCurrent()).toEqual({ versionId: call.base.versionId, text: original });
    });

    it.each(points.slice(0, 4))('undo into a foreign version: $when call $at', async ({ at, when }) => {
      const call = await lookAt();
      await createActivities().putSecret(call);
      await putForeign((await readCurrent()).text.replace('canary-stored-7', 'changed by them'));
      await expect(createActivities(dyingStore(at, when)).undoSecret(call)).rejects.toThrow('killed');
      await createActivities().undoSecret(call);
      expect((await readCurrent()).text).toBe(original.replace('canary-stored-7', 'changed by them'));
    });

    it('settle: after the first label', async () => {
      const call = await lookAt();
      await createActivities().putSecret(call);
      await expect(createActivities(dyingStore(1, 'after')).settleSecret(call)).rejects.toThrow('killed');
      expect(await createActivities().settleSecret(call)).toMatchObject({ changed: true });
      expect((await readLabels()).sort()).toEqual(['AWSCURRENT', 'AWSPREVIOUS']);
      expect(await createActivities().settleSecret(call)).toMatchObject({ changed: false });
    });

    it('the step acts again after an undo in the same run', async () => {
      const call = await lookAt();
      const { putSecret, undoSecret } = createActivities();
      const first = await putSecret(call);
      await undoSecret(call);
      expect(await putSecret(call)).toEqual(first);
      expect((await readCurrent()).versionId).toBe(first.versionId);
    });
  });

  describe('what cannot be merged into', () => {
    const look = () => createActivities().lookSecret(inputOf());

    it.each([
      ['canary-stored plain text', /it is not JSON/],
      ['["canary-stored"]', /not an object/],
    ])('%s', async (text, message) => {
      await putForeign(text);
      await expect(look()).rejects.toMatchObject({ type: 'Invalid' });
      await expect(look()).rejects.toThrow(message);
      await expect(look()).rejects.toThrow(id);
      await expect(look()).rejects.not.toThrow(/canary/);
    });

    it('binary', async () => {
      await putForeign(Buffer.from('canary'));
      await expect(look()).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringMatching(/binary data/),
      });
    });

    it('deleted', async () => {
      await client.send(new DeleteSecretCommand({ SecretId: id, RecoveryWindowInDays: 7 }));
      await expect(look()).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringMatching(/restore-secret/),
      });
    });

    it('not there', async () => {
      id = 'app/none';
      await expect(look()).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringMatching(/app\/none was not found/),
      });
    });
  });

  it('${secret:…} reads the whole text or one key', async () => {
    expect(await store.readKey(id, undefined)).toBe(original);
    expect(await store.readKey(id, 'DB_CONNECTION_LIMIT')).toBe('20');
    expect(await store.readKey(id, 'FLOAT')).toBe('1.0');
    await expect(store.readKey(id, 'NOPE')).rejects.toThrow(`Secret ${id} has no key "NOPE"`);
  });
});

/** Answers that the emulator never gives. */
describe('an API that does not answer as it should', () => {
  let server: Server;
  let answer: { status: number; type: string };
  let endpoint: string;
  beforeAll(async () => {
    process.env.AWS_ACCESS_KEY_ID ??= 'testing';
    process.env.AWS_SECRET_ACCESS_KEY ??= 'testing';
    server = createServer((_incoming, outgoing) => {
      outgoing.writeHead(answer.status, { 'content-type': 'application/x-amz-json-1.1' });
      outgoing.end(JSON.stringify({ __type: answer.type, message: 'canary-detail' }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => server.closeAllConnections());
  afterAll(() => {
    server.close();
  });

  it.each([
    [400, 'AccessDeniedException', 'Invalid', /may not do this/],
    [400, 'DecryptionFailure', 'Invalid', /may not do this/],
    [400, 'UnrecognizedClientException', 'Invalid', /no valid AWS credentials/],
    [400, 'ThrottlingException', undefined, /throttles/],
    [500, 'InternalServiceError', undefined, /failed with 500/],
    [400, 'InvalidParameterException', 'Invalid', /refused the request/],
  ])('%i %s', async (status, type, failure, message) => {
    answer = { status, type };
    const call = createSecretStore({ endpoint }).readCurrent({ id: 'app/config', region: 'us-east-1' });
    await expect(call).rejects.toThrow(message);
    const error: unknown = await call.catch((reason: unknown) => reason);
    expect(error).toMatchObject(failure ? { type: failure, nonRetryable: true } : { name: 'Error' });
    expect(String(error)).not.toContain('canary');
  });

  it('nobody there: worth repeating', async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const call = createSecretStore({ endpoint: `http://127.0.0.1:${port}` }).describe({
      id: 'app',
      region: 'us-east-1',
    });
    await expect(call).rejects.toMatchObject({
      name: 'Error',
      message: expect.stringMatching(/cannot be reached \(ECONNREFUSED\)/),
    });
  });
});

/** The store as a plain object, whose methods may be replaced. */
function bound(whole: SecretStore): SecretStore {
  return {
    describe: whole.describe.bind(whole),
    readCurrent: whole.readCurrent.bind(whole),
    readVersion: whole.readVersion.bind(whole),
    putPending: whole.putPending.bind(whole),
    moveCurrent: whole.moveCurrent.bind(whole),
    addLabel: whole.addLabel.bind(whole),
    dropLabel: whole.dropLabel.bind(whole),
    readKey: whole.readKey.bind(whole),
  };
}
