/** What people are told when a rollout turns round or ends. */
import { describe, expect, it } from 'vitest';
import { outcomeLines } from '../../../src/workflows/notice-lines.js';
import { progressAt, promoted, rolledBack } from '../../support/progress.js';

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
