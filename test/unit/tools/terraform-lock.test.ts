/** When a lock may be broken: every single doubt keeps it. */
import { expect, it } from 'vitest';
import { isHolderDead, type LockFacts } from '../../../src/tools/terraform/lock.js';
import type { FormerRun } from '../../../src/tools/terraform/runs.js';

const AT = Date.parse('2026-11-24T21:48:08Z');
const lock = { id: 'i', who: 'root@worker', operation: 'OperationTypeApply', createdMs: AT };
const run: FormerRun = {
  owner: 'run-1 production/infra act',
  machine: 'm',
  worker: { pid: 1, start: '1' },
  command: 'apply',
  startedAtMs: AT - 500,
  terraform: { pid: 2, start: '2' },
  provisioning: [],
  killed: false,
  folder: '/f',
  seenAtMs: AT + 60_000,
  state: 'dead',
};
const facts: LockFacts = { who: 'root@worker', runs: [run], ended: [], running: [] };

it('is broken when a run of ours that was doing just that has ended with its worker', () => {
  expect(isHolderDead(lock, facts)).toBe(true);
  expect(isHolderDead(lock, { ...facts, running: [{ startedAtMs: AT + 5_000 }] })).toBe(true);
});

it('is broken when a command has ended before our eyes that found its own lock', () => {
  const ended = [{ command: 'apply' as const, startedAtMs: AT - 100, endedAtMs: AT + 100 }];
  expect(isHolderDead(lock, { ...facts, runs: [], ended })).toBe(true);
  expect(isHolderDead({ ...lock, createdMs: AT + 101 }, { ...facts, runs: [], ended })).toBe(false);
  expect(isHolderDead({ ...lock, createdMs: AT - 101 }, { ...facts, runs: [], ended })).toBe(false);
});

it.each<[string, Partial<typeof lock>, Partial<LockFacts>]>([
  ['bears another name', { who: 'bob@laptop' }, {}],
  ['bears no name', { who: undefined }, {}],
  ['says nothing of when', { createdMs: undefined }, {}],
  ['is for something else', { operation: 'OperationTypePlan' }, {}],
  ['is older than the run', { createdMs: AT - 501 }, {}],
  ['is younger than the run', { createdMs: run.seenAtMs + 3_001 }, {}],
  ['belongs to nobody we know', {}, { runs: [] }],
  ['belongs to a run that is alive', {}, { runs: [{ ...run, state: 'alive' }] }],
  ['belongs to a run of which nothing is known', {}, { runs: [{ ...run, state: 'unknown' }] }],
  ['belongs to a run whose terraform is not known', {}, { runs: [{ ...run, terraform: undefined }] }],
  ['belongs to a run that was doing nothing', {}, { runs: [{ ...run, command: undefined }] }],
  ['may belong to another run of ours', {}, { runs: [run, { ...run, state: 'alive' }] }],
  ['may belong to a terraform of somebody else here', {}, { running: [{ startedAtMs: AT - 60_000 }] }],
])('is kept when it %s', (_what, change, other) => {
  expect(isHolderDead({ ...lock, ...change }, { ...facts, ...other })).toBe(false);
});
