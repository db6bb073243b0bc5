/** Lets one process install a thing while others wait for it. */
import { open, readFile, rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { processFacts } from './process-facts.js';

const POLL_MS = 200;

/**
 * Runs `install` while nobody else does for the same `folder`. A holder that died is passed over. Two waiters may
 * pass over it at the same moment and both install; as an install appears by one rename, that costs time only.
 */
export async function withInstallLock<T>(
  folder: string,
  what: string,
  options: { log?: (line: string) => void; signal?: AbortSignal },
  install: () => Promise<T>,
): Promise<T> {
  const lock = `${folder}.lock`;
  let announced = false;
  while (!(await take(lock))) {
    const holder = await readHolder(lock);
    if (holder !== undefined && !(await isAlive(holder))) {
      await rm(lock, { force: true });
      continue;
    }
    if (!announced)
      options.log?.(`${what}: process ${holder?.pid ?? 'unknown'} installs it already, waiting for it`);
    announced = true;
    await sleep(POLL_MS, undefined, { signal: options.signal });
  }
  try {
    return await install();
  } finally {
    await rm(lock, { force: true });
  }
}

async function take(lock: string): Promise<boolean> {
  try {
    const file = await open(lock, 'wx');
    await file.writeFile(`${process.pid} ${(await processFacts.startOf(process.pid)) ?? ''}`);
    await file.close();
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

interface Holder {
  pid: number;
  /** Empty where it is not known. */
  start: string;
}

/** `undefined` while the holder has not written its number yet, or has just let go. */
async function readHolder(lock: string): Promise<Holder | undefined> {
  const text = await readFile(lock, 'utf8').catch(() => '');
  const [, pid, start = ''] = /^(\d+)(?: (.*))?$/.exec(text) ?? [];
  return pid === undefined ? undefined : { pid: Number(pid), start };
}

/** In a container the next worker has the number of the one that was killed. */
async function isAlive({ pid, start }: Holder): Promise<boolean> {
  const found = await processFacts.startOf(pid);
  return found !== undefined && (start === '' || found === start);
}
