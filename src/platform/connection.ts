/** The Temporal connection, configured as every Temporal tool is: profile file and `TEMPORAL_*` variables. */
import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import type { NativeConnectionOptions } from '@temporalio/worker';

export interface TemporalOptions {
  /** Valid for `Connection.connect` and `NativeConnection.connect`. */
  connectionOptions: NativeConnectionOptions & { address: string };
  namespace: string;
  address: string;
}

export interface TemporalConnection {
  connection: Connection;
  client: Client;
  namespace: string;
  address: string;
}

/** Profile (`TEMPORAL_PROFILE`, `TEMPORAL_CONFIG_FILE`) overlaid by `TEMPORAL_*`; default 127.0.0.1:7233, `default`. */
export function loadTemporalOptions(): TemporalOptions {
  const { connectionOptions, namespace } = loadClientConnectConfig();
  const address = connectionOptions.address ?? '127.0.0.1:7233';
  return {
    connectionOptions: { ...connectionOptions, address },
    namespace: namespace ?? 'default',
    address,
  };
}

/** @throws Error that names the address, when nothing answers there within 5 s */
export async function connectTemporal(): Promise<TemporalConnection> {
  const { connectionOptions, namespace, address } = loadTemporalOptions();
  const { apiKey, tls, metadata } = connectionOptions;
  try {
    const connection = await Connection.connect({ address, apiKey, tls, metadata, connectTimeout: '5s' });
    return { connection, client: new Client({ connection, namespace }), namespace, address };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(
      `No Temporal server answers at ${address} (${why}). Start one (headgate sandbox up, temporal server start-dev) or set TEMPORAL_ADDRESS.`,
    );
  }
}
