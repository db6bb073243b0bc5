/** A metric store with Prometheus' API: VictoriaMetrics, which scrapes what is live on each stage once a second. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type RunningProcess, requireHttp, startProcess } from '../part.js';
import { LOOPBACK } from '../ports.js';
import { type PartContext, STAGES } from './context.js';

const MEMORY_BYTES = 64 * 1024 * 1024;

export async function startMetrics(
  context: PartContext,
  { program, scratch }: { program: string; scratch: string },
): Promise<RunningProcess> {
  const { ports, places } = context;
  const folder = join(scratch, 'metrics');
  const scrape = join(folder, 'scrape.yml');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(scrape, `${JSON.stringify(scrapeConfig(ports), null, 2)}\n`);
  const address = `${LOOPBACK}:${ports.metrics}`;
  return startProcess({
    name: 'metrics',
    file: program,
    args: [
      `-httpListenAddr=${address}`,
      `-storageDataPath=${join(folder, 'data')}`,
      `-promscrape.config=${scrape}`,
      `-memory.allowedBytes=${MEMORY_BYTES}`,
      // By default what was measured in the last half minute is not shown.
      '-search.latencyOffset=0s',
      '-loggerLevel=WARN',
    ],
    env: context.env,
    log: join(places.logs, 'metrics.log'),
    stopSignal: 'SIGTERM',
    graceMs: 5_000,
    readyTimeoutMs: 60_000,
    ready: () => requireHttp(`http://${address}/health`),
    onDeath: context.onDeath,
  });
}

/** JSON is YAML. */
function scrapeConfig(ports: PartContext['ports']) {
  return {
    global: { scrape_interval: '1s' },
    scrape_configs: [
      {
        job_name: 'application',
        static_configs: STAGES.map((stage) => ({
          targets: [`${LOOPBACK}:${ports[stage]}`],
          labels: { app: 'whatsapp-saas', stage },
        })),
      },
    ],
  };
}
