/** docs/reference: every kind has a page, each page is what the schema and its example say, each example is a plan. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { composePages, exampleOf, REFERENCE } from '../../scripts/reference/files.js';
import { type Kind, listKinds, type Sort } from '../../scripts/reference/kinds.js';
import { parsePlan } from '../../src/plan/parse.js';
import { loadPlan } from '../../src/platform/load-plan.js';
import { COVERED_ELSEWHERE, RUNS } from '../support/reference-runs.js';

const kinds = listKinds().map((kind) => ({ ...kind, title: `${kind.sort}/${kind.name}` }));
const SORTS: Sort[] = ['steps', 'probes', 'targets', 'notifiers'];

describe('pages', () => {
  it('each is what `npm run docs` would write', () => {
    for (const { path, text } of composePages()) {
      const written = existsSync(path) ? readFileSync(path, 'utf8') : '';
      expect(written, `${relative(REFERENCE, path)} is out of date: npm run docs`).toBe(text);
    }
  });

  it.each(SORTS)('of %s: one for each kind, and none for anything else', (sort) => {
    const pages = readdirSync(`${REFERENCE}${sort}`).map((file) => file.replace(/\.md$/, ''));
    const named = kinds.filter((kind) => kind.sort === sort).map(({ name }) => name);
    expect(pages.sort()).toEqual(named.sort());
  });
});

describe('examples', () => {
  it.each(kinds)('$title: a plan without a fault, a warning or a missing file', async (kind) => {
    const { faults, warnings, missing, plan } = await loadPlan(exampleOf(kind), {});
    expect([faults, warnings, missing]).toEqual([[], [], []]);
    expect(plan).toBeDefined();
  });

  it.each(kinds)('$title: it uses its kind', (kind) => {
    const text = readFileSync(exampleOf(kind), 'utf8');
    expect(usesOf(kind.sort, text)).toContain(kind.name);
  });

  it.each(kinds)('$title: a test starts it, or one that is named runs the kind', ({ title, name }) => {
    const elsewhere = COVERED_ELSEWHERE[title];
    expect([title in RUNS, elsewhere !== undefined].filter(Boolean)).toHaveLength(1);
    if (elsewhere === undefined) return;
    const file = new URL(`../${elsewhere}.test.ts`, import.meta.url);
    expect(existsSync(file), `${elsewhere}.test.ts is not there`).toBe(true);
    expect(readFileSync(file, 'utf8')).toContain(name);
  });
});

/** Kinds of a sort in a plan. */
function usesOf(sort: Kind['sort'], text: string): string[] {
  const { draft } = parsePlan({ text, file: 'rollout.yaml', overrides: {} });
  const steps = draft?.stages.flatMap((stage) => stage.steps) ?? [];
  if (sort === 'steps') return steps.map(({ kind }) => kind);
  if (sort === 'notifiers') return draft?.notify.map(({ kind }) => kind) ?? [];
  if (sort === 'targets')
    return steps.flatMap((step) => (step.kind === 'deploy' ? [step.config.target] : []));
  return steps.flatMap((step) => (step.kind === 'check' ? step.config.probes.map(({ kind }) => kind) : []));
}
