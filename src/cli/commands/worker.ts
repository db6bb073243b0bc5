/** `worker`: polls both task queues until it is told to stop. */
import { type Context, usage } from '../context.js';

const CAPABILITIES = ['run', 'command'] as const;

export interface WorkerOptions {
  enable?: string;
  pidFile?: string;
}

export async function worker({ output, loadWorker }: Context, options: WorkerOptions): Promise<number> {
  const enabled = (options.enable ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
    .map((name) => {
      const known = CAPABILITIES.find((capability) => capability === name);
      if (known) return known;
      throw usage(`--enable takes ${CAPABILITIES.join(', ')}; "${name}" is none of them.`);
    });
  const { runWorker } = await loadWorker();
  await runWorker({
    enabled,
    pidFile: options.pidFile,
    onReady: () => {
      output.print('ready: polling headgate and headgate-long');
      output.line({ type: 'rollout', status: 'ready', data: { pid: process.pid, enabled } });
    },
  });
  return 0;
}
