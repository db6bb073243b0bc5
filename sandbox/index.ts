/** The sandbox from outside: up, down, what is there, faults. The supervisor does the work. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { childEnvironment } from '../src/platform/children.js';
import { loadSettings } from '../src/platform/settings.js';
import { resolveTool } from '../src/platform/tool-resolver.js';
import { ensureMoto } from './moto.js';
import { builtProgram, placesOf } from './place.js';
import { findFreeBase, requireFreePorts } from './ports.js';
import { isAlive, readState, removeState, type SandboxState } from './state.js';

const START_TIMEOUT_MS = 180_000;
const STOP_TIMEOUT_MS = 60_000;
const POLL_MS = 50;

export interface StartOptions {
  log: (line: string) => void;
  signal?: AbortSignal;
  /** The sandbox ends with this process. */
  owned?: boolean;
  /** When the ports are taken, others are used instead of refusing. */
  anyPorts?: boolean;
}

export interface SandboxView extends SandboxState {
  environmentFile: string;
  logFolder: string;
  /** It was up before. */
  already?: boolean;
}

/** @throws Error that says which part is missing or did not come up, and what to do */
export async function startSandbox({ log, signal, owned, anyPorts }: StartOptions): Promise<SandboxView> {
  const { home, portBase } = loadSettings();
  const running = await describeSandbox();
  if (running?.phase === 'up') return { ...running, already: true };
  if (running) throw new Error(`The sandbox is ${running.phase} just now; ask "headgate sandbox status".`);
  const base = anyPorts ? await findFreeBase(portBase) : portBase;
  await requireFreePorts(base);
  const [temporal, moto, terraform, metrics] = await Promise.all([
    resolveTool('temporal', { log, signal }),
    ensureMoto({ log, signal }),
    resolveTool('terraform', { log, signal }),
    resolveTool('victoria-metrics', { log, signal }),
    // Fetched now, while somebody watches, and not in the middle of a rollout.
    resolveTool('k6', { log, signal }),
  ]);
  signal?.throwIfAborted();
  const id = randomUUID();
  const { logs } = placesOf(home);
  await mkdir(logs, { recursive: true, mode: 0o700 });
  const output = await open(join(logs, 'supervisor.log'), 'a', 0o600);
  try {
    const supervisor = spawn(process.execPath, [builtProgram('sandbox/supervisor.js')], {
      detached: true,
      env: childEnvironment({
        HEADGATE_HOME: home,
        HEADGATE_PORT_BASE: String(base),
        HEADGATE_TOOL_TEMPORAL: temporal.path,
        HEADGATE_TOOL_MOTO: moto,
        HEADGATE_TOOL_TERRAFORM: terraform.path,
        HEADGATE_TOOL_VICTORIA_METRICS: metrics.path,
        HEADGATE_SANDBOX_ID: id,
        ...(owned ? { HEADGATE_SANDBOX_OWNER: String(process.pid) } : {}),
      }),
      stdio: ['ignore', output.fd, output.fd],
    });
    supervisor.unref();
    return await untilUp(home, id, supervisor.pid ?? 0, signal);
  } finally {
    await output.close();
  }
}

async function untilUp(home: string, id: string, pid: number, signal?: AbortSignal): Promise<SandboxView> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    const state = await readState(home);
    if (state?.id === id && state.phase === 'up') return viewOf(home, state);
    const failed = state?.id === id && state.phase === 'failed' ? state.error : undefined;
    const dead = !isAlive(pid);
    if (signal?.aborted || failed || dead || Date.now() > deadline) {
      if (!dead) process.kill(pid, 'SIGTERM');
      await untilGone(pid);
      await removeState(home);
      signal?.throwIfAborted();
      const why = failed ?? (dead ? 'its supervisor ended' : `not up within ${START_TIMEOUT_MS / 1000} s`);
      throw new Error(`The sandbox did not come up: ${why}. Logs: ${placesOf(home).logs}`);
    }
    await sleep(POLL_MS);
  }
}

/** `undefined` when there is none. What a supervisor that was killed left behind counts as none. */
export async function describeSandbox(): Promise<SandboxView | undefined> {
  const { home } = loadSettings();
  const state = await readState(home);
  if (!state || !isAlive(state.supervisorPid) || state.phase === 'failed') return undefined;
  return viewOf(home, state);
}

function viewOf(home: string, state: SandboxState): SandboxView {
  const { environment, logs } = placesOf(home);
  return { ...state, environmentFile: environment, logFolder: logs };
}

/** @returns false when there was nothing to stop */
export async function stopSandbox(): Promise<boolean> {
  const { home } = loadSettings();
  const state = await readState(home);
  if (!state) return false;
  const running = isAlive(state.supervisorPid);
  if (running) {
    process.kill(state.supervisorPid, 'SIGTERM');
    await untilGone(state.supervisorPid);
  }
  await removeState(home);
  return running;
}

async function untilGone(pid: number): Promise<void> {
  const deadline = Date.now() + STOP_TIMEOUT_MS;
  while (isAlive(pid)) {
    if (Date.now() > deadline) throw new Error(`The sandbox's supervisor (pid ${pid}) does not end.`);
    await sleep(POLL_MS);
  }
}

/** @throws Error that says which faults there are */
export async function setFault(name: string): Promise<void> {
  const state = await describeSandbox();
  if (!state) throw new Error('There is no sandbox. Start one: headgate sandbox up');
  const response = await fetch(`${state.addresses.control}/faults/${encodeURIComponent(name)}`, {
    method: 'PUT',
  });
  const body = (await response.json()) as { error?: string };
  if (!response.ok) throw new Error(body.error ?? `the sandbox answered ${response.status}`);
}
