/** A real Prometheus for one test file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { closedAddress } from './http-server.js';

export interface Prometheus {
  url: string;
  /** Polls until an instant query gives something. */
  waitFor(query: string): Promise<void>;
  stop(): Promise<void>;
}

const READY_WITHIN_MS = 30_000;

function findPrometheus(): string | undefined {
  const paths = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'prometheus'));
  return paths.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** For `describe.skipIf`: true, and said aloud, when it is missing. In CI a missing part is a failure. */
export function prometheusIsMissing(): boolean {
  if (findPrometheus()) return false;
  const how =
    'prometheus is not on PATH: install it (Debian: apt-get install --no-install-recommends prometheus).';
  if (process.env.CI) throw new Error(how);
  console.warn(`SKIPPED, ${how}`);
  return true;
}

/** Scrapes `exporterUrl` (job `shop`) five times a second. */
export async function startPrometheus(exporterUrl: string): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'headgate-prometheus-'));
  const config = join(folder, 'prometheus.yml');
  const scrape = { job_name: 'shop', static_configs: [{ targets: [new URL(exporterUrl).host] }] };
  // JSON is YAML.
  await writeFile(
    config,
    JSON.stringify({
      global: { scrape_interval: '200ms', scrape_timeout: '200ms' },
      scrape_configs: [scrape],
    }),
  );
  const { host } = new URL(await closedAddress());
  const server = spawn(
    findPrometheus() ?? 'prometheus',
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${host}`,
      '--log.level=error',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const prometheus: Prometheus = {
    url: `http://${host}`,
    waitFor: (query) => until(server, async () => (await ask(`http://${host}`, query)) > 0),
    async stop() {
      const ended = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGKILL');
      if (server.exitCode === null && server.signalCode === null) await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
  await prometheus.waitFor('up{job="shop"} == 1');
  return prometheus;
}

/** How many series a query gives. */
async function ask(url: string, query: string): Promise<number> {
  const response = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query })}`);
  const body: { data?: { result?: unknown[] } } = response.ok ? JSON.parse(await response.text()) : {};
  return body.data?.result?.length ?? 0;
}

async function until(server: ChildProcess, holds: () => Promise<boolean>): Promise<void> {
  const endsAt = Date.now() + READY_WITHIN_MS;
  for (;;) {
    // It does not listen yet.
    if (await holds().catch(() => false)) return;
    if (server.exitCode !== null) throw new Error(`prometheus ended with ${server.exitCode}`);
    if (Date.now() > endsAt) throw new Error(`prometheus gave nothing within ${READY_WITHIN_MS} ms`);
    await sleep(100);
  }
}
