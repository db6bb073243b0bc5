/**
 * Client and worker on a real Temporal server behind TLS, configured as docs/deployment.md shows it: its profile file
 * and its variables are read from there. Only the address, the paths and the key are this test's own.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isGrpcServiceError } from '@temporalio/client';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { NativeConnection } from '@temporalio/worker';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectTemporal, describeFailure, loadTemporalOptions } from '../../src/platform/connection.js';
import { sourceVariables, writeCredentials } from '../support/documented-profiles.js';
import { closedAddress } from '../support/http-server.js';
import { Product, until } from '../support/product.js';
import { startTemporal } from '../support/temporal.js';
import { opensslIsMissing, startStrictServer, startTlsFront, type TlsFront } from '../support/tls-server.js';

const KEY = 'tmprl-key-R4nd0mEnoughToBeFoundAnywhere';
const WRONG_KEY = 'tmprl-key-Th1sOneIsNotKnownToTheServer';
/** As in the documentation. */
const NAMESPACE = 'shop.a1b2c';

type Env = Record<string, string>;

describe.skipIf(opensslIsMissing())('Temporal behind TLS', () => {
  let temporal: TestWorkflowEnvironment;
  let folder: string;
  /** As Temporal Cloud: by API key, without the operator's service. */
  let byKey: TlsFront;
  /** As Temporal Cloud: by client certificate. */
  let byCertificate: TlsFront;
  /** A server of one's own, whose certificate is for `temporal.example.com`. */
  let own: TlsFront;

  beforeAll(async () => {
    temporal = await startTemporal();
    folder = await mkdtemp(join(tmpdir(), 'headgate-tls-'));
    await writeCredentials(folder, KEY);
    const common = { upstream: temporal.address, folder: join(folder, 'tls') };
    byKey = await startTlsFront({
      ...common,
      certificate: 'server',
      authorization: `Bearer ${KEY}`,
      refusedPath: /\.operatorservice\./,
    });
    byCertificate = await startTlsFront({ ...common, certificate: 'server', clientAuthority: 'ca' });
    own = await startTlsFront({ ...common, certificate: 'other-name', clientAuthority: 'ca' });
    await registerNamespace(temporal, NAMESPACE);
  });

  afterAll(async () => {
    await Promise.all([byKey, byCertificate, own].map((front) => front?.close()));
    await temporal?.teardown();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  const file = (name: string) => join(folder, 'tls', name);
  /** A profile of the documentation; the server of the test stands in for Temporal Cloud and its public CA. */
  const profile = (name: string, front: TlsFront, more: Env = {}): Env => ({
    HOME: folder,
    TEMPORAL_CONFIG_FILE: join(folder, 'temporal.toml'),
    TEMPORAL_PROFILE: name,
    TEMPORAL_ADDRESS: front.address,
    TEMPORAL_TLS_SERVER_CA_CERT_PATH: file('ca.pem'),
    ...more,
  });
  /** The variables of the documentation that hold `mark`, as a shell reads them. */
  const variables = async (mark: string, front: TlsFront): Promise<Env> => ({
    HOME: folder,
    ...(await sourceVariables(mark, folder)),
    TEMPORAL_ADDRESS: front.address,
    TEMPORAL_TLS_SERVER_CA_CERT_PATH: file('ca.pem'),
  });

  describe('client and worker connect', () => {
    test('by the API key of a profile', async () => {
      await expectBothConnect(profile('cloud-key', byKey));
      expect(byKey.calls.map(({ authorization }) => authorization)).toContain(`Bearer ${KEY}`);
    });

    test('by the client certificate of a profile', async () => {
      await expectBothConnect(profile('cloud-mtls', byCertificate));
      expect(new Set(byCertificate.calls.map(({ client }) => client))).toEqual(new Set(['client']));
    });

    test("by a profile's own CA and server name, where the certificate is not for the address", async () => {
      const { TEMPORAL_TLS_SERVER_CA_CERT_PATH: _, ...env } = profile('own', own);
      await expectBothConnect(env);
    });

    test('by the API key of the environment', async () => {
      await expectBothConnect(await variables('TEMPORAL_API_KEY', byKey));
    });

    test('by the client certificate of the environment', async () => {
      await expectBothConnect(await variables('TEMPORAL_TLS_CLIENT_CERT_PATH', byCertificate));
    });
  });

  describe('the product works', () => {
    test.each([
      ['by API key', 'cloud-key', () => byKey],
      ['by client certificate', 'cloud-mtls', () => byCertificate],
    ])('%s: a worker polls, and carries out a workflow that a client starts', async (_, name, frontOf) => {
      const front = frontOf();
      const product = await Product.create(profile(name, front));
      try {
        front.calls.length = 0;
        const worker = product.spawn('worker');
        await worker.untilOutput('ready: polling', 30_000);
        const doctor = await product.run('doctor', '--json');
        const found = doctor.lines.map(({ data }) => data);
        expect(found).toContainEqual(
          expect.objectContaining({
            what: 'Temporal',
            status: 'ok',
            detail: expect.stringContaining(NAMESPACE),
          }),
        );
        // Written by an activity: the workflow has gone through the worker.
        expect(found).toContainEqual(expect.objectContaining({ what: 'artifact folder', status: 'ok' }));
        const agents = front.calls.map(({ userAgent }) => userAgent).join('\n');
        expect(agents).toMatch(/grpc-node-js/);
        expect(agents).toMatch(/tonic/);
        worker.child.kill('SIGTERM');
        const { output, code } = { ...(await worker.ended), output: worker.output };
        expect(code).toBe(0);
        expect(output + doctor.stdout + doctor.stderr).not.toContain(KEY);
      } finally {
        await product.remove();
      }
    });

    test('a wrong API key ends client and worker with one clear line, which does not hold it', async () => {
      const product = await Product.create(profile('cloud-key', byKey, { TEMPORAL_API_KEY: WRONG_KEY }));
      try {
        for (const command of ['worker', 'list']) {
          byKey.calls.length = 0;
          const { code, stdout, stderr } = await product.run(command);
          expect(byKey.calls.map(({ authorization }) => authorization)).toContain(`Bearer ${WRONG_KEY}`);
          expect(code, stderr).toBe(4);
          expect(stdout + stderr).not.toContain(WRONG_KEY);
          expect(stderr.trim().split('\n')).toHaveLength(1);
          expect(stderr).toContain(`Temporal at ${byKey.address} refuses the namespace ${NAMESPACE}`);
        }
      } finally {
        await product.remove();
      }
    });
  });

  describe('a refusal names the address and what to do, to client and worker alike', () => {
    const stranger = () =>
      profile('cloud-mtls', byCertificate, {
        TEMPORAL_TLS_CLIENT_CERT_PATH: file('stranger.pem'),
        TEMPORAL_TLS_CLIENT_KEY_PATH: file('stranger.key'),
      });

    test.concurrent('no client certificate', async ({ expect }) => {
      const [client, worker] = await refusals(profile('none', byCertificate));
      expect(client).toMatch(/asks for a client certificate .*client_cert_path and client_key_path, both/);
      // The worker's library may see the end of the connection before the reason for it.
      expect(worker).toMatch(/client_cert_path and client_key_path, both/);
    });

    test.concurrent('a client certificate without its key', async ({ expect }) => {
      const env = profile('none', byCertificate, { TEMPORAL_TLS_CLIENT_CERT_PATH: file('client.pem') });
      const [client, worker] = await refusals(env);
      expect(client).toMatch(/asks for a client certificate .*client_cert_path and client_key_path, both/);
      expect(worker).toMatch(/client_cert_path and client_key_path, both/);
    });

    test.concurrent('a client certificate that another CA signed', async ({ expect }) => {
      const strict = await startStrictServer(join(folder, 'tls'), 'server', 'ca');
      try {
        const [client, worker] = await refusals({ ...stranger(), TEMPORAL_ADDRESS: strict.address });
        expect(client).toMatch(/does not accept the client certificate .*signed by a CA/);
        expect(worker).toMatch(/signed by a CA/);
      } finally {
        strict.close();
      }
    });

    test.concurrent('a server that hangs up on a client certificate', async ({ expect }) => {
      const [client, worker] = await refusals(stranger());
      expect(client).toMatch(/ends the TLS connection .*signed by a CA/);
      expect(worker).toMatch(/ends the TLS connection .*signed by a CA/);
    });

    test.concurrent('a server whose CA is not known', async ({ expect }) => {
      const { TEMPORAL_TLS_SERVER_CA_CERT_PATH: _, ...env } = profile('cloud-mtls', byCertificate);
      const [client, worker] = await refusals(env);
      expect(client).toMatch(/is not trusted here .*server_ca_cert_path/);
      expect(worker).toMatch(/is not trusted here .*server_ca_cert_path/);
    });

    test.concurrent('a server certificate for another name', async ({ expect }) => {
      const [client, worker] = await refusals(profile('cloud-mtls', own));
      expect(client).toMatch(/certificate of another name .*TEMPORAL_TLS_SERVER_NAME/);
      expect(worker).toMatch(/certificate of another name .*TEMPORAL_TLS_SERVER_NAME/);
    });

    test.concurrent('TLS where there is none', async ({ expect }) => {
      const env = { ...profile('cloud-key', byKey), TEMPORAL_ADDRESS: temporal.address };
      const [client, worker] = await refusals(env);
      expect(client).toMatch(/does not speak TLS .*TEMPORAL_TLS=false/);
      expect(worker).toMatch(/does not speak TLS .*TEMPORAL_TLS=false/);
    });

    test.concurrent('no TLS where it is expected', async ({ expect }) => {
      const env = { HOME: folder, TEMPORAL_ADDRESS: byKey.address };
      const [client, worker] = await refusals(env);
      expect(client).toMatch(/ends a connection without TLS .*TEMPORAL_TLS=true/);
      expect(worker).toMatch(/ends a connection without TLS .*TEMPORAL_TLS=true/);
    });

    test.concurrent('nobody who listens', async ({ expect }) => {
      const address = new URL(await closedAddress()).host;
      const [client, worker] = await refusals({ HOME: folder, TEMPORAL_ADDRESS: address });
      expect(client).toMatch(/No Temporal server answers .*ECONNREFUSED.*TEMPORAL_ADDRESS/);
      expect(worker).toMatch(/No Temporal server answers .*refused.*TEMPORAL_ADDRESS/);
    });

    test.concurrent('a wrong API key, which is in neither message', async ({ expect }) => {
      const [client, worker] = await refusals(
        profile('cloud-key', byKey, { TEMPORAL_API_KEY: WRONG_KEY, TEMPORAL_NAMESPACE: 'elsewhere.a1b2c' }),
      );
      for (const message of [client, worker]) {
        expect(message).toMatch(/refuses the namespace elsewhere\.a1b2c .*TEMPORAL_API_KEY/);
        expect(message).not.toContain(WRONG_KEY);
      }
    });

    test.concurrent('no API key', async ({ expect }) => {
      const [client, worker] = await refusals(profile('none', byKey));
      expect(client).toMatch(/refuses the namespace default .*Give an API key/);
      expect(worker).toMatch(/refuses the namespace default .*Give an API key/);
    });
  });
});

async function registerNamespace({ connection }: TestWorkflowEnvironment, namespace: string): Promise<void> {
  const retention = { seconds: 86_400 as never };
  await connection.workflowService.registerNamespace({
    namespace,
    workflowExecutionRetentionPeriod: retention,
  });
  const isKnown = () =>
    connection.workflowService.listWorkflowExecutions({ namespace }).then(
      () => true,
      (error: unknown) => {
        if (isGrpcServiceError(error)) return false;
        throw error;
      },
    );
  await until(isKnown, 30_000, async () => `the server does not know ${namespace}`);
}

/** The client's connection and the worker's, each with a call of its own. */
async function expectBothConnect(env: Env): Promise<void> {
  const { connection, namespace } = await connectTemporal(env);
  try {
    const { namespaceInfo } = await connection.workflowService.describeNamespace({ namespace });
    expect(namespaceInfo?.name).toBe(namespace);
  } finally {
    await connection.close();
  }
  const native = await NativeConnection.connect(loadTemporalOptions(env).connectionOptions);
  try {
    const { namespaceInfo } = await native.workflowService.describeNamespace({ namespace });
    expect(namespaceInfo?.name).toBe(namespace);
  } finally {
    await native.close();
  }
}

/** What a client is told, and what a worker is told: one line each, with the address. */
async function refusals(env: Env): Promise<[client: string, worker: string]> {
  const options = loadTemporalOptions(env);
  const [client, worker] = await Promise.all([
    connectTemporal(env).then(connected, messageOf),
    NativeConnection.connect(options.connectionOptions).then(
      connected,
      (error: unknown) => describeFailure(error, options).message,
    ),
  ]);
  for (const message of [client, worker]) {
    if (!message.includes(options.address) || message.includes('\n')) throw new Error(`unclear: ${message}`);
  }
  return [client, worker];
}

function connected(): never {
  throw new Error('it connected');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
