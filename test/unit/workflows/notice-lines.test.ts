/** What people are told when a rollout turns round or ends. */
import { describe, expect, it } from 'vitest';
import { commandsOf, outcomeLines } from '../../../src/workflows/notice-lines.js';
import { progressAt, promoted, rolledBack } from '../../support/progress.js';

describe('commandsOf', () => {
  const rollout = { application: 'shop', runId: 'run-1' };

  it('where nothing is asked: what shows the rollout', () => {
    for (const moment of ['started', 'rollback'] as const) {
      expect(commandsOf(rollout, moment)).toEqual(['headgate watch shop/run-1']);
    }
    expect(commandsOf(rollout, 'outcome')).toEqual(['headgate report shop/run-1']);
  });

  it('an approval names run, gate and digest', () => {
    const gate = { gate: 'production/approval', digest: '1a2b3c4d' };
    expect(commandsOf(rollout, 'approval', { answers: ['approve', 'reject'], ...gate })).toEqual([
      'headgate approve shop/run-1 production/approval --digest 1a2b3c4d',
      'headgate reject shop/run-1 production/approval --digest 1a2b3c4d',
    ]);
  });

  it('a question has a command for each of its answers', () => {
    const step = 'production/monitor';
    expect(commandsOf(rollout, 'waiting', { answers: ['retry', 'skip', 'abort'], step })).toEqual([
      'headgate retry shop/run-1 production/monitor',
      'headgate skip shop/run-1 production/monitor --reason TEXT',
      'headgate abort shop/run-1',
    ]);
    expect(commandsOf(rollout, 'rollbackIncomplete', { answers: ['retry', 'accept'] })).toEqual([
      'headgate retry shop/run-1',
      'headgate accept shop/run-1',
    ]);
  });
});

describe('outcomeLines', () => {
  it('of one that was promoted: its checklist', () => {
    expect(outcomeLines(promoted())).toEqual([
      'production/checklist: [x] healthy: status = 200, expected 200',
      'production/checklist: [x] poolLimit: pool.limit = 50, expected 50',
    ]);
  });

  it('of one that turned round: why, what to do, what was measured, secured and left', () => {
    expect(outcomeLines(rolledBack())).toEqual([
      'check: healthy fail: status = 503, expected 200',
      'advice: healthy: status = 503, expected 200: read the error log of the release',
      'production/checklist: [ ] ✗ healthy: status = 503, expected 200',
      'production/checklist: [x] poolLimit: pool.limit = 50, expected 50',
      'diagnostics of green (production): diagnostics/production-green, 2 files, 1 missing, manifest sha256 abcdef012345',
      'left: production/infra: kept (max_connections back to 60 was not done)',
    ]);
  });

  it('of an undo: which run it takes back', () => {
    expect(outcomeLines(progressAt({ undoes: 'shop/run-0' }))).toEqual(['takes back run shop/run-0']);
    expect(outcomeLines(progressAt())).toEqual([]);
  });

  it('never says more than a message holds, and then where the rest is', () => {
    const left = Array.from({ length: 100 }, (_, index) => `item ${index} ${'x'.repeat(500)}`);
    const lines = outcomeLines(progressAt({ left }));
    expect(lines.length).toBe(61);
    expect(lines.at(-1)).toBe('… and 40 more: headgate report shop/run-1');
    expect(Math.max(...lines.map((line) => line.length))).toBe(200);
    expect(outcomeLines(progressAt({ left: left.slice(0, 60) }))).toHaveLength(60);
  });
});
