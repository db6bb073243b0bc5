/** What crosses an activity's boundary is at most 16 KB. Pure, and without Node: workflows cut what they hand over. */
import type { Measurement } from './progress.js';

export const LARGEST_PAYLOAD_BYTES = 16 * 1024;

const MESSAGE_LENGTHS = [600, 300, 120];
/** For the line that says how many are left out. */
const ROOM_FOR_THE_REST = 32;

/** The same measurements, with messages cut, then values left out, then whole ones, until they fit. */
export function fitMeasurements(measurements: Measurement[], limitBytes: number): Measurement[] {
  for (const longest of MESSAGE_LENGTHS) {
    const fitted = measurements.map((each) => ({ ...each, message: clip(each.message, longest) }));
    if (sizeOf(fitted) <= limitBytes) return fitted;
  }
  const bare = measurements.map((each) => ({ ...each, message: clip(each.message, 120), values: {} }));
  // One that has passed says least.
  const ranked = [...bare].sort((a, b) => Number(a.outcome === 'pass') - Number(b.outcome === 'pass'));
  const kept = new Set<Measurement>();
  let bytes = 2;
  for (const each of ranked) {
    bytes += sizeOf(each) + 1;
    if (bytes > limitBytes) break;
    kept.add(each);
  }
  return bare.filter((each) => kept.has(each));
}

/** The first lines that fit, each cut to `longest` characters; the last one says how many are left out. */
export function fitLines(lines: string[], limitBytes: number, longest = 300): string[] {
  const fitted: string[] = [];
  let bytes = 0;
  for (const [index, line] of lines.entries()) {
    const short = clip(line, longest);
    bytes += sizeOf(short) + 1;
    if (bytes > limitBytes) return [...fitted, `… and ${lines.length - index} more`];
    fitted.push(short);
  }
  return fitted;
}

/** The lists, cut so that together they fit: those that need less than their share leave the rest to the others. */
export function fitTogether(lists: string[][], limitBytes: number): string[][] {
  const fitted = [...lists];
  const bySize = lists.map((lines, index) => ({ index, lines, bytes: sizeOf(lines) }));
  bySize.sort((a, b) => a.bytes - b.bytes);
  let left = limitBytes;
  for (const [place, { index, lines, bytes }] of bySize.entries()) {
    const share = Math.max(0, Math.floor(left / (bySize.length - place)));
    if (bytes > share) fitted[index] = fitLines(lines, Math.max(0, share - ROOM_FOR_THE_REST));
    left -= sizeOf(fitted[index]);
  }
  return fitted;
}

/** Bytes of its JSON in UTF-8; 0 of nothing. */
export function sizeOf(value: unknown): number {
  const json = JSON.stringify(value) ?? '';
  let bytes = json.length;
  for (let index = 0; index < json.length; index += 1) {
    const unit = json.charCodeAt(index);
    // Both halves of a pair together take four.
    if (unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff)) bytes += 2;
    else if (unit > 0x7f) bytes += 1;
  }
  return bytes;
}

export function clip(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`;
}
