/** What crosses an activity's boundary is at most 16 KB. Pure. */
import type { Measurement } from '../contract/progress.js';

const MESSAGE_LENGTHS = [600, 300, 120];

/** The same measurements, with messages cut and then values left out until they fit. */
export function fitMeasurements(measurements: Measurement[], limitBytes: number): Measurement[] {
  for (const longest of MESSAGE_LENGTHS) {
    const fitted = measurements.map((each) => ({ ...each, message: clip(each.message, longest) }));
    if (sizeOf(fitted) <= limitBytes) return fitted;
  }
  return measurements.map((each) => ({ ...each, message: clip(each.message, 120), values: {} }));
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

export function sizeOf(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

export function clip(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`;
}
