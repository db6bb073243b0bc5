/** Change windows: `Mon-Thu 08:00-15:00 America/New_York`. Pure; the zone's rules come from Intl. */
import type { ChangeWindow } from './resolved.js';

const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const DAY_MINUTES = 24 * 60;

/** The window, or one sentence that says what is wrong with it. */
export type WindowReading = { window: ChangeWindow } | { problem: string };

/** Days (`Mon`, `Mon-Thu`, `Sat,Sun`), from-to, time zone. One that ends before it begins ends on the next day. */
export function readWindow(text: string): WindowReading {
  const [days = '', hours = '', timeZone = '', ...rest] = text.trim().split(/\s+/);
  if (timeZone === '' || rest.length > 0)
    return { problem: `"${text}" has not the three parts days, hours, zone` };
  const weekdays = readDays(days);
  if (!weekdays) return { problem: `"${days}" are no weekdays` };
  const minutes = readHours(hours);
  if (!minutes) return { problem: `"${hours}" are no hours` };
  if (minutes.from === minutes.to) return { problem: `"${hours}" is never open` };
  if (!isTimeZone(timeZone)) return { problem: `"${timeZone}" is no time zone` };
  return {
    window: { days: weekdays, fromMinute: minutes.from, toMinute: minutes.to, timeZone, text: text.trim() },
  };
}

/** `Mon-Thu`, `Fri-Mon` (over the week's end), `Mon,Wed,Fri`. Sorted numbers, 0 is Sunday. */
function readDays(text: string): number[] | undefined {
  const days = new Set<number>();
  for (const part of text.toLowerCase().split(',')) {
    const [first = '', last = first, ...rest] = part.split('-');
    const from = DAYS.indexOf(first);
    const to = DAYS.indexOf(last);
    if (from < 0 || to < 0 || rest.length > 0) return undefined;
    for (let day = from; ; day = (day + 1) % 7) {
      days.add(day);
      if (day === to) break;
    }
  }
  return [...days].sort((a, b) => a - b);
}

function readHours(text: string): { from: number; to: number } | undefined {
  const found = /^(\d{2}):(\d{2})-(\d{2}):(\d{2})$/.exec(text);
  if (!found) return undefined;
  const [fromHour = 0, fromRest = 0, toHour = 0, toRest = 0] = found.slice(1).map(Number);
  if (fromRest > 59 || toRest > 59) return undefined;
  const from = fromHour * 60 + fromRest;
  const to = toHour * 60 + toRest;
  return from < DAY_MINUTES && to <= DAY_MINUTES ? { from, to } : undefined;
}

/** Names only: an offset such as `+02:00` does not know when summer ends. */
function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** Milliseconds until the window is open; 0 when it is. Opens and closes by the zone's wall clock, summer time or not. */
export function measureWindowWait(window: ChangeWindow, nowMs: number): number {
  const today = wallClock(window.timeZone, nowMs);
  const midnight = Date.UTC(today.year, today.month - 1, today.day);
  let waitMs = Number.POSITIVE_INFINITY;
  // From yesterday, whose window may last over midnight, to the same weekday of the week after next:
  // a window of one day can be skipped whole when the clocks go forward.
  for (let offset = -1; offset <= 15; offset += 1) {
    const day = midnight + offset * DAY_MS;
    if (!window.days.includes(new Date(day).getUTCDay())) continue;
    const opensAt = instantOf(window.timeZone, day + window.fromMinute * MINUTE_MS);
    const overnight = window.toMinute <= window.fromMinute ? DAY_MS : 0;
    const closesAt = instantOf(window.timeZone, day + window.toMinute * MINUTE_MS + overnight);
    if (closesAt <= nowMs || closesAt <= opensAt) continue;
    waitMs = Math.min(waitMs, Math.max(0, opensAt - nowMs));
  }
  return waitMs;
}

interface WallClock {
  year: number;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
}

function wallClock(timeZone: string, atMs: number): WallClock {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(atMs);
  const read = (type: Intl.DateTimeFormatPartTypes) =>
    Number(parts.find((part) => part.type === type)?.value);
  return {
    year: read('year'),
    month: read('month'),
    day: read('day'),
    hour: read('hour'),
    minute: read('minute'),
    second: read('second'),
  };
}

/** What the zone's clock shows at `atMs`, as if it were UTC, less `atMs`. */
function offsetOf(timeZone: string, atMs: number): number {
  const { year, month, day, hour, minute, second } = wallClock(timeZone, atMs);
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(atMs / 1000) * 1000;
}

/**
 * The first instant at which the zone's clock shows `local` (given as if it were UTC). A time that the clock
 * skips is the instant at which it skips.
 */
function instantOf(timeZone: string, local: number): number {
  const offsets = [offsetOf(timeZone, local - DAY_MS), offsetOf(timeZone, local + DAY_MS)];
  const instants = offsets.map((offset) => local - offset).sort((a, b) => a - b);
  const shown = instants.find((instant) => instant + offsetOf(timeZone, instant) === local);
  if (shown !== undefined) return shown;
  return findChange(timeZone, local - Math.max(...offsets), local - Math.min(...offsets));
}

/** The instant between the two at which the offset changes. */
function findChange(timeZone: string, fromMs: number, toMs: number): number {
  const before = offsetOf(timeZone, fromMs);
  let low = fromMs;
  let high = toMs;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (offsetOf(timeZone, middle) === before) low = middle;
    else high = middle;
  }
  return high;
}
