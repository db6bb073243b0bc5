/**
 * Whatever stands in a plan file: a plan, or faults that a person can mend, in no time. `FC_NUM_RUNS=100000` goes on for
 * hours; `FC_SEED` repeats a run.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { PlanFault } from '../../../src/plan/faults.js';
import { parsePlan } from '../../../src/plan/parse.js';
import { anyText, FUZZ_TIMEOUT_MS, fuzzOptions, mutated } from '../../support/mutations.js';
import { readPlanFiles } from '../../support/plan-files.js';

const PLANS = readPlanFiles();
/** Of one plan; on a machine that does other things, too. */
const MOST_MS = 2_000;
/** Nothing of a plan acts on a terminal or begins a line of its own. */
const ACTING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;

function check(text: string): void {
  const startedAt = performance.now();
  const { faults, warnings, draft } = parsePlan({ text, file: 'rollout.yaml', overrides: {} });
  expect(performance.now() - startedAt).toBeLessThan(MOST_MS);
  expect(faults.length > 0, 'faults, or a plan').toBe(draft === undefined);
  const lines = text.split('\n');
  for (const fault of [...faults, ...warnings]) checkFault(fault, lines);
  const places = faults
    .filter(({ path }) => path !== '')
    .map(({ path, line, message }) => `${path} ${line} ${message}`);
  expect(places.length, 'each fault once').toBe(new Set(places).size);
}

function checkFault(fault: PlanFault, lines: string[]): void {
  const { code, file, line, column, path, message, expected, found, fix } = fault;
  const place = [line >= 1, line <= lines.length, column >= 1, column <= (lines[line - 1] ?? '').length + 1];
  if (place.includes(false)) expect.fail(`no place in the file: ${JSON.stringify(fault)}`);
  for (const part of [code, file, message, expected, fix])
    if (part.trim() === '') expect.fail(JSON.stringify(fault));
  for (const part of [message, expected, found ?? '', fix, path]) {
    if (ACTING.test(part) || part.length > 1_001) expect.fail(JSON.stringify(fault));
  }
}

it('there are plans to begin with', () => {
  expect(PLANS.length).toBeGreaterThan(40);
  for (const { path, text } of PLANS)
    expect(parsePlan({ text, file: path, overrides: {} }).faults, path).toEqual([]);
});

it(
  'any text',
  () => {
    const texts = anyText(['a', 'apiVersion: headgate/v1\n', 'stages:\n', 'steps:', '\n  ', '\n      ']);
    fc.assert(fc.property(texts, check), fuzzOptions(500));
  },
  FUZZ_TIMEOUT_MS,
);

it(
  'any plan in which something went wrong',
  () => {
    fc.assert(fc.property(mutated(PLANS.map(({ text }) => text)), check), fuzzOptions(300));
  },
  FUZZ_TIMEOUT_MS,
);
