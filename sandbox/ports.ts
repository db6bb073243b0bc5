/** The sandbox's ports on loopback, counted from HEADGATE_PORT_BASE. */
import { readdir, readFile, readlink } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { execa } from 'execa';

export const LOOPBACK = '127.0.0.1';

export interface SandboxPorts {
  temporal: number;
  temporalUi: number;
  aws: number;
  rds: number;
  postgresStaging: number;
  postgresProduction: number;
  staging: number;
  production: number;
  sink: number;
  control: number;
  metrics: number;
}

export function portsFrom(base: number): SandboxPorts {
  return {
    temporal: base,
    temporalUi: base + 1,
    aws: base + 2,
    rds: base + 3,
    postgresStaging: base + 4,
    postgresProduction: base + 5,
    staging: base + 6,
    production: base + 7,
    sink: base + 8,
    control: base + 9,
    metrics: base + 10,
  };
}

/** @throws Error that names every taken port, its holder as far as known, and the setting that changes them */
export async function requireFreePorts(base: number): Promise<void> {
  const taken = await takenPorts(base);
  if (taken.length === 0) return;
  const lines = await Promise.all(taken.map(async (port) => `${port} (${await describeHolder(port)})`));
  throw new Error(
    `The sandbox needs the ports ${base} to ${base + 10} on ${LOOPBACK}; in use: ${lines.join(', ')}. Stop what uses them, or set HEADGATE_PORT_BASE to a number from which eleven ports are free.`,
  );
}

/** The first base, from `base` on in steps of twenty, whose ports are all free. */
export async function findFreeBase(base: number): Promise<number> {
  for (let candidate = base; candidate <= 60_000; candidate += 20) {
    if ((await takenPorts(candidate)).length === 0) return candidate;
  }
  throw new Error(`No eleven free ports in a row from ${base} on; set HEADGATE_PORT_BASE.`);
}

async function takenPorts(base: number): Promise<number[]> {
  const ports = Object.values(portsFrom(base));
  const free = await Promise.all(ports.map(isFree));
  return ports.filter((_, index) => !free[index]);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await listen(server, port);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return false;
    throw error;
  } finally {
    if (server.listening) await new Promise((resolve) => server.close(resolve));
  }
}

/** Listens on loopback. @returns the port, chosen by the system for 0 */
export async function listen(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, LOOPBACK, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address();
  return address && typeof address === 'object' ? address.port : port;
}

async function describeHolder(port: number): Promise<string> {
  const found = process.platform === 'linux' ? await findInProc(port) : await askLsof(port);
  return found ?? 'by an unknown process';
}

async function askLsof(port: number): Promise<string | undefined> {
  const { stdout } = await execa('lsof', ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fpc'], {
    reject: false,
    timeout: 3_000,
  });
  const pid = /^p(\d+)/m.exec(stdout)?.[1];
  const command = /^c(.+)/m.exec(stdout)?.[1];
  return pid ? `by process ${pid}, ${command ?? 'unknown'}` : undefined;
}

/** The kernel tells a socket's inode; the process is the one that has it open. */
async function findInProc(port: number): Promise<string | undefined> {
  const inodes = await listeningInodes(port);
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const descriptor of descriptors) {
      const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '');
      if (!inodes.some((inode) => target === `socket:[${inode}]`)) continue;
      const command = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => 'unknown');
      return `by process ${pid}, ${command.trim()}`;
    }
  }
  return undefined;
}

async function listeningInodes(port: number): Promise<string[]> {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const tables = await Promise.all(
    ['/proc/net/tcp', '/proc/net/tcp6'].map((table) => readFile(table, 'utf8').catch(() => '')),
  );
  return tables
    .flatMap((table) => table.split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[1]?.endsWith(suffix) && fields[3] === '0A')
    .flatMap((fields) => fields[9] ?? []);
}
