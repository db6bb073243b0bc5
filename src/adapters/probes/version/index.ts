/** Which version an application says it is. */
import { readJsonEndpoint } from '../endpoint.js';
import type { Probe } from '../probe.js';
import type { Config } from './schema.js';

/** Sample: the endpoint's JSON object, which has to hold a string `version`. */
export function createVersionProbe(): Probe<Config> {
  return {
    kind: 'version',
    writes: () => false,
    inForcePaths: () => ['version'],
    async sample({ config, ...request }) {
      const reply = await readJsonEndpoint({ ...request, url: config.url, bearer: config.bearer });
      if (reply.kind !== 'sample' || typeof reply.value.version === 'string') return reply;
      const found = JSON.stringify(reply.value.version) ?? 'nothing';
      return { kind: 'inconclusive', message: `version = ${found.slice(0, 80)}, expected a string` };
    },
  };
}
