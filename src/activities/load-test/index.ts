/** `loadTest`: k6 against the live release, judged by its figures, by its iterations, and by probes every second. */
import { worstOutcome } from '../../adapters/probes/judge.js';
import { readSummary } from '../../adapters/probes/loadTest/summary.js';
import type {
  HeadgateActivities,
  LoadTestFound,
  LoadTestHeartbeat,
  LoadTestInput,
  LoadTestResult,
  Look,
  Subject,
} from '../../contract/activities.js';
import { fitMeasurements } from '../../contract/fit.js';
import type { Measurement } from '../../contract/progress.js';
import { digestJson } from '../../plan/canonical.js';
import type { ArtifactStore } from '../../platform/artifacts.js';
import { drift, invalid } from '../../platform/failures.js';
import { digestPath, resolvePlanFile } from '../../platform/plan-files.js';
import type { References } from '../../platform/references.js';
import type { K6, K6Run } from '../../tools/k6.js';
import type { Clock } from '../clock.js';
import { withHeartbeat } from '../heartbeat.js';
import type { Sampler } from '../sampler.js';
import { ProbeWatch } from './probe-watch.js';
import { figure, judgeRun } from './verdict.js';

export interface LoadTestDeps {
  k6: K6;
  /** What each exit code of k6 means. */
  exitMeanings: Record<number, string>;
  artifacts: Pick<ArtifactStore, 'write' | 'adopt' | 'cite'>;
  references: Pick<References, 'resolveText'>;
  sampler: Sampler;
  clock: Clock;
}

const DURING_EVERY_MS = 1_000;
const LARGEST_RESULT = 12 * 1024;
/** Metrics that k6 reports without any threshold in the script. */
const BUILT_IN = /^(http_req|http_reqs|iteration|vus|data_|checks|group_duration|ws_|grpc_|browser_)/;

export function createLoadTestActivities(deps: LoadTestDeps) {
  return {
    lookLoadTest: (input) => look(deps, input),
    async runLoadTest(input) {
      await requireLookedAt(input);
      const startedAtMs = deps.clock.now();
      let live: LoadTestHeartbeat = { elapsedMs: 0, virtualUsers: 0, iterations: 0, requests: 0 };
      return withHeartbeat(
        () => ({ ...live, elapsedMs: deps.clock.now() - startedAtMs }),
        (signal) =>
          new LoadTest(deps, input, signal, (figures) => {
            live = figures;
          }).run(),
      );
    },
  } satisfies Pick<HeadgateActivities, 'lookLoadTest' | 'runLoadTest'>;
}

async function look(deps: LoadTestDeps, input: LoadTestInput): Promise<Look<LoadTestFound>> {
  const { context, step, release } = input;
  const { script, expect } = step.config;
  const scriptSha256 = await digestPath(context.directory, script);
  const env = await environmentOf(deps, input);
  const { thresholds } = await deps.k6.inspect({
    script: await resolvePlanFile(context.directory, script),
    cwd: context.directory,
    env,
    signal: AbortSignal.timeout(25_000),
  });
  const bare = thresholds.map((name) => name.replace(/\{.*$/, ''));
  const silent = [...new Set(expect.flatMap(({ metric }) => metric ?? []))].filter(
    (metric) => !BUILT_IN.test(metric) && !bare.includes(metric.replace(/\{.*$/, '')),
  );
  return {
    found: { scriptSha256, thresholds },
    changes: [`k6 runs ${script}${release ? ` against ${release.id}` : ''}`],
    warnings: silent.map(
      (metric) =>
        `${step.name}: ${script} gives ${metric} no threshold; k6 leaves out a metric that was never added to, and the gate then has no evidence. Add a threshold such as ${metric}: ['count<1'].`,
    ),
    effect: 'none',
    digest: digestJson({ scriptSha256, thresholds }),
  };
}

async function requireLookedAt({
  context,
  step,
  base,
}: LoadTestInput & { base?: LoadTestFound }): Promise<void> {
  const { script } = step.config;
  if (base === undefined || (await digestPath(context.directory, script)) === base.scriptSha256) return;
  throw drift(`${step.name}: ${script} is not what was looked at. Nothing was run.`, { item: script });
}

async function environmentOf(
  { references }: LoadTestDeps,
  { context, step, release }: LoadTestInput,
): Promise<Record<string, string>> {
  const subject = { context, stage: step.stage, step: step.name, release };
  const entries = Object.entries(step.config.env).map(async ([key, value]) => {
    return [key, await references.resolveText(value, subject)] as const;
  });
  return {
    HEADGATE_ROLLOUT_ID: context.runId,
    HEADGATE_STAGE: step.stage,
    HEADGATE_VERSION: context.version,
    HEADGATE_RELEASE: release?.id ?? '',
    HEADGATE_RELEASE_URL: release?.url ?? '',
    ...Object.fromEntries(await Promise.all(entries)),
  };
}

class LoadTest {
  constructor(
    private readonly deps: LoadTestDeps,
    private readonly input: LoadTestInput,
    private readonly signal: AbortSignal,
    private readonly onLive: (live: LoadTestHeartbeat) => void,
  ) {}

  async run(): Promise<LoadTestResult> {
    const { deps, signal } = this;
    const { context, step } = this.input;
    const { script, outputs, timeoutMs, expect } = step.config;
    const ended = new AbortController();
    const during = this.watch(AbortSignal.any([signal, ended.signal]), ended.signal);
    // It ends before k6 does when it is aborted or breaks, and is awaited only afterwards.
    during.catch(() => undefined);
    try {
      const options = {
        script: await resolvePlanFile(context.directory, script),
        cwd: context.directory,
        env: await environmentOf(deps, this.input),
        signal,
        timeoutMs,
        series: outputs.includes('json'),
        influxdb: await this.influxdb(),
        trendStats: expect.flatMap(({ path }) => (/^p\([\d.]+\)$/.test(path) ? [path] : [])),
        onLive: (live: Omit<LoadTestHeartbeat, 'elapsedMs'>) => this.onLive({ elapsedMs: 0, ...live }),
      };
      return await deps.k6.run(options, async (run) => {
        ended.abort();
        return this.conclude(run, await during);
      });
    } finally {
      ended.abort();
      // A probe that breaks has been told of above; here only its end is waited for.
      await during.catch(() => undefined);
    }
  }

  private async influxdb(): Promise<string[]> {
    const { context, step } = this.input;
    const subject = { context, stage: step.stage, step: step.name };
    const urls = step.config.outputs.flatMap((output) => (output === 'json' ? [] : [output.influxdb]));
    return Promise.all(
      urls.map((url) => this.deps.references.resolveText(url, subject, { publicOnly: true })),
    );
  }

  /** Every second until `ended`; rejects with the signal's reason when it was not that. */
  private async watch(signal: AbortSignal, ended: AbortSignal): Promise<Measurement[]> {
    const { context, step, release } = this.input;
    const subject: Subject = { context, stage: step.stage, step: step.name, release };
    const watches = step.config.during.map((spec) => new ProbeWatch(this.deps.sampler, subject, spec));
    try {
      for (;;) {
        const nextMs = this.deps.clock.now() + DURING_EVERY_MS;
        await Promise.all(watches.map((watch) => watch.sample(signal)));
        await this.deps.clock.sleep(nextMs - this.deps.clock.now(), signal);
      }
    } catch (error) {
      if (!ended.aborted) throw error;
    }
    return watches.map((watch) => watch.conclude(new Date(this.deps.clock.now()).toISOString()));
  }

  private async conclude(run: K6Run, during: Measurement[]): Promise<LoadTestResult> {
    const { context, step } = this.input;
    const name = `load-test-${step.name.replace('/', '-')}`;
    const names = [`${name}.log`];
    await this.deps.artifacts.write(context, `${name}.log`, run.log);
    if (run.exitCode === 104 || run.exitCode === 107) {
      throw invalid(
        `${step.config.script}: ${this.deps.exitMeanings[run.exitCode]}: ${run.log.trim().split('\n').slice(-3).join(' / ').slice(-600)}`,
      );
    }
    if (run.summary !== undefined) {
      names.push(`${name}.json`);
      await this.deps.artifacts.write(context, `${name}.json`, run.summary);
    }
    if (run.series !== undefined) {
      names.push(`${name}-series.json.gz`);
      await this.deps.artifacts.adopt(context, `${name}-series.json.gz`, run.series, { gzip: true });
    }
    const summary = run.summary === undefined ? { wrong: 'is not there' } : readSummary(run.summary);
    const metrics = 'metrics' in summary ? summary.metrics : undefined;
    const at = new Date(this.deps.clock.now()).toISOString();
    const measurements = [
      ...judgeRun(run, step.config, summary, { at, meanings: this.deps.exitMeanings }),
      ...during,
    ];
    return {
      outcome: worstOutcome(measurements.map(({ outcome }) => outcome)),
      measurements: fitMeasurements(measurements, LARGEST_RESULT),
      exitCode: run.exitCode ?? -1,
      iterations: figure(metrics, 'iterations', 'count'),
      requests: figure(metrics, 'http_reqs', 'count'),
      durationMs: run.durationMs,
      artifacts: names.map((each) => this.deps.artifacts.cite(context, each)),
    };
  }
}
