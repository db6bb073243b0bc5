/** A probe that is sampled all through a load test. */
import { extendWindows, judge } from '../../adapters/probes/judge.js';
import type { Sample } from '../../adapters/probes/probe.js';
import type { Subject } from '../../contract/activities.js';
import type { Measurement } from '../../contract/progress.js';
import type { Expectation, ProbeSpec } from '../../plan/resolved.js';
import type { Sampler } from '../sampler.js';

/** So many samples of a probe are kept for its aggregates: an hour's worth. */
const LONGEST_WINDOW = 3_600;
/** So much of what was sampled has to be evidence. k6 makes the machine busy: some samples are late. */
const MINIMUM_EVIDENCE = 0.8;

/** Aggregates are judged over all samples at the end, anything else sample by sample. */
export class ProbeWatch {
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
