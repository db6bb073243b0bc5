/** For what reads logs: neither a host nor a cluster is asked in this test. */
import type { LogsProbeDeps } from '../../src/adapters/probes/logs/index.js';

const never = async () => {
  throw new Error('not asked here');
};

export const noHosts: Pick<LogsProbeDeps, 'env' | 'ssh' | 'kubernetes'> = {
  env: {},
  ssh: { run: never },
  kubernetes: never,
};
