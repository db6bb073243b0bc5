import { describe, expect, it } from 'vitest';
import { computeBudget } from '../../../src/plan/budget.js';
import { suggest } from '../../../src/plan/suggest.js';

const release = (name: string, poolLimit: number, replicas = 1) => ({ name, poolLimit, replicas });

describe('the connection budget', () => {
  it('counts every release alive at once, others and reserved', () => {
    const answer = computeBudget({
      releases: [release('live v1', 20, 2), release('new v2', 50)],
      otherConnections: 12,
      reserved: 3,
      effectiveMaximum: 105,
    });
    expect(answer).toMatchObject({ used: 105, fault: undefined });
  });

  it('one connection too many is a fault that says the sum', () => {
    const { fault } = computeBudget({
      releases: [release('live v1', 50), release('new v2', 50)],
      otherConnections: 12,
      reserved: 3,
      effectiveMaximum: 114,
    });
    expect(fault).toContain(
      '50 of live v1 + 50 of new v2 + 12 of other clients + 3 reserved = 115 connections',
    );
  });

  it('what will not fit at the next deploy is a warning now', () => {
    const { fault, warnings } = computeBudget({
      releases: [release('live v1', 20), release('new v2', 50)],
      otherConnections: 12,
      reserved: 3,
      effectiveMaximum: 100,
    });
    expect([fault, warnings.length]).toEqual([undefined, 1]);
    expect(warnings[0]).toContain('115 connections');
  });
});

it.each([
  ['helthy', ['healthy', 'version'], 'healthy'],
  ['deplyo', ['deploy', 'check'], 'deploy'],
  ['pool_limit', ['poolLimit'], 'poolLimit'],
  ['something', ['healthy', 'version'], undefined],
  ['healthy', ['healthy'], undefined],
])('"%s" among %j was meant to be %s', (word, known, meant) => expect(suggest(word, known)).toBe(meant));
