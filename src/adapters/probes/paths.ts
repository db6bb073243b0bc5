/** Looking into a sample by path. Pure. */
import type { Expectation, Json, ProbeSpec } from '../../plan/resolved.js';
import type { Sample } from './probe.js';

/** At most so many values of a path are kept for aggregates. */
export const LONGEST_WINDOW = 60;

/** `missing` tells whether the place where the last part would be is there: only then can it be called absent. */
export type Found = { kind: 'value'; value: Json } | { kind: 'missing'; parentFound: boolean };

/** How an expectation's place in the sample is called in messages and values: `pool.limit`, `http_req_failed.rate`. */
export function addressOf({ metric, path }: Pick<Expectation, 'metric' | 'path'>): string {
  return metric === undefined ? path : `${metric}.${path}`;
}

/** Looks up what an expectation is about. A metric's name is taken whole, dots included. */
export function lookUp(sample: Json, { metric, path }: Pick<Expectation, 'metric' | 'path'>): Found {
  const parts = [...(metric === undefined ? [] : [metric]), ...splitPath(path)];
  if (parts.length === 0) return { kind: 'missing', parentFound: false };
  let here = sample;
  for (const [index, part] of parts.entries()) {
    const next = step(here, part);
    if (next === undefined) {
      const parentFound = index === parts.length - 1 && here !== null && typeof here === 'object';
      return { kind: 'missing', parentFound };
    }
    here = next;
  }
  return { kind: 'value', value: here };
}

/** Dots inside brackets belong to the name: `p(99.9)`, `http_reqs{url:a.b}`. */
export function splitPath(path: string): string[] {
  const parts: string[] = [];
  let part = '';
  let depth = 0;
  for (const character of path) {
    if (character === '.' && depth === 0) {
      parts.push(part);
      part = '';
      continue;
    }
    if ('({['.includes(character)) depth += 1;
    if (')}]'.includes(character)) depth = Math.max(0, depth - 1);
    part += character;
  }
  return path === '' ? [] : [...parts, part];
}

function step(value: Json, part: string): Json | undefined {
  if (Array.isArray(value)) return /^\d{1,9}$/.test(part) ? value[Number(part)] : undefined;
  if (value === null || typeof value !== 'object') return undefined;
  return Object.hasOwn(value, part) ? value[part] : undefined;
}

/** The windows after one more sample: per aggregated path the newest `longest` numbers, newest last. */
export function extendWindows(
  windows: Record<string, number[]>,
  spec: Pick<ProbeSpec, 'expect'>,
  sample: Sample,
  longest = LONGEST_WINDOW,
): Record<string, number[]> {
  if (sample.kind !== 'sample') return windows;
  const extended = { ...windows };
  const aggregated = spec.expect.filter(({ aggregate }) => aggregate !== undefined);
  const byAddress = new Map(aggregated.map((expectation) => [addressOf(expectation), expectation]));
  for (const [address, expectation] of byAddress) {
    const found = lookUp(sample.value, expectation);
    if (found.kind !== 'value' || typeof found.value !== 'number' || !Number.isFinite(found.value)) continue;
    extended[address] = [...(windows[address] ?? []), found.value].slice(-longest);
  }
  return extended;
}
