/** What the supervisor tells of itself: one file, replaced whole, that others read. It holds credentials: 0600. */
import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { placesOf } from './place.js';

export type PartStatus = 'starting' | 'up' | 'failed' | 'stopped';

export interface PartState {
  name: string;
  status: PartStatus;
  /** From its start until it answered. */
  readyMs?: number;
  pid?: number;
  log?: string;
}

export interface SandboxState {
  /** Told apart from another process that got the same pid later. */
  id: string;
  phase: 'starting' | 'up' | 'stopping' | 'failed';
  supervisorPid: number;
  portBase: number;
  startedAt: string;
  /** Why it failed. */
  error?: string;
  /** By what answers there: `temporal`, `temporalUi`, `aws`, … */
  addresses: Record<string, string>;
  parts: PartState[];
  /** What `sandbox.env` holds. */
  env: Record<string, string>;
}

export async function readState(home: string): Promise<SandboxState | undefined> {
  try {
    const state: SandboxState = JSON.parse(await readFile(placesOf(home).state, 'utf8'));
    return state;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

export async function writeState(home: string, state: SandboxState): Promise<void> {
  await writePrivate(placesOf(home).state, `${JSON.stringify(state, null, 2)}\n`);
}

export async function removeState(home: string): Promise<void> {
  await rm(placesOf(home).state, { force: true });
}

/** Whole or not at all, for its owner only. */
export async function writePrivate(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomUUID()}.part`;
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(content);
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

/** Sourceable by any POSIX shell. */
export function renderEnvironment(env: Record<string, string>): string {
  const lines = Object.entries(env).map(
    ([key, value]) => `export ${key}='${value.replaceAll("'", `'\\''`)}'`,
  );
  return `${lines.join('\n')}\n`;
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
