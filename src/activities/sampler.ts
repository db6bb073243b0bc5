/** One measurement from reference to verdict: values put in, sample taken in time, judged, redacted. */
import { ApplicationFailure } from '@temporalio/common';
import { extendWindows, judge } from '../adapters/probes/judge.js';
import type { Sample } from '../adapters/probes/probe.js';
import type { Probes } from '../adapters/probes/registry.js';
import type { Subject } from '../contract/activities.js';
import type { Measurement } from '../contract/progress.js';
import type { Expectation, Json, ProbeSpec } from '../plan/resolved.js';
import type { Redactor } from '../platform/redaction.js';
import type { References } from '../platform/references.js';

/** A probe keeps its own time; one that does not is left behind after this. */
const OVERTIME_MS = 1000;

export interface SamplerDeps {
  probes: Probes;
  references: Pick<References, 'resolve' | 'resolveText'>;
  redactor: Pick<Redactor, 'redact' | 'redactJson'>;
  /** Epoch ms. */
  now: () => number;
}

export interface Sampled {
  measurement: Measurement;
  /** Redacted. */
  sample: Sample;
  /** The windows that were handed in, with this sample's values. */
  windows: Record<string, number[]>;
}

/** What a followed probe tells. */
export interface FollowedSample {
  /** The measurement as of now. @param windows as of `sampleOnce` */
  judge(windows: Record<string, number[]>): Sampled;
  /** False when nothing could be measured: the stream is lost, or there is nothing to judge. */
  isEvidence: boolean;
  cursor?: Json;
  gap?: string;
}

export interface Sampler {
  /**
   * Measures once. Wrong configuration, a probe that breaks and a probe that is late are `error` measurements.
   * Rejects with the signal's reason, and with what the worker does not permit or cannot ever put in
   * (`NotPermitted`, `Invalid`).
   */
  sampleOnce(
    subject: Subject,
    spec: ProbeSpec,
    signal: AbortSignal,
    windows?: Record<string, number[]>,
  ): Promise<Sampled>;
  /** Several at the same time, each in its own time. */
  sampleAll(subject: Subject, specs: ProbeSpec[], signal: AbortSignal): Promise<Sampled[]>;
  /** The plan wants it to be followed, and it can be. */
  isFollowed(spec: ProbeSpec): boolean;
  /**
   * What it tells as it comes, from the cursor on. Ends when the stream is lost; rejects as `sampleOnce` does, with
   * nothing else.
   */
  follow(
    subject: Subject,
    spec: ProbeSpec,
    signal: AbortSignal,
    cursor: Json | undefined,
  ): AsyncIterable<FollowedSample>;
  /** The probe changes something when it samples. */
  writes(spec: ProbeSpec): boolean;
  /** Paths of its sample that tell the configuration in force. */
  inForcePaths(spec: ProbeSpec): string[];
}

export function createSampler(deps: SamplerDeps): Sampler {
  const sampleOnce: Sampler['sampleOnce'] = async (subject, spec, signal, windows = {}) => {
    signal.throwIfAborted();
    const at = new Date(deps.now()).toISOString();
    const startedAt = performance.now();
    const measured = await measure(deps, subject, spec, signal);
    const durationMs = Math.round(performance.now() - startedAt);
    return judgeSample(deps, spec, measured, { at, durationMs, windows });
  };
  return {
    sampleOnce,
    sampleAll: (subject, specs, signal) =>
      Promise.all(specs.map((spec) => sampleOnce(subject, spec, signal))),
    isFollowed: (spec) => deps.probes.get(spec.kind)?.isFollowed(spec.config) ?? false,
    follow: (subject, spec, signal, cursor) => follow(deps, { subject, spec, signal, cursor }),
    writes: (spec) => deps.probes.get(spec.kind)?.writes(spec.config) ?? false,
    inForcePaths: (spec) => deps.probes.get(spec.kind)?.inForcePaths(spec.config, spec.expect) ?? [],
  };
}

interface Measured {
  sample: Sample;
  expect: Expectation[];
}

function judgeSample(
  { redactor }: SamplerDeps,
  spec: ProbeSpec,
  { sample, expect }: Measured,
  { at, durationMs, windows }: { at: string; durationMs: number; windows: Record<string, number[]> },
): Sampled {
  const extended = extendWindows(windows, spec, sample);
  const measurement = judge({ name: spec.name, expect }, sample, {
    at,
    durationMs,
    windows: extended,
    redact: (text) => redactor.redact(text),
  });
  return { measurement, sample: redactSample(sample, redactor), windows: extended };
}

interface FollowCall {
  subject: Subject;
  spec: ProbeSpec;
  signal: AbortSignal;
  cursor: Json | undefined;
}

async function* follow(
  deps: SamplerDeps,
  { subject, spec, signal, cursor }: FollowCall,
): AsyncGenerator<FollowedSample> {
  const tell = (measured: Measured, more: Pick<FollowedSample, 'cursor' | 'gap'>): FollowedSample => ({
    ...more,
    isEvidence: measured.sample.kind === 'sample' || measured.sample.kind === 'fail',
    judge: (windows) =>
      judgeSample(deps, spec, measured, { at: new Date(deps.now()).toISOString(), durationMs: 0, windows }),
  });
  const probe = deps.probes.get(spec.kind);
  if (!probe) return;
  try {
    const { config, expect } = await resolveSpec(deps, spec, subject);
    for await (const { sample, gap, ...rest } of probe.follow({ config, subject, expect, signal, cursor })) {
      yield tell({ sample, expect }, { ...rest, gap: gap === undefined ? gap : deps.redactor.redact(gap) });
    }
  } catch (error) {
    yield tell(explainFailure(spec, error, signal), { cursor });
  }
}

async function measure(
  deps: SamplerDeps,
  subject: Subject,
  spec: ProbeSpec,
  signal: AbortSignal,
): Promise<Measured> {
  const probe = deps.probes.get(spec.kind);
  if (!probe) {
    const known = [...deps.probes.keys()].join(', ');
    return failedToMeasure(spec, `this worker has no probe "${spec.kind}"; it has: ${known}`);
  }
  try {
    const { config, expect } = await resolveSpec(deps, spec, subject);
    const request = { config, subject, expect, timeoutMs: spec.timeoutMs };
    return {
      sample: await inTime(spec.timeoutMs, signal, (end) => probe.sample({ ...request, signal: end })),
      expect,
    };
  } catch (error) {
    return explainFailure(spec, error, signal);
  }
}

/** @throws the signal's reason, and what no repetition mends */
function explainFailure(spec: ProbeSpec, error: unknown, signal: AbortSignal): Measured {
  signal.throwIfAborted();
  if (error instanceof ApplicationFailure && error.nonRetryable) throw error;
  const said = error instanceof Error ? error.message : String(error);
  // Not a word for people, but the only trace of where it was.
  if (error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError) {
    return failedToMeasure(spec, `what was answered is of another shape than expected (${said})`);
  }
  return failedToMeasure(spec, said);
}

async function resolveSpec(
  { references }: SamplerDeps,
  spec: ProbeSpec,
  subject: Subject,
): Promise<{ config: { [key: string]: Json }; expect: Expectation[] }> {
  return {
    config: await resolveConfig(references, spec.config, subject),
    expect: await Promise.all(spec.expect.map((each) => resolveExpected(references, each, subject))),
  };
}

function failedToMeasure(spec: ProbeSpec, message: string): Measured {
  return { sample: { kind: 'error', message }, expect: spec.expect };
}

/** Everybody on the machine can read a program's arguments, so that no secret is put into them. */
const ARGUMENTS = ['command', 'argv'];

async function resolveConfig(
  references: SamplerDeps['references'],
  config: ProbeSpec['config'],
  subject: Subject,
): Promise<{ [key: string]: Json }> {
  const entries = Object.entries(config).map(async ([key, value]) => {
    const resolved = await references.resolve(value, subject, { publicOnly: ARGUMENTS.includes(key) });
    return [key, resolved] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

async function resolveExpected(
  references: SamplerDeps['references'],
  expectation: Expectation,
  subject: Subject,
): Promise<Expectation> {
  const { equals, matches } = expectation;
  return {
    ...expectation,
    ...(typeof equals === 'string' ? { equals: await references.resolveText(equals, subject) } : {}),
    ...(matches === undefined ? {} : { matches: await references.resolveText(matches, subject) }),
  };
}

/** Returns or rejects as soon as the signal says so, whatever the probe does. */
async function inTime(
  timeoutMs: number,
  signal: AbortSignal,
  work: (end: AbortSignal) => Promise<Sample>,
): Promise<Sample> {
  const late = AbortSignal.timeout(timeoutMs + OVERTIME_MS);
  const end = AbortSignal.any([signal, late]);
  let onEnd = () => {};
  const ended = new Promise<Sample>((resolve, reject) => {
    onEnd = () => {
      if (signal.aborted) reject(signal.reason);
      else resolve({ kind: 'error', message: `no result within ${timeoutMs} ms` });
    };
    end.addEventListener('abort', onEnd, { once: true });
  });
  try {
    return await Promise.race([work(end), ended]);
  } catch (error) {
    if (late.aborted && !signal.aborted)
      return { kind: 'error', message: `no result within ${timeoutMs} ms` };
    throw error;
  } finally {
    end.removeEventListener('abort', onEnd);
  }
}

function redactSample(sample: Sample, redactor: SamplerDeps['redactor']): Sample {
  if (sample.kind === 'sample') return { kind: 'sample', value: redactor.redactJson(sample.value) };
  return { kind: sample.kind, message: redactor.redact(sample.message) };
}
