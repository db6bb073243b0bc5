/** `loadTest`: k6 against the live release, judged by its figures, by its iterations, and by probes every second. */
import { extendWindows, judge, worstOutcome } from '../adapters/probes/judge.js';
import { readSummary } from '../adapters/probes/loadTest/summary.js';
import type { Sample } from '../adapters/probes/probe.js';
import type {
  HeadgateActivities,
  LoadTestFound,
  LoadTestHeartbeat,
  LoadTestInput,
  LoadTestResult,
  Look,
  Subject,
} from '../contract/activities.js';
import type { Measurement, MeasurementOutcome } from '../contract/progress.js';
import { digestJson } from '../plan/canonical.js';
import type { Expectation, Json, ProbeSpec } from '../plan/resolved.js';
import type { ArtifactStore } from '../platform/artifacts.js';
import { invalid } from '../platform/failures.js';
import { digestPath, resolvePlanFile } from '../platform/plan-files.js';
import type { References } from '../platform/references.js';
import type { K6, K6Run } from '../tools/k6.js';
import type { Clock } from './clock.js';
import { fitMeasurements } from './fit.js';
import { withHeartbeat } from './heartbeat.js';
import type { Sampler } from './sampler.js';

export interface LoadTestDeps {
  k6: K6;
  /** What each exit code of k6 means. */
  exitMeanings: Record<number, string>;
  artifacts: Pick<ArtifactStore, 'write' | 'adopt'>;
  references: Pick<References, 'resolveText'>;
  sampler: Sampler;
  clock: Clock;
}

const DURING_EVERY_MS = 1_000;
const LARGEST_RESULT = 12 * 1024;
/** So many samples of a probe are kept for its aggregates: an hour's worth. */
const LONGEST_WINDOW = 3_600;
/** So much of what was sampled during the test has to be evidence. k6 makes the machine busy: some are late. */
const MINIMUM_EVIDENCE = 0.8;
/** Metrics that k6 reports without any threshold in the script. */
const BUILT_IN = /^(http_req|http_reqs|iteration|vus|data_|checks|group_duration|ws_|grpc_|browser_)/;

export function createLoadTestActivities(deps: LoadTestDeps) {
  return {
    lookLoadTest: (input) => look(deps, input),
    runLoadTest(input) {
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
    const artifacts = [`${name}.log`];
    await this.deps.artifacts.write(context, `${name}.log`, run.log);
    if (run.exitCode === 104 || run.exitCode === 107) {
      throw invalid(
        `${step.config.script}: ${this.deps.exitMeanings[run.exitCode]}: ${run.log.trim().split('\n').slice(-3).join(' / ').slice(-600)}`,
      );
    }
    if (run.summary !== undefined) {
      artifacts.push(`${name}.json`);
      await this.deps.artifacts.write(context, `${name}.json`, run.summary);
    }
    if (run.series !== undefined) {
      artifacts.push(`${name}-series.json.gz`);
      await this.deps.artifacts.adopt(context, `${name}-series.json.gz`, run.series, { gzip: true });
    }
    const metrics = run.summary === undefined ? undefined : readSummary(JSON.parse(run.summary));
    const at = new Date(this.deps.clock.now()).toISOString();
    const measurements = [
      this.judgeEnd(run, at),
      judgeIterations(run, metrics, at),
      ...judgeChecks(metrics, at),
      ...step.config.expect.map((expectation) => judgeFigure(expectation, metrics, run, at)),
      ...during,
    ];
    return {
      outcome: worstOutcome(measurements.map(({ outcome }) => outcome)),
      measurements: fitMeasurements(measurements, LARGEST_RESULT),
      exitCode: run.exitCode ?? -1,
      iterations: figure(metrics, 'iterations', 'count'),
      requests: figure(metrics, 'http_reqs', 'count'),
      durationMs: run.durationMs,
      artifacts,
    };
  }

  private judgeEnd(run: K6Run, at: string): Measurement {
    const { timeoutMs } = this.input.step.config;
    const meaning = this.deps.exitMeanings[run.exitCode ?? -1];
    const end = run.exitCode === null ? `ended by ${run.signal}` : `exit code ${run.exitCode}`;
    const message = run.timedOut
      ? `k6 was not done after ${timeoutMs / 1000} s and was stopped`
      : `${end}${meaning && run.exitCode !== 0 ? `, ${meaning}` : ''}`;
    const outcome = run.timedOut ? 'fail' : judgeExit(run.exitCode);
    return {
      probe: 'k6',
      outcome,
      at,
      message,
      values: { exitCode: run.exitCode },
      durationMs: run.durationMs,
    };
  }
}

/** Thresholds and what the script itself decided are a verdict; anything else is no evidence. */
function judgeExit(exitCode: number | null): MeasurementOutcome {
  if (exitCode === 0) return 'pass';
  return exitCode === 99 || exitCode === 108 ? 'fail' : 'error';
}

type Metrics = { [metric: string]: Json } | undefined;

function figure(metrics: Metrics, metric: string, path: string): number {
  const figures = metrics?.[metric];
  const value = figures && typeof figures === 'object' && !Array.isArray(figures) ? figures[path] : undefined;
  return typeof value === 'number' ? value : 0;
}

/** k6 exits 0 when every iteration throws, and when none did anything. */
function judgeIterations(run: K6Run, metrics: Metrics, at: string): Measurement {
  const iterations = figure(metrics, 'iterations', 'count');
  const requests = figure(metrics, 'http_reqs', 'count');
  const base = {
    probe: 'iterations',
    at,
    durationMs: run.durationMs,
    values: { iterations, requests, exceptions: run.exceptions },
  };
  if (iterations === 0) return { ...base, outcome: 'inconclusive', message: 'k6 completed no iteration' };
  if (run.exceptions >= iterations) {
    return { ...base, outcome: 'fail', message: `every one of ${iterations} iterations threw an exception` };
  }
  const threw = run.exceptions > 0 ? `, ${run.exceptions} of them threw` : '';
  return { ...base, outcome: 'pass', message: `${iterations} iterations, ${requests} requests${threw}` };
}

/** Checks that never once held measured nothing. Which share has to hold is for `expect` to say. */
function judgeChecks(metrics: Metrics, at: string): Measurement[] {
  if (metrics?.checks === undefined) return [];
  const passes = figure(metrics, 'checks', 'passes');
  const fails = figure(metrics, 'checks', 'fails');
  const message = `${passes} of ${passes + fails} checks held`;
  return [
    {
      probe: 'checks',
      outcome: passes > 0 ? 'pass' : 'fail',
      at,
      message,
      values: { passes, fails },
      durationMs: 0,
    },
  ];
}

function judgeFigure(expectation: Expectation, metrics: Metrics, run: K6Run, at: string): Measurement {
  const name = expectation.metric ?? expectation.path;
  const sample: Sample = metrics
    ? { kind: 'sample', value: metrics }
    : { kind: 'inconclusive', message: 'k6 wrote no summary' };
  return judge({ name, expect: [expectation] }, sample, { at, durationMs: run.durationMs });
}

/** One probe during the test: aggregates are judged over all samples at the end, anything else sample by sample. */
class ProbeWatch {
  private readonly aggregated: Expectation[];
  private readonly plain: Expectation[];
  private windows: Record<string, number[]> = {};
  private taken = 0;
  private evidence = 0;
  private last: Measurement | undefined;
  private lastSample: Sample | undefined;
  private failed: Measurement | undefined;
  private missing: Measurement | undefined;

  constructor(
    private readonly sampler: Sampler,
    private readonly subject: Subject,
    private readonly spec: ProbeSpec,
  ) {
    this.aggregated = spec.expect.filter(({ aggregate }) => aggregate !== undefined);
    this.plain = spec.expect.filter(({ aggregate }) => aggregate === undefined);
  }

  async sample(signal: AbortSignal): Promise<void> {
    // One sample never decides an aggregate; what else is expected holds at every moment.
    const spec = this.plain.length > 0 ? { ...this.spec, expect: this.plain } : this.spec;
    const { measurement, sample } = await this.sampler.sampleOnce(this.subject, spec, signal);
    const decides = this.plain.length > 0 || sample.kind !== 'sample';
    this.taken += 1;
    if (sample.kind === 'sample') {
      this.lastSample = sample;
      this.windows = extendWindows(this.windows, this.spec, sample, LONGEST_WINDOW);
    }
    if (decides && measurement.outcome === 'fail') this.failed ??= measurement;
    if (decides && (measurement.outcome === 'error' || measurement.outcome === 'inconclusive')) {
      this.missing = measurement;
      return;
    }
    this.evidence += 1;
    this.last = measurement;
  }

  conclude(at: string): Measurement {
    const { name } = this.spec;
    if (this.failed) return this.failed;
    if (!this.last || this.evidence < this.taken * MINIMUM_EVIDENCE) {
      const why = this.missing ? `: ${this.missing.message}` : '';
      const message = `${this.evidence} of ${this.taken} samples are evidence${why}`;
      return { probe: name, outcome: 'inconclusive', at, message, values: {}, durationMs: 0 };
    }
    const samples = `${this.taken} samples`;
    if (this.aggregated.length === 0) return { ...this.last, message: `${this.last.message} (${samples})` };
    if (!this.lastSample)
      return { ...this.last, outcome: 'inconclusive', message: `no figures in ${samples}` };
    const { durationMs } = this.last;
    return judge({ name, expect: this.aggregated }, this.lastSample, {
      at,
      durationMs,
      windows: this.windows,
    });
  }
}
