/** What every probe adapter promises, whatever it measures. The fakes of workflow tests promise it too. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judge } from '../../src/adapters/probes/judge.js';
import type { Sample } from '../../src/adapters/probes/probe.js';
import type { CheckedProbe } from '../../src/adapters/probes/registry.js';
import type { Subject } from '../../src/contract/activities.js';
import type { Expectation, Json } from '../../src/plan/resolved.js';

type Config = { [key: string]: Json };

export interface ProbeUnderTest {
  probe: CheckedProbe;
  subject: Subject;
  /** Gives a sample that `expect` passes on. */
  good: { config: Config; expect: Expectation[] };
  /** The measured thing answers nonsense, refuses, is not there: by what is wrong. */
  bad: Record<string, Config>;
  /** Never answers; left out for a probe that does not hang. */
  hanging?: Config;
  close?(): Promise<void>;
}

/** @param hangs false for a probe that reads what is there, and so never waits */
export function describeProbe(
  kind: string,
  open: () => Promise<ProbeUnderTest>,
  { hangs = true }: { hangs?: boolean } = {},
): void {
  describe(`contract of the probe ${kind}`, () => {
    let under: ProbeUnderTest;
    beforeAll(async () => {
      under = await open();
    });
    afterAll(async () => under?.close?.());

    const sample = (config: Config, options: { timeoutMs?: number; signal?: AbortSignal } = {}) =>
      under.probe.sample({
        config,
        subject: under.subject,
        expect: under.good.expect,
        timeoutMs: options.timeoutMs ?? 5_000,
        signal: options.signal ?? new AbortController().signal,
      });
    const outcomeOf = (found: Sample) =>
      judge({ name: kind, expect: under.good.expect }, found, { at: '', durationMs: 0 }).outcome;

    it('bears its name and samples an object that can be judged', async () => {
      expect(under.probe.kind).toBe(kind);
      const found = await sample(under.good.config);
      expect(found.kind).toBe('sample');
      expect(outcomeOf(found)).toBe('pass');
      if (found.kind === 'sample') expect(JSON.parse(JSON.stringify(found.value))).toEqual(found.value);
    });

    it('never rejects and never passes on anything bad', async () => {
      for (const [what, config] of Object.entries(under.bad)) {
        const found = await sample(config, { timeoutMs: 1_000 });
        expect(outcomeOf(found), what).not.toBe('pass');
        if (found.kind !== 'sample') expect(found.message, what).not.toBe('');
      }
    });

    it('calls a configuration that makes no sense an error', async () => {
      const senseless: { [key: string]: Json }[] = [{}, { nonsense: true }];
      for (const config of senseless) {
        expect((await sample(config)).kind).toBe('error');
        expect(under.probe.writes(config)).toBe(false);
        expect(under.probe.inForcePaths(config, [])).toEqual([]);
      }
    });

    it('rejects with the reason of a signal that was aborted before', async () => {
      const reason = new Error('stopped by the test');
      await expect(sample(under.good.config, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    });

    if (!hangs) return;
    const hangingConfig = (): Config => {
      if (under.hanging) return under.hanging;
      throw new Error('say what hangs, or that nothing does');
    };

    it('aborts promptly', async () => {
      const hanging = hangingConfig();
      const stop = new AbortController();
      const reason = new Error('stopped by the test');
      const sampling = sample(hanging, { signal: stop.signal, timeoutMs: 30_000 });
      const settled = sampling.then(
        () => 'resolved',
        (error: unknown) => error,
      );
      const early = await Promise.race([
        settled,
        new Promise((resolve) => setTimeout(resolve, 200, 'waiting')),
      ]);
      expect(early).toBe('waiting');
      const abortedAt = performance.now();
      stop.abort(reason);
      expect(await settled).toBe(reason);
      expect(performance.now() - abortedAt).toBeLessThan(1_500);
    });

    it('keeps its time', async () => {
      const hanging = hangingConfig();
      const startedAt = performance.now();
      const found = await sample(hanging, { timeoutMs: 300 });
      expect(found.kind).not.toBe('sample');
      expect(performance.now() - startedAt).toBeLessThan(3_000);
    });
  });
}
