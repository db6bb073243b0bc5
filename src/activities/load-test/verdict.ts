/** What a finished run of k6 says: how it ended, whether it did anything, and every figure that is expected. Pure. */
import { judge } from '../../adapters/probes/judge.js';
import type { Summary } from '../../adapters/probes/loadTest/summary.js';
import type { Sample } from '../../adapters/probes/probe.js';
import type { Measurement, MeasurementOutcome } from '../../contract/progress.js';
import type { Expectation, Json, LoadTestStepConfig } from '../../plan/resolved.js';
import type { K6Run } from '../../tools/k6.js';

/** Figures by metric; undefined when there are none that could be read. */
export type Metrics = { [metric: string]: Json } | undefined;

interface Judging {
  at: string;
  /** What each exit code of k6 means. */
  meanings: Record<number, string>;
}

export function judgeRun(
  run: K6Run,
  { expect, timeoutMs }: Pick<LoadTestStepConfig, 'expect' | 'timeoutMs'>,
  summary: Summary,
  judging: Judging,
): Measurement[] {
  const { at } = judging;
  const end = judgeEnd(run, timeoutMs, judging);
  if ('wrong' in summary) return [end, withoutFigures(summary.wrong, run, at)];
  const { metrics } = summary;
  return [
    end,
    judgeIterations(run, metrics, at),
    ...judgeChecks(metrics, at),
    ...expect.map((expectation) => judgeFigure(expectation, metrics, run, at)),
  ];
}

/** Nothing that is expected of the figures can be judged then. */
function withoutFigures(wrong: string, { durationMs }: K6Run, at: string): Measurement {
  const message = `the summary of k6 ${wrong}`;
  return { probe: 'summary', outcome: 'inconclusive', at, message, values: {}, durationMs };
}

function judgeEnd(run: K6Run, timeoutMs: number, { at, meanings }: Judging): Measurement {
  const meaning = meanings[run.exitCode ?? -1];
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

/** Thresholds and what the script itself decided are a verdict; anything else is no evidence. */
function judgeExit(exitCode: number | null): MeasurementOutcome {
  if (exitCode === 0) return 'pass';
  return exitCode === 99 || exitCode === 108 ? 'fail' : 'error';
}

export function figure(metrics: Metrics, metric: string, path: string): number {
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

function judgeFigure(
  expectation: Expectation,
  metrics: NonNullable<Metrics>,
  run: K6Run,
  at: string,
): Measurement {
  const name = expectation.metric ?? expectation.path;
  const sample: Sample = { kind: 'sample', value: metrics };
  return judge({ name, expect: [expectation] }, sample, { at, durationMs: run.durationMs });
}
