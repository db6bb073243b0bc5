/**
 * Aborted by the command line or cancelled in the middle of an effect, with real parts: what was at work has ended
 * before anything is taken back (k6 and programs within two seconds), and the world is as it was.
 */
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { StepKind } from '../../src/plan/resolved.js';
import { type Cell, cellsOf, type Subject } from '../support/crash-kind.js';
import { deploy } from '../support/crash-kind-deploy.js';
import { approval, check, loadTest, monitor } from '../support/crash-kind-gates.js';
import { git } from '../support/crash-kind-git.js';
import { infra } from '../support/crash-kind-infra.js';
import { reboot } from '../support/crash-kind-reboot.js';
import { run } from '../support/crash-kind-run.js';
import { secret } from '../support/crash-kind-secret.js';
import { type How, stopCell } from '../support/crash-stop.js';
import { type Moto, motoIsMissing, startMoto } from '../support/moto.js';
import { startTemporal } from '../support/temporal.js';
import { terraformIsMissing } from '../support/terraform.js';

// biome-ignore lint/suspicious/noExplicitAny: what is seen differs from kind to kind
type Seen = any;
type Restored = (before: Seen, after: Seen) => void;

const same: Restored = (before, after) => expect(after).toEqual(before);
const changesNothing: Restored = () => {};

/** A program that was ended may have done its work or not: what counts is how it is left. */
const subjects: [StepKind, Subject, Restored][] = [
  [
    'secret',
    secret as Subject,
    (before, after) => {
      const { text, current } = before.config;
      expect([after.config.text, after.config.current, after.other]).toEqual([text, current, before.other]);
    },
  ],
  [
    'infra',
    infra,
    (before, after) => {
      expect([after.resources, after.locks]).toEqual([before.resources, []]);
    },
  ],
  [
    'reboot',
    reboot as Subject,
    (before, { pending, ...after }) => {
      // It is kept, if it was begun.
      expect(after.otherParameter).toBe(before.otherParameter);
      expect([
        [20, 1],
        [40, 0],
      ]).toContainEqual([after.maxConnections, pending]);
    },
  ],
  [
    'git',
    git,
    (before, after) => {
      expect([after.tree, after.others]).toEqual([before.tree, before.others]);
      expect(after.commits.slice(-before.commits.length)).toEqual(before.commits);
    },
  ],
  ['deploy', deploy, (before, { live, candidate }) => expect([live, candidate]).toEqual([before.live, null])],
  ['run', run, (_before, done) => expect(done.at(-1)).not.toBe('job act')],
  ['check', check as Subject, changesNothing],
  ['loadTest', loadTest as Subject, changesNothing],
  ['monitor', monitor as Subject, changesNothing],
  ['approval', approval, (before, { live, candidate }) => same(before, { ...before, live, candidate })],
];

/** Comes after the last gate. */
const TOO_LATE = 'the old release has been stopped';
const HELD_KINDS: StepKind[] = ['infra', 'git', 'deploy', 'run'];
const PROMPT_KINDS: StepKind[] = ['run', 'loadTest', 'deploy'];
const PROMPT_MS = 2_000;

interface StopCase {
  cell: Cell;
  how: How;
  restored: Restored;
}

/** By turns. A command line takes a while to start, and so it stops what is held until somebody does. */
function howOf({ kind }: Cell, index: number): How {
  if (index % 2 === 1) return 'cancel';
  return HELD_KINDS.includes(kind) ? 'command line' : 'abort';
}

const cases = subjects.flatMap(([kind, subject, restored]) =>
  cellsOf(kind, subject)
    .filter(({ moment, fact }) => moment === 'during' && fact.arm && fact.name !== TOO_LATE)
    .map((cell, index): StopCase => ({ cell, how: howOf(cell, index), restored })),
);
const nameOf = (each: StopCase) => `stop-${cases.indexOf(each)}`;
const missing = motoIsMissing() || (await terraformIsMissing());

describe.skipIf(missing)('stopped', { concurrent: true }, () => {
  let temporal: TestWorkflowEnvironment;
  let moto: Moto;
  const measured: string[] = [];
  beforeAll(async () => {
    [temporal, moto] = await Promise.all([startTemporal(cases.map(nameOf)), startMoto()]);
  });
  afterAll(async () => {
    console.log(measured.sort().join('\n'));
    await temporal.teardown();
    await moto.stop();
  });

  for (const each of cases) {
    const { cell, how, restored } = each;
    const { subject, fact, kind } = cell;
    it(`${subject.name}: ${how} when ${fact.name}`, async () => {
      const parts = { address: temporal.address, aws: moto.url };
      const { answerMs, goneMs } = await stopCell(cell, how, restored, parts, nameOf(each));
      measured.push(
        `${subject.name}, ${fact.name}: ${how} answered in ${Math.round(answerMs)} ms, its programs gone after ${Math.round(goneMs)} ms`,
      );
      if (PROMPT_KINDS.includes(kind)) expect(goneMs).toBeLessThan(PROMPT_MS);
    });
  }
});
