/** The two shapes in which k6 writes its summary, made one. Pure. */
import type { Json } from '../../../plan/resolved.js';
import { parseEvidence } from '../../../platform/json.js';
import { isObject } from '../endpoint.js';

/** Figures by metric; `wrong`: why it is no evidence, as the rest of a sentence. */
export type Summary = { metrics: { [metric: string]: Json } } | { wrong: string };

/**
 * `handleSummary` puts a metric's figures under `values`; `--summary-export` puts them beside its thresholds and
 * calls a rate `value`. One figure that cannot be spoils all of them: what has written it is not understood.
 * @param text as k6 wrote it
 */
export function readSummary(text: string): Summary {
  const summary = parseEvidence(text.replace(/^\uFEFF/, ''));
  if (summary === undefined) return { wrong: 'is cut off, is not JSON, or holds a key twice' };
  const metrics = isObject(summary) ? summary.metrics : undefined;
  if (!isObject(metrics)) return { wrong: 'has no object "metrics"' };
  const figures: [string, Json][] = [];
  for (const [name, metric] of Object.entries(metrics)) {
    if (!isObject(metric)) return { wrong: `has no figures of ${name}` };
    const found = figuresOf(metric);
    const impossible = Object.entries(found).find(([key, value]) => !isPossible(key, value));
    if (impossible) return { wrong: `has ${name}.${impossible[0]} = ${show(impossible[1])}` };
    figures.push([name, found]);
  }
  return { metrics: Object.fromEntries(figures) };
}

function figuresOf(metric: { [key: string]: Json }): { [figure: string]: Json } {
  if (isObject(metric.values)) return metric.values;
  const { thresholds: _thresholds, ...figures } = metric;
  const isRate = 'passes' in figures && 'fails' in figures && typeof figures.value === 'number';
  return isRate ? { ...figures, rate: figures.value ?? null } : figures;
}

const COUNTS = ['count', 'passes', 'fails'];

/** Texts and null are for the expectation to refuse. */
function isPossible(key: string, value: Json): boolean {
  if (typeof value !== 'number') return !COUNTS.includes(key);
  if (COUNTS.includes(key)) return value >= 0 && value <= Number.MAX_SAFE_INTEGER;
  return Number.isFinite(value);
}

function show(value: Json): string {
  return typeof value === 'number' ? String(value) : JSON.stringify(value).slice(0, 80);
}
