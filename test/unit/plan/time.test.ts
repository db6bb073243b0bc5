/** Durations and change windows: what people write, and the clock's odd days. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatDuration, LONGEST_DURATION_MS, parseDuration } from '../../../src/plan/duration.js';
import { measureWindowWait, readWindow } from '../../../src/plan/window.js';

describe('durations', () => {
  it.each([
    ['250ms', 250],
    ['10s', 10_000],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['1h1ms', 3_600_001],
    ['0s', 0],
    ['8760h', LONGEST_DURATION_MS],
  ])('%s', (text, ms) => expect(parseDuration(text)).toBe(ms));

  it.each(['', 'soon', '5', '5 m', '-5m', '1.5h', '30m1h', '5m5m', '1d', '8761h'])('"%s" is none', (text) =>
    expect(parseDuration(text)).toBeUndefined(),
  );

  it('what is formatted is read back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: LONGEST_DURATION_MS }), (ms) => {
        expect(parseDuration(formatDuration(ms))).toBe(ms);
      }),
    );
  });
});

describe('change windows', () => {
  const wait = (text: string, at: string): number => {
    const read = readWindow(text);
    if (!('window' in read)) throw new Error(read.problem);
    return measureWindowWait(read.window, Date.parse(at)) / 60_000;
  };

  it.each([
    ['open', 'Mon-Thu 08:00-15:00 America/New_York', '2026-01-15T14:00:00Z', 0],
    ['its last minute', 'Mon-Thu 08:00-15:00 America/New_York', '2026-01-15T19:59:00Z', 0],
    [
      'closed until Monday',
      'Mon-Thu 08:00-15:00 America/New_York',
      '2026-01-15T20:00:00Z',
      (3 * 24 + 17) * 60,
    ],
    ['before it opens', 'Mon-Thu 08:00-15:00 America/New_York', '2026-01-15T12:30:00Z', 30],
    ['over midnight, after it', 'Fri 22:00-02:00 Europe/Berlin', '2026-01-17T00:30:00Z', 0],
    ['over midnight, the wrong day', 'Fri 22:00-02:00 Europe/Berlin', '2026-01-16T00:30:00Z', 20 * 60 + 30],
    ['an hour that the clock skips', 'Sun 02:30-04:00 America/New_York', '2026-03-08T06:30:00Z', 30],
    ['an hour that comes twice', 'Sun 01:30-01:45 America/New_York', '2026-11-01T05:30:00Z', 0],
    ['all week', 'Mon-Sun 00:00-24:00 UTC', '2026-01-15T20:00:00Z', 0],
  ])('%s', (_what, text, at, minutes) => expect(wait(text, at)).toBe(minutes));

  it.each([
    'Mon 08:00-15:00',
    'Funday 08:00-15:00 UTC',
    'Mon 8-15 UTC',
    'Mon 08:00-08:00 UTC',
    'Mon 25:00-26:00 UTC',
    'Mon 08:00-15:00 Mars/Base',
    'Mon 08:00-15:00 +02:00',
  ])('"%s" is none', (text) => expect(readWindow(text)).toHaveProperty('problem'));
});
