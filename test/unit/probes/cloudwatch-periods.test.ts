import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { freshSpan, longSpan } from '../../../src/adapters/probes/cloudwatch/periods.js';

const MINUTE_MS = 60_000;
const at = (text: string) => Date.parse(`2026-01-16T${text}Z`);

describe('of five minutes', () => {
  const spanAt = (text: string) => {
    const { fromMs, untilMs } = freshSpan(5 * MINUTE_MS, at(text));
    return [fromMs, untilMs].map((ms) => new Date(ms).toISOString().slice(11, 19));
  };

  it('the newest complete period is the last one asked for, once it has settled for a minute', () => {
    expect(spanAt('12:05:59')).toEqual(['11:50:00', '12:00:00']);
    expect(spanAt('12:06:00')).toEqual(['11:50:00', '12:05:00']);
    expect(spanAt('12:09:59')).toEqual(['11:50:00', '12:05:00']);
  });

  it('the oldest one ended at most two periods and five minutes ago', () => {
    expect(spanAt('12:10:00')[0]).toBe('11:50:00');
    expect(spanAt('12:10:01')[0]).toBe('11:55:00');
  });
});

it('every span is of whole periods, has at least one and at most 1,440, and ends before now', () => {
  const periods = fc.constantFrom(1, 5, 10, 30, 60, 300, 3600, 86_400, 604_800);
  fc.assert(
    fc.property(periods, fc.integer({ min: at('00:00:00'), max: at('23:59:59') }), (seconds, nowMs) => {
      const periodMs = seconds * 1000;
      for (const { fromMs, untilMs } of [freshSpan(periodMs, nowMs), longSpan(periodMs, nowMs)]) {
        expect(fromMs % periodMs).toBe(0);
        expect(untilMs % periodMs).toBe(0);
        expect((untilMs - fromMs) / periodMs).toBeGreaterThanOrEqual(1);
        expect((untilMs - fromMs) / periodMs).toBeLessThanOrEqual(1440);
        expect(untilMs).toBeLessThan(nowMs);
      }
      expect(longSpan(periodMs, nowMs).fromMs).toBeLessThanOrEqual(freshSpan(periodMs, nowMs).fromMs);
    }),
  );
});
