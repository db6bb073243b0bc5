import { describe, expect, it } from 'vitest';
import { judge } from '../../../src/adapters/probes/judge.js';
import { LineCounter } from '../../../src/adapters/probes/logs/line-counter.js';
import { matchInTime, SlowPatternError } from '../../../src/platform/pattern.js';

/** Takes longer than the universe has existed. One for all tests: it is waited for only once. */
const ENDLESS = /^(a+)+$/;
const text = `${'a'.repeat(60)}!`;

function timed<T>(work: () => T): { result: T; ms: number } {
  const startedAt = performance.now();
  const result = work();
  return { result, ms: performance.now() - startedAt };
}

describe('a pattern of a plan', () => {
  it('gives what it matches', () => {
    expect(matchInTime(/b+/, () => /b+/.exec('abbc')?.[0])).toBe('bb');
    expect(matchInTime(/x/, () => undefined)).toBeUndefined();
  });

  it('is broken off after a second, and for a minute not tried again', () => {
    const attempt = () => {
      try {
        return matchInTime(ENDLESS, () => ENDLESS.test(text));
      } catch (error) {
        return error;
      }
    };
    const first = timed(attempt);
    expect(first.result).toBeInstanceOf(SlowPatternError);
    expect(first.ms).toBeLessThan(3_000);
    const again = timed(attempt);
    expect(again.result).toBeInstanceOf(SlowPatternError);
    expect(again.ms).toBeLessThan(900);
  });

  it('that was broken off leaves others as they are', () => {
    expect(matchInTime(/^a/, () => /^a/.test(text))).toBe(true);
  });

  it('lets other errors through', () => {
    expect(() =>
      matchInTime(/y/, () => {
        throw new RangeError('not ours');
      }),
    ).toThrow(new RangeError('not ours'));
  });

  it('that does not end is an error of the measuring, never a pass', () => {
    const spec = { name: 'version', expect: [{ path: 'v', matches: ENDLESS.source }] };
    const judging = { at: '2026-01-01T00:00:00Z', durationMs: 0 };
    const { outcome, message } = judge(spec, { kind: 'sample', value: { v: text } }, judging);
    expect(outcome).toBe('error');
    expect(message).toContain('cannot be evaluated, or not in time');
  });

  it('that does not end on a line of a log ends the count', () => {
    const counter = new LineCounter(ENDLESS, undefined);
    const lines = [{ text: 'a' }, { text }];
    expect(() => counter.take(lines)).toThrow(SlowPatternError);
  });
});
