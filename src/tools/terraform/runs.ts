/**
 * The folders that runs of terraform work in, below the cache: variables, plan and log of one run, and a record that
 * outlives a killed worker. The record proves whether the process that holds a lock has ended, and tells in which
 * resources a provisioner was at work.
 */
import { randomUUID } from 'node:crypto';
import { renameSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { ProcessFacts } from '../../platform/process-facts.js';

const RECORD = 'run.json';
const SEEN_EVERY_MS = 1_000;
/** Of another machine or container with the same cache: it may be alive as long as it says so. */
const LONG_GONE_MS = 60 * 60_000;

const identity = z.object({ pid: z.number(), start: z.string() });
const recordSchema = z.object({
  /** The step that it works for. */
  owner: z.string(),
  machine: z.string().optional(),
  worker: identity.optional(),
  command: z.enum(['plan', 'apply']).optional(),
  startedAtMs: z.number(),
  terraform: identity.optional(),
  /** Addresses whose provisioner has begun and not ended. */
  provisioning: z.array(z.string()),
  /** Terraform was killed, and its worker lives on. */
  killed: z.boolean(),
});
export type RunRecord = z.infer<typeof recordSchema>;

export interface FormerRun extends RunRecord {
  folder: string;
  /** When its worker was last there to say so. */
  seenAtMs: number;
  state: 'alive' | 'dead' | 'unknown';
}

/** Of one run. Everything in it may hold secrets, except the record. */
export class RunFolder {
  readonly path: string;
  readonly #facts: ProcessFacts;
  readonly #timer: NodeJS.Timeout;
  #record: RunRecord;

  static async create(parent: string, owner: string, facts: ProcessFacts): Promise<RunFolder> {
    const path = join(parent, randomUUID());
    await mkdir(path, { recursive: true, mode: 0o700 });
    const start = await facts.startOf(process.pid);
    return new RunFolder(path, facts, {
      owner,
      machine: await facts.machine(),
      worker: start === undefined ? undefined : { pid: process.pid, start },
      startedAtMs: Date.now(),
      provisioning: [],
      killed: false,
    });
  }

  private constructor(path: string, facts: ProcessFacts, record: RunRecord) {
    this.path = path;
    this.#facts = facts;
    this.#record = record;
    this.#write({});
    this.#timer = setInterval(() => this.#see(), SEEN_EVERY_MS);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  async writePrivate(name: string, text: string): Promise<string> {
    await writeFile(this.file(name), text, { mode: 0o600 });
    return this.file(name);
  }

  /** Before the command starts: from here on a lock may be its. */
  beginning(command: 'plan' | 'apply'): void {
    this.#write({ command, startedAtMs: Date.now(), terraform: undefined });
  }

  async started(pid: number): Promise<void> {
    const start = await this.#facts.startOf(pid).catch(() => undefined);
    if (start !== undefined) this.#write({ terraform: { pid, start } });
  }

  /** A process that was killed may have left its lock behind, and its record is kept to prove whose that was. */
  ended({ killed }: { killed: boolean }): void {
    this.#write(killed ? { killed } : { command: undefined, terraform: undefined, provisioning: [] });
  }

  provisioning(address: string, isUnderWay: boolean): void {
    const others = this.#record.provisioning.filter((each) => each !== address);
    this.#write({ provisioning: isUnderWay ? [...others, address] : others });
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await (this.#record.killed ? sweep(this.path) : discard(this.path));
  }

  /** Whole or not at all, and at once: what was begun has to be known even when the worker is killed right after. */
  #write(change: Partial<RunRecord>): void {
    this.#record = { ...this.#record, ...change };
    this.#inFolder(() => {
      writeFileSync(this.file(`${RECORD}.part`), JSON.stringify(this.#record), { mode: 0o600 });
      renameSync(this.file(`${RECORD}.part`), this.file(RECORD));
    });
  }

  #see(): void {
    const now = new Date();
    this.#inFolder(() => utimesSync(this.file(RECORD), now, now));
  }

  /** The folder is gone when the run has been closed, or when somebody has emptied the cache: terraform will say so. */
  #inFolder(work: () => void): void {
    try {
      work();
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    }
  }
}

/** Every run that was not closed in peace. What a dead one has left behind besides its record is deleted. */
export async function formerRuns(parent: string, facts: ProcessFacts): Promise<FormerRun[]> {
  const names = await readdir(parent).catch(() => []);
  const machine = await facts.machine();
  const runs = await Promise.all(
    names.map(async (name) => {
      const folder = join(parent, name);
      const run = await readRecord(folder);
      if (!run) return [];
      const state = await stateOf(run, machine, facts);
      if (state === 'dead') await sweep(folder);
      if (state === 'unknown' && run.seenAtMs < Date.now() - LONG_GONE_MS) await discard(folder);
      return [{ ...run, folder, state }];
    }),
  );
  return runs.flat();
}

async function readRecord(folder: string): Promise<Omit<FormerRun, 'state'> | undefined> {
  try {
    const file = join(folder, RECORD);
    const { mtimeMs } = await stat(file);
    const record = recordSchema.parse(JSON.parse(await readFile(file, 'utf8')));
    return { ...record, folder, seenAtMs: mtimeMs };
  } catch {
    return undefined;
  }
}

/** A number of another boot, another machine or another container says nothing. */
async function stateOf(
  run: RunRecord,
  machine: string | undefined,
  facts: ProcessFacts,
): Promise<FormerRun['state']> {
  if (machine === undefined || run.machine !== machine || !run.worker) return 'unknown';
  const processes = [...(run.killed ? [] : [run.worker]), ...(run.terraform ? [run.terraform] : [])];
  const starts = await Promise.all(processes.map(({ pid }) => facts.startOf(pid)));
  return starts.some((start, index) => start === processes[index]?.start) ? 'alive' : 'dead';
}

/** Leaves the record. */
async function sweep(folder: string): Promise<void> {
  const left = (await readdir(folder)).filter((name) => name !== RECORD);
  await Promise.all(left.map((name) => discard(join(folder, name))));
}

export async function discard(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}
