/** The two shapes in which k6 writes its summary, made one. Pure. */
import type { Json } from '../../../plan/resolved.js';
import { isObject } from '../endpoint.js';

/**
 * `handleSummary` puts a metric's figures under `values`; `--summary-export` puts them beside its thresholds and
 * calls a rate `value`.
 * @returns figures by metric; undefined when it is no summary
 */
export function readSummary(summary: Json | undefined): { [metric: string]: Json } | undefined {
  const metrics = isObject(summary) ? summary.metrics : undefined;
  if (!isObject(metrics)) return undefined;
  return Object.fromEntries(
    Object.entries(metrics).flatMap(([name, metric]) =>
      isObject(metric) ? [[name, figuresOf(metric)]] : [],
    ),
  );
}

function figuresOf(metric: { [key: string]: Json }): Json {
  if (isObject(metric.values)) return metric.values;
  const { thresholds: _thresholds, ...figures } = metric;
  const isRate = 'passes' in figures && 'fails' in figures && typeof figures.value === 'number';
  return isRate ? { ...figures, rate: figures.value ?? null } : figures;
}
