/** A process of pm2, or several of one name. */
import { z } from 'zod';
import { invalid } from '../../../../platform/failures.js';
import { LONGEST_LOG_BYTES } from '../../target.js';
import { wholeLines } from '../../whole-lines.js';
import type { Host } from '../host.js';
import { RESTART_MS, requireName, type Service } from './service.js';

/** The whole environment of each process stands in it: nothing of it is shown but these. */
const processSchema = z.object({
  name: z.string(),
  pm2_env: z.object({
    status: z.string(),
    restart_time: z.number(),
    pm_out_log_path: z.string().optional(),
    pm_err_log_path: z.string().optional(),
  }),
});

type Pm2Process = z.infer<typeof processSchema>;

const LIST_BYTES = 8 * 1024 * 1024;

export function createPm2(host: Host, name: string): Service {
  requireName(
    'pm2',
    name,
    /^(?!all$)(?!\d+$)(?![-/])[^\0\n]+$/,
    'Write the name that pm2 list shows: numbers, "all" and /patterns/ mean others as well.',
  );
  return {
    command: `pm2 logs ${name}`,
    async state() {
      const processes = await readProcesses(host, name);
      const statuses = [...new Set(processes.map(({ pm2_env }) => pm2_env.status))].sort();
      return {
        up: statuses.every((status) => status === 'online'),
        failed: statuses.includes('errored'),
        says: `pm2 says ${name} is ${statuses.join(' and ')}`,
        restarts: Math.max(...processes.map(({ pm2_env }) => pm2_env.restart_time)),
      };
    },
    async restart() {
      await readProcesses(host, name);
      // Without it pm2 starts the process in the environment that it once had.
      const argv = ['pm2', 'restart', name, '--update-env'];
      await host.demand(`pm2 restart ${name}`, argv, { unbroken: true, timeoutMs: RESTART_MS });
    },
    log: async () => readLogs(host, await readProcesses(host, name)),
  };
}

async function readProcesses(host: Host, name: string): Promise<Pm2Process[]> {
  const { stdout } = await host.demand('pm2 jlist', ['pm2', 'jlist'], { outputLimitBytes: LIST_BYTES });
  const listed = parseList(stdout);
  if (!listed)
    throw invalid(`${host.name}: pm2 jlist printed something else than its list. Is it pm2 4 or newer?`);
  const named = listed.filter((process) => process.name === name);
  if (named.length > 0) return named;
  const others = [...new Set(listed.map((process) => process.name))];
  throw invalid(
    `${host.name}: pm2 of the user who logs in has no process "${name}"; it has: ${others.join(', ') || 'none'}. Start it there once (pm2 start … --name ${name}), or correct "pm2" or "user".`,
  );
}

/** Its daemon may have something to say before. */
export function parseList(stdout: string): Pm2Process[] | undefined {
  for (const line of stdout.split('\n').reverse()) {
    if (!line.startsWith('[')) continue;
    try {
      return z.array(processSchema).parse(JSON.parse(line));
    } catch {
      // `[PM2] Spawning PM2 daemon` is no list either.
    }
  }
  return undefined;
}

async function readLogs(host: Host, processes: Pm2Process[]): Promise<string> {
  const paths = processes.flatMap(({ pm2_env }) => [pm2_env.pm_out_log_path, pm2_env.pm_err_log_path]);
  const files = [...new Set(paths)].filter((path) => path !== undefined && path !== '/dev/null');
  const limit = Math.floor(LONGEST_LOG_BYTES / Math.max(files.length, 1));
  const logs = files.map(async (path) => {
    const argv = ['tail', '-c', String(limit), '--', path ?? ''];
    const { stdout } = await host.demand('tail', argv, { outputLimitBytes: limit });
    return wholeLines(stdout, limit);
  });
  return (await Promise.all(logs)).join('');
}
