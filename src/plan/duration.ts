/** Durations as people write them: `250ms`, `10s`, `5m`, `1h30m`. Pure. */

const UNITS = [
  { name: 'h', ms: 3_600_000 },
  { name: 'm', ms: 60_000 },
  { name: 's', ms: 1_000 },
  { name: 'ms', ms: 1 },
] as const;

/** Largest unit first, each at most once. */
export const DURATION_PATTERN = '^(?=\\d)(\\d{1,9}h)?(\\d{1,9}m)?(\\d{1,9}s)?(\\d{1,9}ms)?$';

/** A rollout that is open for longer than a year is a mistake in a unit. */
export const LONGEST_DURATION_MS = 365 * 24 * 3_600_000;

/** Milliseconds; `undefined` when `text` is no duration or is longer than a year. */
export function parseDuration(text: string): number | undefined {
  const amounts = new RegExp(DURATION_PATTERN).exec(text)?.slice(1);
  if (!amounts) return undefined;
  const totalMs = UNITS.reduce(
    (sum, unit, index) => sum + Number.parseInt(amounts[index] ?? '0', 10) * unit.ms,
    0,
  );
  return totalMs <= LONGEST_DURATION_MS ? totalMs : undefined;
}

/** The shortest form that `parseDuration` reads back: `1h30m`, `0s`. `ms` is a whole number, at least 0. */
export function formatDuration(ms: number): string {
  let rest = ms;
  let text = '';
  for (const unit of UNITS) {
    const amount = Math.floor(rest / unit.ms);
    rest -= amount * unit.ms;
    if (amount > 0) text += `${amount}${unit.name}`;
  }
  return text === '' ? '0s' : text;
}
