/** Every plan in examples/: right as it stands, its files beside it, and nothing to be warned of that is not meant. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { loadPlan } from '../../src/platform/load-plan.js';

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));
const plans = readdirSync(EXAMPLES, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('rollout.yaml'))
  .sort();

/** By plan: warnings that its README explains. */
const MEANT: Record<string, string[]> = {
  // Staging is nobody's production: it is changed without being asked for.
  'company/rollout.yaml': ['unapprovedChange stages[1].steps[0]'],
};

it('the plans that the document asks for are among them', () => {
  expect(plans).toEqual(
    expect.arrayContaining([
      'company/rollout.yaml',
      'connection-pool-fix/rollout.yaml',
      'optional-improvements/ai-retry.rollout.yaml',
      'optional-improvements/monitoring.rollout.yaml',
      'optional-improvements/redis.rollout.yaml',
    ]),
  );
});

it.each(plans)('%s: a plan that could be started', async (file) => {
  const { faults, warnings, missing, plan } = await loadPlan(`${EXAMPLES}${file}`, {});
  expect([faults, missing]).toEqual([[], []]);
  expect(warnings.map(({ code, path }) => `${code} ${path}`)).toEqual(MEANT[file] ?? []);
  expect(plan?.stages.length).toBeGreaterThan(0);
});
