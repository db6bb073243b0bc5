/** Clients of an AWS service: one per region, all with the same short limits of time. */

export interface AwsOptions {
  /** Default: `AWS_ENDPOINT_URL_<SERVICE>`, `AWS_ENDPOINT_URL`, else AWS. */
  endpoint?: string;
}

export interface AwsClientConfig {
  region?: string;
  endpoint?: string;
  /** Without the last one the SDK only warns of an answer that does not come, and goes on waiting for it. */
  requestHandler: { connectionTimeout: number; requestTimeout: number; throwOnRequestTimeout: true };
}

const CONNECT_TIMEOUT_MS = 3000;
const REQUEST_TIMEOUT_MS = 6000;

/** Makes a client when its region is asked for the first time; `undefined` is the region of the worker's configuration. */
export function clientsByRegion<Client>(
  create: (config: AwsClientConfig) => Client,
  { endpoint }: AwsOptions,
): (region: string | undefined) => Client {
  const clients = new Map<string | undefined, Client>();
  return (region) => {
    const known = clients.get(region);
    if (known) return known;
    const client = create({
      ...(region ? { region } : {}),
      ...(endpoint ? { endpoint } : {}),
      requestHandler: {
        connectionTimeout: CONNECT_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        throwOnRequestTimeout: true,
      },
    });
    clients.set(region, client);
    return client;
  };
}
