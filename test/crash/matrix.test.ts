/**
 * Every step kind, killed at every moment by SIGKILL: the rollout goes on with the next worker, ends promoted or
 * restored as seen from outside, and what can be told apart happens once. The matrix is made from the plan's kinds.
 */
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ResolvedStep, StepKind } from '../../src/plan/resolved.js';
import { STEP_KINDS } from '../../src/plan/step-schema.js';
import { verbsOf } from '../../src/workflows/steps/index.js';
import { runCell } from '../support/crash-cell.js';
import { type Cell, cellsOf, MOMENTS } from '../support/crash-kind.js';
import { CRASH_KINDS } from '../support/crash-kinds.js';
import { renderMatrix } from '../support/crash-table.js';
import { type Moto, motoIsMissing, startMoto } from '../support/moto.js';
import { startTemporal } from '../support/temporal.js';
import { terraformIsMissing } from '../support/terraform.js';

const missing = motoIsMissing() || (await terraformIsMissing());

const WORDS = {
  before: 'before',
  during: 'when',
  unrecorded: 'after, unrecorded,',
  undo: 'on the way back, when',
} as const;

/** What of an undo changes anything. */
const CHANGING = ['traffic', 'stop', 'state', 'restart'];

const kinds = Object.keys(STEP_KINDS) as StepKind[];
const subjects = kinds.flatMap((kind) => (CRASH_KINDS[kind] ?? []).map((subject) => ({ kind, subject })));
const cells = subjects.flatMap(({ kind, subject }) => cellsOf(kind, subject));
const present = subjects.filter(({ subject }) => subject.missing === undefined);
const nameOf = (cell: Cell) => `crash-${cells.indexOf(cell)}`;
/** Seconds that a cell took, where it held. */
const held = new Map<Cell, number>();

describe('the matrix', () => {
  it.each(kinds)('kills %s at every moment', (kind) => {
    const own = CRASH_KINDS[kind] ?? [];
    const killed = new Set(own.flatMap((subject) => cellsOf(kind, subject)).map(({ moment }) => moment));
    const cannotBeUndone = own.some(({ undo }) => typeof undo === 'string');
    const applicable = MOMENTS.filter((moment) => moment !== 'undo' || !cannotBeUndone);
    expect(MOMENTS.filter((moment) => killed.has(moment))).toEqual(applicable);
  });
});

describe.skipIf(missing)('killed', { concurrent: true }, () => {
  let temporal: TestWorkflowEnvironment;
  let moto: Moto;
  beforeAll(async () => {
    [temporal, moto] = await Promise.all([startTemporal(cells.map(nameOf)), startMoto()]);
  });
  afterAll(async () => {
    const possible = cells.filter(({ subject }) => subject.missing === undefined);
    console.log(renderMatrix(present, possible, held));
    await temporal.teardown();
    await moto.stop();
  });

  for (const cell of cells) {
    const { subject, moment, fact } = cell;
    it.skipIf(subject.missing !== undefined)(`${subject.name}: ${WORDS[moment]} ${fact.name}`, async () => {
      const startedAt = performance.now();
      await runCell(cell, { address: temporal.address, aws: moto.url }, nameOf(cell));
      held.set(cell, (performance.now() - startedAt) / 1000);
    });
  }

  for (const { kind, subject } of subjects) {
    const { name, undo: why } = subject;
    if (typeof why !== 'string') continue;
    it(`${name}: on the way back, not applicable: ${why}`, (context) => {
      const undo = verbsOf({ kind } as ResolvedStep).undo ?? {};
      expect(Object.keys(undo).filter((verb) => CHANGING.includes(verb))).toEqual([]);
      context.skip();
    });
  }
});
