/** The Temporal connection, configured as every Temporal tool is: profile file and `TEMPORAL_*` variables. */
import { existsSync } from 'node:fs';
import { Client, Connection } from '@temporalio/client';
import { type ClientConnectConfig, loadClientConnectConfig } from '@temporalio/envconfig';
import type { NativeConnectionOptions } from '@temporalio/worker';
import { type Attempt, connectionFailure } from './connection-failure.js';

/** What a profile can say, and `Connection` and `NativeConnection` both understand. */
type ConnectOptions = Pick<NativeConnectionOptions, 'apiKey' | 'tls' | 'metadata'> & { address: string };

export interface TemporalOptions {
  /** Valid for `Connection` and `NativeConnection` as they are, so that client and worker never differ. */
  connectionOptions: ConnectOptions;
  namespace: string;
  address: string;
  /** API key, private key and headers that prove something, where there are any: for a redactor. */
  secrets: string[];
}

export interface TemporalConnection {
  connection: Connection;
  client: Client;
  namespace: string;
  address: string;
}

/** Another header's value may be a word of everyday (a namespace), which must not be masked in every log. */
const SECRET_HEADER = /auth|key|token|secret|cookie/i;
const CONNECT_TIMEOUT_MS = 5_000;
const REASON_TIMEOUT_MS = 2_000;

/**
 * Profile (`TEMPORAL_PROFILE`, `TEMPORAL_CONFIG_FILE`) overlaid by `TEMPORAL_*`; default 127.0.0.1:7233, `default`.
 * @throws Error that names the profile or the variable, when what they give cannot be read or sent
 */
export function loadTemporalOptions(env: NodeJS.ProcessEnv = process.env): TemporalOptions {
  const { connectionOptions, namespace } = loadProfile(env);
  const { apiKey, tls, metadata } = connectionOptions;
  const address = connectionOptions.address ?? '127.0.0.1:7233';
  requireSendable('The API key (TEMPORAL_API_KEY, or api_key of the profile)', apiKey);
  for (const [name, value] of Object.entries(metadata ?? {})) requireSendable(`grpc_meta "${name}"`, value);
  return {
    connectionOptions: { address, apiKey, tls, metadata },
    namespace: namespace ?? 'default',
    address,
    secrets: secretsOf({ apiKey, tls, metadata }),
  };
}

function loadProfile(env: NodeJS.ProcessEnv): ClientConnectConfig {
  const file = env.TEMPORAL_CONFIG_FILE;
  // envconfig takes a file that is missing for an empty one, and would go on with somebody else's server.
  if (file && !existsSync(file)) {
    throw new Error(`TEMPORAL_CONFIG_FILE names ${file}, which is not there. Mend the path, or unset it.`);
  }
  try {
    return loadClientConnectConfig({ overrideEnvVars: variablesOf(env) });
  } catch (error) {
    const profile = `profile ${env.TEMPORAL_PROFILE || 'default'}${file ? ` of ${file}` : ''}`;
    // TOML's parser goes on with the lines around the fault, and the API key is one of them.
    const [why] = messageOf(error).split('\n');
    throw new Error(
      `Temporal's ${profile} cannot be used: ${why}${placeOf(error)}. TEMPORAL_CONFIG_FILE and TEMPORAL_PROFILE choose it; relative paths in it start from the working directory.`,
    );
  }
}

/** An empty variable counts as not set: envconfig would take an empty API key for one, and turn TLS on. */
function variablesOf(env: NodeJS.ProcessEnv): Record<string, string> {
  return Object.fromEntries(
    Object.entries(env).flatMap(([name, value]) => {
      const isSet = value || (value === '' && name.startsWith('TEMPORAL_GRPC_META_'));
      return isSet ? [[name, value]] : [];
    }),
  );
}

function placeOf(error: unknown): string {
  return error instanceof Error && 'line' in error ? `, line ${String(error.line)}` : '';
}

/** gRPC would refuse it as well, with the value in its error. */
function requireSendable(what: string, value: string | Buffer | undefined): void {
  if (typeof value !== 'string' || /^[\x20-\x7e]*$/.test(value)) return;
  throw new Error(
    `${what} holds a character that no request can carry, perhaps a line break at its end. Write it again without.`,
  );
}

function secretsOf({ apiKey, tls, metadata }: Omit<ConnectOptions, 'address'>): string[] {
  const headers = Object.entries(metadata ?? {}).flatMap(([name, value]) =>
    SECRET_HEADER.test(name) ? [value.toString()] : [],
  );
  return [apiKey, keyOf(tls), ...headers].filter((secret) => secret !== undefined);
}

function keyOf(tls: ConnectOptions['tls']): string | undefined {
  const key = typeof tls === 'object' ? tls?.clientCertPair?.key : undefined;
  return key && Buffer.from(key).toString('utf8');
}

/**
 * @throws Error that names the address, what happened and what to do, when there is no connection within 5 s or
 * the credentials are refused; it holds none of the credentials
 */
export async function connectTemporal(env: NodeJS.ProcessEnv = process.env): Promise<TemporalConnection> {
  const options = loadTemporalOptions(env);
  const { connectionOptions, namespace, address } = options;
  const connection = Connection.lazy({ ...connectionOptions, connectTimeout: CONNECT_TIMEOUT_MS });
  try {
    await connection.ensureConnected();
    return { connection, client: new Client({ connection, namespace }), namespace, address };
  } catch (error) {
    await connection.close();
    const why = reasonIn(error) ?? (await askForReason(connectionOptions)) ?? messageOf(error);
    throw describeFailure(why, options);
  }
}

/** For people, and without a credential: what `why` (an error of `NativeConnection`, or a reason) means for them. */
export function describeFailure(why: unknown, options: TemporalOptions): Error {
  const { connectionOptions, namespace, address, secrets } = options;
  const { apiKey, tls } = connectionOptions;
  const attempt: Attempt = {
    address,
    namespace,
    credentials: credentialsOf(connectionOptions),
    tls: tls === undefined || tls === null ? apiKey !== undefined : tls !== false,
    secrets,
  };
  return connectionFailure(messageOf(why), attempt);
}

function credentialsOf({ apiKey, tls, metadata }: ConnectOptions): Attempt['credentials'] {
  if (apiKey !== undefined) return 'apiKey';
  if (keyOf(tls) !== undefined) return 'certificate';
  return Object.keys(metadata ?? {}).some((name) => SECRET_HEADER.test(name)) ? 'metadata' : 'none';
}

/** gRPC's own word, where the server has answered. */
function reasonIn(error: unknown): string | undefined {
  return error instanceof Error && error.cause ? messageOf(error.cause) : undefined;
}

/** Waiting for a connection ends without a reason; a call that neither waits nor repeats says it, within milliseconds. */
async function askForReason(options: ConnectOptions): Promise<string | undefined> {
  const connection = Connection.lazy({ ...options, interceptors: [] });
  try {
    await connection.withDeadline(Date.now() + REASON_TIMEOUT_MS, () =>
      connection.workflowService.getSystemInfo({}),
    );
    return undefined;
  } catch (error) {
    return messageOf(error);
  } finally {
    await connection.close();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
