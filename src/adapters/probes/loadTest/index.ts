/** The figures of a load test that an earlier step of the rollout ran. */
import type { ArtifactStore } from '../../../platform/artifacts.js';
import type { Probe } from '../probe.js';
import type { Config } from './schema.js';
import { readSummary } from './summary.js';

export interface LoadTestProbeDeps {
  artifacts: Pick<ArtifactStore, 'read'>;
}

/** Sample: `{ <metric>: { rate, count, 'p(95)', … } }`, so that a path reads `http_req_duration.p(95)`. */
export function createLoadTestProbe({ artifacts }: LoadTestProbeDeps): Probe<Config> {
  return {
    kind: 'loadTest',
    writes: () => false,
    inForcePaths: () => [],
    async sample({ config, subject, signal }) {
      signal.throwIfAborted();
      const step = config.step.includes('/') ? config.step : `${subject.stage}/${config.step}`;
      const name = `load-test-${step.replace('/', '-')}.json`;
      const text = await readText(artifacts, subject.context, name);
      if (text === undefined) {
        return {
          kind: 'inconclusive',
          message: `${step} left no summary (${name}): has it run in this rollout?`,
        };
      }
      const summary = readSummary(text);
      if ('metrics' in summary) return { kind: 'sample', value: summary.metrics };
      return { kind: 'inconclusive', message: `${name} is no summary of k6: it ${summary.wrong}` };
    },
  };
}

async function readText(
  artifacts: LoadTestProbeDeps['artifacts'],
  context: Parameters<ArtifactStore['read']>[0],
  name: string,
): Promise<string | undefined> {
  try {
    return await artifacts.read(context, name);
  } catch {
    return undefined;
  }
}
