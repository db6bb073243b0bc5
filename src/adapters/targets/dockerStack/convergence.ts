/** When a change of a stack has come to its end. Swarm carries it out by itself; this follows it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { invalid } from '../../../platform/failures.js';
import type { CallDocker } from './docker.js';
import { parseLines, readStack, type Service, type Stack } from './stack.js';

export interface ConvergenceTiming {
  pollMs: number;
  /** Swarm begins an update a moment after it was told to: before that everything looks as if it were done. */
  leastLooks: number;
  longestMs: number;
}

export const TIMING: ConvergenceTiming = { pollMs: 1_000, leastLooks: 4, longestMs: 10 * 60_000 };

export interface Following {
  docker: CallDocker;
  stack: string;
  service?: string;
  /** Full names of the services that were changed; what befell another one earlier is not ours. */
  changed: ReadonlySet<string>;
  /** A rollback that was asked for is success, one that swarm decided on is not. */
  goesBack: boolean;
  tell: (line: string) => void;
  signal: AbortSignal;
}

const BROKEN = ['paused', 'rollback_paused'];
const UNDER_WAY = ['updating', 'rollback_started'];
const MOST_FAILED_TASKS = 5;

/** What a service still waits for, or has come to; undefined when all is well with it. */
export function whatIsMissing({ name, update, running, wanted }: Service): string | undefined {
  if (update && [...BROKEN, ...UNDER_WAY].includes(update.state)) {
    return `${name} is ${update.state}${update.message ? `: ${update.message}` : ''}`;
  }
  return running < wanted ? `${name} has ${running} of ${wanted} tasks running` : undefined;
}

/** @throws ApplicationFailure `Invalid` when swarm has stopped, gone back by itself, or gets nowhere */
export async function followStack(following: Following, timing: ConvergenceTiming): Promise<Stack> {
  const { docker, stack, service, changed, signal, tell } = following;
  const startedAt = Date.now();
  for (let looks = 1; ; looks += 1) {
    const now = await readStack(docker, stack, service);
    const ours = now.services.filter(({ name }) => changed.has(name));
    for (const one of ours) await refuseBroken(following, one);
    const missing = ours.map(whatIsMissing).find((line) => line !== undefined);
    const elapsedMs = Date.now() - startedAt;
    if (missing === undefined && looks >= timing.leastLooks) return now;
    if (elapsedMs > timing.longestMs) {
      throw invalid(
        `Stack ${stack} has not come to rest in ${timing.longestMs / 60_000} minutes: ${missing}`,
      );
    }
    tell(missing ?? `${stack}: waiting for swarm to begin`);
    await sleep(timing.pollMs, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

async function refuseBroken(following: Following, service: Service): Promise<void> {
  const { update, name } = service;
  const state = update?.state ?? '';
  const wentBack = state === 'rollback_completed' && !following.goesBack;
  if (!wentBack && !BROKEN.includes(state)) {
    if (service.running > 0 || service.wanted === 0) return;
    const failed = await failedTasks(following.docker, service);
    if (failed.length < MOST_FAILED_TASKS) return;
    throw invalid(
      `${name} does not come up: ${failed.length} tasks have failed, the last one by: ${failed[0]}. More: docker service ps --no-trunc ${name}`,
    );
  }
  const [why] = await failedTasks(following.docker, service);
  const what = wentBack ? 'swarm has taken the update back by itself' : `swarm has stopped (${state})`;
  const because = [update?.message, why].filter((line) => line).join('; ');
  throw invalid(`${name}: ${what}: ${because}. More: docker service ps --no-trunc ${name}`);
}

const taskSchema = z.object({ CurrentState: z.string(), Error: z.string() });

/** What ended its tasks, the newest first. */
async function failedTasks(docker: CallDocker, { name }: Service): Promise<string[]> {
  const argv = ['service', 'ps', '--no-trunc', '--format', '{{json .}}', name];
  const tasks = parseLines('docker service ps', (await docker(argv)).stdout, taskSchema);
  const failed = tasks.filter(({ CurrentState }) => /^(Failed|Rejected)/.test(CurrentState));
  return failed.map(({ Error: why, CurrentState }) => why || CurrentState);
}
