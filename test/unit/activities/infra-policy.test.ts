/** What may be applied without asking again. */
import { describe, expect, it } from 'vitest';
import {
  compareWithApproved,
  digestPlan,
  planOf,
  refusedChanges,
} from '../../../src/activities/infra/policy.js';
import type { PlannedChange } from '../../../src/tools/terraform/plan.js';

const update: PlannedChange = {
  address: 'a.x',
  resource: 'a.x',
  kind: 'resource',
  action: 'update',
  before: { size: 1 },
  after: { size: 2 },
  unknown: [],
  line: 'a.x: update in place (size: 1 → 2)',
};
const create: PlannedChange = { ...update, action: 'create', before: null };
const replace: PlannedChange = { ...update, action: 'replace' };
const tainted: PlannedChange = { ...replace, reason: 'replace_because_tainted', before: { size: 2 } };
const deposed: PlannedChange = {
  ...update,
  address: 'a.x (deposed 1)',
  action: 'delete',
  after: null,
};

function differences(approved: PlannedChange[], now: PlannedChange[], repeated = false) {
  const planned = planOf(approved, {});
  if (!planned) throw new Error('too many');
  return compareWithApproved(now, planned, { repeated }).map(({ address }) => address);
}

describe('is what was approved', () => {
  it.each<[string, PlannedChange[], PlannedChange[], boolean]>([
    ['the same', [update, { ...create, address: 'b.y' }], [update, { ...create, address: 'b.y' }], false],
    ['a part of it', [update, { ...create, address: 'b.y' }], [update], false],
    ['nothing any more', [update], [], false],
    ['the second half of a replacement', [replace], [create], false],
    ['a creation that ended half way', [create], [tainted], false],
    ['a replacement that ended half way', [replace], [tainted], false],
    ['what a replacement has put aside', [replace], [deposed], false],
    ['the rest of an update that was killed', [update], [{ ...update, before: { size: 1.5 } }], true],
    [
      'what was not known then and is now',
      [{ ...update, after: { list: [null, 1] }, unknown: ['id', 'list/0', 'deep/er'] }],
      [{ ...update, after: { id: 'i', list: ['now', 1], deep: {} } }].map((each) => ({
        ...each,
        after: { id: 'i', list: ['now', 1] },
      })),
      false,
    ],
  ])('%s', (_what, approved, now, repeated) => {
    expect(differences(approved, now, repeated)).toEqual([]);
  });
});

describe('is drift', () => {
  it.each<[string, PlannedChange[], PlannedChange[], boolean]>([
    ['another address', [update], [{ ...update, address: 'b.y', resource: 'b.y' }], true],
    ['other values', [update], [{ ...update, after: { size: 3 } }], true],
    ['another starting point', [update], [{ ...update, before: { size: 3 } }], false],
    ['another action', [update], [replace], true],
    [
      'a replacement instead of a creation, for no reason of ours',
      [create],
      [{ ...replace, reason: 'replace_because_cannot_update' }],
      true,
    ],
    ['a half creation with other values', [create], [{ ...tainted, after: { size: 9 } }], true],
    ['destroying what was to be updated', [update], [{ ...update, action: 'delete', after: null }], true],
    ['something put aside that nobody replaced', [update], [deposed], true],
    ['something unknown that was known', [update], [{ ...update, after: {}, unknown: ['size'] }], true],
  ])('%s', (_what, approved, now, repeated) => {
    expect(differences(approved, now, repeated)).toEqual([now[0]?.address]);
  });

  it('shows both lines', () => {
    const now = { ...update, after: { size: 3 }, line: 'a.x: update in place (size: 1 → 3)' };
    expect(compareWithApproved([now], planOf([update], {}) ?? {}, { repeated: false })).toEqual([
      { address: 'a.x', approved: update.line, now: now.line },
    ]);
  });
});

describe('refused', () => {
  const lost = (changes: PlannedChange[], allow: string[] = [], own: string[] = []) =>
    refusedChanges(changes, allow, own).map(({ action }) => action);

  it('destroying, replacing and letting go, unless the address is allowed exactly', () => {
    const changes = [
      create,
      update,
      replace,
      { ...update, action: 'delete' as const },
      { ...update, action: 'forget' as const },
    ];
    expect(lost(changes)).toEqual(['replace', 'delete', 'forget']);
    expect(lost(changes, ['a.x'])).toEqual([]);
    expect(lost([{ ...replace, resource: 'a.x[0]' }], ['a.x'])).toEqual(['replace']);
    expect(lost([deposed], ['a.x'])).toEqual([]);
  });

  it('but not replacing what this step itself was creating', () => {
    expect(lost([tainted])).toEqual(['replace']);
    expect(lost([tainted], [], ['a.x'])).toEqual([]);
    expect(lost([replace], [], ['a.x'])).toEqual(['replace']);
  });

  it('an output may go', () => {
    expect(lost([{ ...update, kind: 'output', action: 'delete' }])).toEqual([]);
  });
});

it('what is kept of a plan fits: lines first go, then all of it', () => {
  const many = (count: number) =>
    Array.from({ length: count }, (_unused, index) => ({
      ...update,
      address: `module.network.aws_x.y[${index}]`,
      line: 'x'.repeat(300),
    }));
  expect(Object.values(planOf(many(10), {}) ?? {})[0]?.line).toHaveLength(160);
  const without = planOf(many(50), {}) ?? {};
  expect(Object.keys(without)).toHaveLength(50);
  expect(Object.values(without)[0]).not.toHaveProperty('line');
  expect(planOf(many(200), {})).toBeUndefined();
});

it('the digest of a plan counts addresses, actions and values, not words', () => {
  const digest = digestPlan([update]);
  expect(digestPlan([{ ...update, line: 'other words' }])).toBe(digest);
  for (const change of [
    { address: 'b' },
    { action: 'replace' as const },
    { before: 1 },
    { after: 1 },
    { unknown: ['x'] },
  ]) {
    expect(digestPlan([{ ...update, ...change }])).not.toBe(digest);
  }
});
