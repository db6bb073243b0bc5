/** A service of docker compose, whose file is in the target's directory. */
import { z } from 'zod';
import { invalid } from '../../../../platform/failures.js';
import { LONGEST_LOG_BYTES } from '../../target.js';
import { wholeLines } from '../../whole-lines.js';
import type { Host } from '../host.js';
import { RESTART_MS, requireName, type Service } from './service.js';

const containerSchema = z.object({
  ID: z.string(),
  Service: z.string(),
  State: z.string(),
  Health: z.string().optional(),
});

type Container = z.infer<typeof containerSchema>;

const COMPOSE = ['docker', 'compose'];
const LOG_LINES = 20_000;

export function createCompose(host: Host, service: string): Service {
  requireName(
    'compose',
    service,
    /^(?!-)[\w.-]+$/,
    'Write the name of one service, as it stands in the compose file.',
  );
  return {
    command: `docker compose logs ${service}`,
    async state() {
      const containers = await readContainers(host, service);
      const states = [...new Set(containers.map(describe))].sort();
      return {
        up: containers.length > 0 && containers.every(isUp),
        failed: containers.some(({ State }) => State === 'exited' || State === 'dead'),
        says: `docker compose says ${service} is ${states.join(' and ') || 'not there'}`,
        restarts: await countRestarts(host, containers),
      };
    },
    async restart() {
      // `restart` would start the container again as it was made: with the env_file of then.
      const up = ['up', '--detach', '--force-recreate', '--no-deps', service];
      await host.demand(`docker compose up ${service}`, [...COMPOSE, ...up], {
        unbroken: true,
        timeoutMs: RESTART_MS,
      });
    },
    async log() {
      const logs = ['logs', '--no-color', '--timestamps', '--tail', String(LOG_LINES), service];
      const { stdout } = await host.demand('docker compose logs', [...COMPOSE, ...logs], {
        outputLimitBytes: LONGEST_LOG_BYTES,
      });
      return wholeLines(stdout);
    },
  };
}

function describe({ State, Health }: Container): string {
  return Health ? `${State} (${Health})` : State;
}

function isUp({ State, Health }: Container): boolean {
  return State === 'running' && (!Health || Health === 'healthy');
}

async function readContainers(host: Host, service: string): Promise<Container[]> {
  const argv = [...COMPOSE, 'ps', '--all', '--format', 'json', service];
  const { stdout } = await host.demand('docker compose ps', argv);
  const containers = parseContainers(stdout);
  if (containers) return containers.filter(({ Service }) => Service === service);
  throw invalid(`${host.name}: docker compose ps printed something else than JSON. Is it Docker Compose 2?`);
}

/** One object a line; before 2.21 a list of them. */
export function parseContainers(stdout: string): Container[] | undefined {
  const lines = stdout.split('\n').filter((line) => line.trim() !== '');
  try {
    const values = lines.flatMap((line): unknown => JSON.parse(line));
    return z.array(containerSchema).parse(values.flat());
  } catch {
    return undefined;
  }
}

async function countRestarts(host: Host, containers: Container[]): Promise<number> {
  if (containers.length === 0) return 0;
  const ids = containers.map(({ ID }) => ID);
  const argv = ['docker', 'inspect', '--format', '{{.RestartCount}}', ...ids];
  const { stdout } = await host.demand('docker inspect', argv);
  return Math.max(...stdout.split('\n').map((line) => Number(line) || 0));
}
