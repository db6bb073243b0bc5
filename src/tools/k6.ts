/** k6: what a script declares, one run of it with figures while it runs, and what its exit codes mean. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { runChild } from '../platform/children.js';
import { invalid } from '../platform/failures.js';
import { parseEvidence } from '../platform/json.js';

export interface K6Deps {
  /** @throws Error that says what to do when there is none */
  findK6: () => Promise<{ path: string }>;
}

export interface K6Call {
  /** Absolute. */
  script: string;
  /** The plan's folder. */
  cwd: string;
  /** `__ENV` of the script. Handed over by the environment: arguments can be read by everybody. */
  env: Record<string, string>;
  signal: AbortSignal;
}

export interface K6RunOptions extends K6Call {
  timeoutMs: number;
  /** Keeps the whole series as JSON lines. */
  series: boolean;
  influxdb: string[];
  /** Such as `p(99)`; k6 sums up only what it is told to. */
  trendStats: string[];
  onLive: (live: K6Live) => void;
}

export interface K6Live {
  virtualUsers: number;
  iterations: number;
  requests: number;
  failedRate?: number;
  p95Ms?: number;
}

/** Files are gone when the callback that got this has ended. */
export interface K6Run {
  exitCode: number | null;
  signal: string | null;
  timedOut: boolean;
  durationMs: number;
  /** JSON of `--summary-export`; absent when k6 ended too early to write one. */
  summary?: string;
  /** Iterations that ended with an exception; k6 itself exits 0 even when all of them did. */
  exceptions: number;
  /** Path of the series, when it was asked for. */
  series?: string;
  /** The newest lines of its log. */
  log: string;
}

/** https://github.com/grafana/k6/blob/v1.4.2/errext/exitcodes/codes.go */
export const K6_EXIT: Record<number, string> = {
  0: 'ended',
  97: 'the cloud test failed',
  98: 'the cloud did not answer',
  99: 'a threshold of the script was crossed',
  100: 'setup() took too long',
  101: 'teardown() took too long',
  102: 'a generic timeout',
  103: 'it was stopped by its REST API',
  104: 'its configuration is wrong',
  105: 'it was ended by a signal',
  106: 'its REST API could not be started',
  107: 'the script threw an exception',
  108: 'the script aborted the test',
  109: 'k6 itself panicked',
};

const LIVE_EVERY_MS = 1_000;
const TREND_STATS = ['avg', 'min', 'med', 'max', 'p(90)', 'p(95)', 'p(99)', 'count'];
const LOG_BYTES = 64 * 1024;

export interface K6 {
  /** Names of metrics with a threshold. @throws ApplicationFailure `Invalid` when the script cannot be read */
  inspect(call: K6Call): Promise<{ thresholds: string[] }>;
  /** @throws the signal's reason, when nothing of k6 is left */
  run<T>(options: K6RunOptions, use: (run: K6Run) => Promise<T>): Promise<T>;
}

export function createK6({ findK6 }: K6Deps): K6 {
  return {
    async inspect({ script, cwd, env, signal }) {
      const { path } = await findK6();
      const args = ['inspect', '--include-system-env-vars', script];
      const { exitCode, stdout, stderr } = await runChild({ file: path, args, cwd, env, signal });
      if (exitCode !== 0) {
        throw invalid(`k6 cannot read ${script}: ${lastLines(stderr)}`);
      }
      const { data } = inspected.safeParse(parseEvidence(stdout));
      if (!data) throw invalid(`k6 inspect ${script} printed something else than the options of the script.`);
      return { thresholds: Object.keys(data.thresholds ?? {}) };
    },
    async run(options, use) {
      const { path } = await findK6();
      const folder = await mkdtemp(join(tmpdir(), 'headgate-k6-'));
      try {
        return await use(await runIn(folder, path, options));
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  };
}

const inspected = z.object({ thresholds: z.record(z.string(), z.unknown()).nullish() });

async function runIn(folder: string, file: string, options: K6RunOptions): Promise<K6Run> {
  const summary = join(folder, 'summary.json');
  const series = join(folder, 'series.json');
  const address = `127.0.0.1:${await freePort()}`;
  const args = [
    'run',
    '--quiet',
    '--no-color',
    '--no-usage-report',
    ...['--address', address],
    ...['--summary-export', summary],
    ...['--summary-trend-stats', [...new Set([...TREND_STATS, ...options.trendStats])].join(',')],
    ...(options.series ? ['--out', `json=${series}`] : []),
    ...options.influxdb.flatMap((url) => ['--out', `influxdb=${url}`]),
    options.script,
  ];
  let exceptions = 0;
  const live = pollLive(address, options.onLive);
  try {
    const { cwd, env, signal, timeoutMs } = options;
    const ended = await runChild({
      file,
      args,
      cwd,
      env,
      signal,
      timeoutMs,
      outputLimitBytes: LOG_BYTES,
      onLine: (line) => {
        if (/level=error/.test(line) && /executor=/.test(line)) exceptions += 1;
      },
    });
    return {
      exitCode: ended.exitCode,
      signal: ended.signal,
      timedOut: ended.timedOut,
      durationMs: ended.durationMs,
      summary: await readFile(summary, 'utf8').catch(() => undefined),
      exceptions,
      series: options.series ? series : undefined,
      log: `${ended.stdout}${ended.stderr}`,
    };
  } finally {
    live.stop();
  }
}

/** k6 logs the line that a person needs last. */
function lastLines(text: string): string {
  return text.trim().split('\n').slice(-3).join(' / ').slice(-600);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return address && typeof address === 'object' ? address.port : 0;
}

/** https://grafana.com/docs/k6/latest/reference/k6-rest-api/ */
const metricsReply = z.object({
  data: z.array(
    z.object({ id: z.string(), attributes: z.object({ sample: z.record(z.string(), z.number()) }) }),
  ),
});

function pollLive(address: string, onLive: K6RunOptions['onLive']): { stop(): void } {
  const ended = new AbortController();
  const timer = setInterval(() => {
    void readLive(address, ended.signal).then(
      (live) => live && !ended.signal.aborted && onLive(live),
      // It does not listen yet, or it is too busy to tell: the figures of the end are what counts.
      () => undefined,
    );
  }, LIVE_EVERY_MS);
  return {
    stop() {
      clearInterval(timer);
      ended.abort();
    },
  };
}

async function readLive(address: string, ended: AbortSignal): Promise<K6Live | undefined> {
  const signal = AbortSignal.any([ended, AbortSignal.timeout(LIVE_EVERY_MS)]);
  const response = await fetch(`http://${address}/v1/metrics`, { signal });
  const parsed = metricsReply.safeParse(await response.json());
  if (!parsed.success) return undefined;
  const samples = new Map(parsed.data.data.map(({ id, attributes }) => [id, attributes.sample]));
  return {
    virtualUsers: samples.get('vus')?.value ?? 0,
    iterations: samples.get('iterations')?.count ?? 0,
    requests: samples.get('http_reqs')?.count ?? 0,
    failedRate: samples.get('http_req_failed')?.rate,
    p95Ms: samples.get('http_req_duration')?.['p(95)'],
  };
}
