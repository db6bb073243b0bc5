/**
 * Turns a sample into a measurement. Pure.
 *
 * A gate never passes for want of evidence: `pass` needs a value of the right type for every condition, and at
 * least one condition. What is missing or of another type is `inconclusive`, and so is an expectation without a
 * condition; a figure that does not meet its condition is `fail`.
 */
import { toLine } from '../../contract/plain-text.js';
import type { Measurement, MeasurementOutcome } from '../../contract/progress.js';
import type { Expectation, Json, ProbeSpec } from '../../plan/resolved.js';
import { matchInTime } from '../../platform/pattern.js';
import { aggregateWindow } from './aggregate.js';
import { addressOf, lookUp } from './paths.js';
import type { Sample } from './probe.js';

export { extendWindows, lookUp } from './paths.js';

const LONGEST_STRING = 200;
const LONGEST_MESSAGE = 600;
/** Even a pattern that backtracks a little takes its time on a reply of a megabyte. */
const LONGEST_MATCHED = 16 * 1024;

export interface JudgeOptions {
  /** ISO 8601. */
  at: string;
  durationMs: number;
  /**
   * The newest values per aggregated address, this sample's included (see `extendWindows`). Without them an
   * aggregate is taken over this one sample.
   */
  windows?: Record<string, number[]>;
  /** Applied before anything is cut short: the half of a secret is not recognised any more. */
  redact?: (text: string) => string;
}

interface Verdict {
  outcome: MeasurementOutcome;
  text: string;
  /** Absent when there was nothing to measure. */
  measured?: { address: string; value: Json };
}

/** Never throws. Several conditions all have to hold; one that fails decides, whatever else is missing. */
export function judge(
  spec: Pick<ProbeSpec, 'name' | 'expect'>,
  sample: Sample,
  { at, durationMs, windows, redact = asItIs }: JudgeOptions,
): Measurement {
  const base = { probe: spec.name, at, durationMs };
  if (sample.kind !== 'sample') {
    const message = shorten(toLine(redact(sample.message)), LONGEST_MESSAGE);
    return { ...base, outcome: sample.kind, message, values: {} };
  }
  if (spec.expect.length === 0) {
    return {
      ...base,
      outcome: 'inconclusive',
      message: 'nothing is expected of it: add "expect"',
      values: {},
    };
  }
  const verdicts = spec.expect.map((expectation) => judgeOne(expectation, sample.value, { windows, redact }));
  const outcome = worstOutcome(verdicts.map((verdict) => verdict.outcome));
  const measured = verdicts.flatMap((verdict) => (verdict.measured ? [verdict.measured] : []));
  return {
    ...base,
    outcome,
    message: shorten(toLine(redact(describe(verdicts, outcome))), LONGEST_MESSAGE),
    values: Object.fromEntries(measured.map(({ address, value }) => [address, scalar(value, redact)])),
  };
}

const BY_WEIGHT: MeasurementOutcome[] = ['fail', 'error', 'inconclusive', 'pass'];

/** What several outcomes say together; of none at all: `inconclusive`. */
export function worstOutcome(outcomes: MeasurementOutcome[]): MeasurementOutcome {
  return BY_WEIGHT.find((outcome) => outcomes.includes(outcome)) ?? 'inconclusive';
}

/** What speaks against it comes first; what holds is worth reading only when all of it does. */
function describe(verdicts: Verdict[], outcome: MeasurementOutcome): string {
  const shown = outcome === 'pass' ? verdicts : verdicts.filter((verdict) => verdict.outcome !== 'pass');
  const texts = [...shown].sort((a, b) => BY_WEIGHT.indexOf(a.outcome) - BY_WEIGHT.indexOf(b.outcome));
  return [...new Set(texts.map(({ text }) => text))].join('; ');
}

type Redact = (text: string) => string;

function asItIs(text: string): string {
  return text;
}

interface Given {
  windows?: Record<string, number[]>;
  redact: Redact;
}

function judgeOne(expectation: Expectation, sample: Json, given: Given): Verdict {
  const address = addressOf(expectation);
  const conditions = conditionsOf(expectation);
  if (conditions.length === 0) {
    return { outcome: 'inconclusive', text: `${address}: no condition is given (lt, gte, equals, …)` };
  }
  const found = lookUp(sample, expectation);
  if (found.kind === 'missing') return judgeMissing(expectation, found.parentFound, given);
  const { value } = found;
  if (expectation.aggregate !== undefined) {
    return judgeAggregate(expectation, expectation.aggregate, value, given);
  }
  return weigh(address, '', value, expectation, given);
}

function judgeMissing(expectation: Expectation, parentFound: boolean, { redact }: Given): Verdict {
  const address = addressOf(expectation);
  const { absent, ...others } = expectation;
  if (absent && parentFound && conditionsOf(others).length === 0) {
    return { outcome: 'pass', text: `${address} is absent, as expected` };
  }
  const why = absent && !parentFound ? ', and neither is what it would be part of' : '';
  return {
    outcome: 'inconclusive',
    text: `${address} is not in what was measured${why}, expected ${wanted(expectation, redact)}`,
  };
}

function judgeAggregate(
  expectation: Expectation,
  aggregate: NonNullable<Expectation['aggregate']>,
  latest: Json,
  given: Given,
): Verdict {
  const address = addressOf(expectation);
  if (!isFigure(latest)) return weigh(address, '', latest, expectation, given);
  const values = given.windows?.[address] ?? [latest];
  const value = values.every(isFigure) ? aggregateWindow(values, aggregate) : Number.NaN;
  const over = ` over ${values.length} ${values.length === 1 ? 'sample' : 'samples'}`;
  return weigh(`${aggregate}(${address})`, over, value, expectation, given);
}

/** Every condition of one expectation over the value that was found. */
function weigh(address: string, over: string, value: Json, expectation: Expectation, given: Given): Verdict {
  const outcome = worstOutcome(conditionsOf(expectation).map((condition) => condition(value)));
  const why = outcome === 'pass' || outcome === 'fail' ? '' : whyNotJudged(value, expectation, outcome);
  const measured = `${address} = ${show(value, given.redact)}${over}${why}`;
  const text = `${measured}, expected ${wanted(expectation, given.redact)}`;
  return { outcome, text, measured: { address, value } };
}

type Condition = (value: Json) => MeasurementOutcome;

function conditionsOf({ lt, lte, gt, gte, equals, matches, absent }: Omit<Expectation, 'path'>): Condition[] {
  const conditions: Condition[] = [];
  if (lt !== undefined) conditions.push(compare(lt, (value) => value < lt));
  if (lte !== undefined) conditions.push(compare(lte, (value) => value <= lte));
  if (gt !== undefined) conditions.push(compare(gt, (value) => value > gt));
  if (gte !== undefined) conditions.push(compare(gte, (value) => value >= gte));
  if (equals !== undefined) conditions.push((value) => compareEqual(value, equals));
  if (matches !== undefined) conditions.push((value) => match(value, matches));
  if (absent !== undefined) conditions.push(() => (absent === true ? 'fail' : 'inconclusive'));
  return conditions;
}

function compare(limit: number, holds: (value: number) => boolean): Condition {
  return (value) => {
    if (!isFigure(limit)) return 'error';
    if (!isFigure(value)) return 'inconclusive';
    return holds(value) ? 'pass' : 'fail';
  };
}

/** `"50"` is not 50: an answer of another type than expected is no evidence in either direction. */
function compareEqual(value: Json, expected: string | number | boolean | null): MeasurementOutcome {
  if (typeof expected === 'number' && !isFigure(expected)) return 'error';
  if (expected === null) return value === null ? 'pass' : 'fail';
  if (value === null || typeof value !== typeof expected) return 'inconclusive';
  if (typeof value === 'number' && !isFigure(value)) return 'inconclusive';
  return value === expected ? 'pass' : 'fail';
}

function match(value: Json, pattern: string): MeasurementOutcome {
  if (typeof value !== 'string' || value.length > LONGEST_MATCHED) return 'inconclusive';
  try {
    const expected = new RegExp(pattern);
    return matchInTime(expected, () => expected.test(value)) ? 'pass' : 'fail';
  } catch {
    return 'error';
  }
}

function isFigure(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function whyNotJudged(value: Json, expectation: Expectation, outcome: MeasurementOutcome): string {
  if (outcome === 'error') return ' (what is expected cannot be evaluated, or not in time)';
  if (typeof value === 'string' && expectation.matches !== undefined) {
    return ` (${value.length} characters; at most ${LONGEST_MATCHED} are matched)`;
  }
  if (value === null) return '';
  if (Array.isArray(value)) return ' (a list)';
  return typeof value === 'number' ? ' (not a finite number)' : ` (${article(typeof value)})`;
}

function article(type: string): string {
  return type === 'object' ? 'an object' : `a ${type}`;
}

/** `50`, `< 45`, `>= 1 and < 10`, `absent`. */
function wanted(expectation: Expectation, redact: Redact): string {
  const { lt, lte, gt, gte, equals, matches, absent } = expectation;
  const parts = [
    gt === undefined ? '' : `> ${gt}`,
    gte === undefined ? '' : `>= ${gte}`,
    lt === undefined ? '' : `< ${lt}`,
    lte === undefined ? '' : `<= ${lte}`,
    equals === undefined ? '' : show(equals, redact),
    matches === undefined ? '' : `to match /${shorten(redact(matches), LONGEST_STRING)}/`,
    absent === undefined ? '' : 'it to be absent',
  ];
  return parts.filter((part) => part !== '').join(' and ');
}

function show(value: Json, redact: Redact): string {
  if (typeof value === 'number') return showNumber(value);
  if (typeof value === 'string') return JSON.stringify(shorten(redact(value), LONGEST_STRING));
  return shorten(redact(JSON.stringify(value)), LONGEST_STRING);
}

/** Without the noise of binary fractions: 33.333333, not 33.333333333333336. */
function showNumber(value: number): string {
  return Number.isFinite(value) && !Number.isInteger(value)
    ? String(Number(value.toPrecision(8)))
    : String(value);
}

function scalar(value: Json, redact: Redact): Json {
  if (typeof value === 'string') return shorten(redact(value), LONGEST_STRING);
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value === null || typeof value === 'boolean') return value;
  return shorten(redact(JSON.stringify(value)), LONGEST_STRING);
}

function shorten(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`;
}
