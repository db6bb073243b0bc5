/** What a test measures. */
import type { Subject } from '../../src/contract/activities.js';

export function subjectOf(directory: string, url?: string, startedAt?: string): Subject {
  return {
    context: {
      application: 'booking',
      version: 'v1.0.1',
      runId: 'run-1',
      directory,
      startedBy: 'ana',
      startedAt,
    },
    stage: 'staging',
    step: 'staging/check',
    release: url === undefined ? undefined : { id: 'green', version: 'v1.0.1', url },
  };
}
