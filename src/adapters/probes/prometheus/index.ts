/** One figure that Prometheus works out. */
import type { HttpResponse } from '../../../platform/http.js';
import { parseEvidence } from '../../../platform/json.js';
import { callEndpoint } from '../endpoint.js';
import type { Probe, Sample } from '../probe.js';
import { readFailure, readResult } from './reply.js';
import type { Config } from './schema.js';

/** Sample: `{ value, labels, at, warnings? }` of an instant query that gives exactly one value. */
export function createPrometheusProbe(): Probe<Config> {
  return {
    kind: 'prometheus',
    writes: () => false,
    inForcePaths: () => [],
    async sample({ config, subject, timeoutMs, signal }) {
      const reply = await callEndpoint({
        method: 'POST',
        url: addressOf(config.url),
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        // A query that nobody waits for any more has no business on the server.
        body: new URLSearchParams({ query: config.query, timeout: `${timeoutMs}ms` }).toString(),
        bearer: config.bearer,
        subject,
        timeoutMs,
        signal,
      });
      return 'kind' in reply ? reply : readReply(reply);
    },
  };
}

/** A query by GET would end at the length of an address. */
function addressOf(url: string): string {
  if (!URL.canParse(url)) return url;
  const address = new URL(url);
  address.pathname = `${address.pathname.replace(/\/$/, '')}/api/v1/query`;
  return address.toString();
}

function readReply({ status, body, truncated }: HttpResponse): Sample {
  if (truncated)
    return { kind: 'inconclusive', message: 'the answer is longer than 1 MiB; ask for one value' };
  const json = parseEvidence(body);
  const failed = readFailure(json);
  if (failed !== undefined) return { kind: 'error', message: `Prometheus says ${failed}` };
  if (status === 200) return readResult(json);
  const message = `POST /api/v1/query: status ${status}, expected 200; ${adviseStatus(status)}`;
  return { kind: 'error', message };
}

function adviseStatus(status: number): string {
  if (status === 401 || status === 403) return 'the token in "bearer" is missing, wrong or lacks the right';
  if (status === 404) return 'check the path in "url"';
  return status >= 500 ? 'the server, or what stands before it, is in trouble' : 'check "url"';
}
