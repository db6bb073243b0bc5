/** What the Temporal UI shows of a rollout: readable, complete as far as it fits, never too long. */
import { describe, expect, it } from 'vitest';
import type { Measurement, Progress } from '../../../src/contract/progress.js';
import { renderDetails } from '../../../src/workflows/details.js';
import { notRestored, progressAt, promoted, rolledBack, waitingForApproval } from '../../support/progress.js';

describe('the details', () => {
  it('what is waited for comes first, with the JSON to paste', () => {
    const text = renderDetails(waitingForApproval());
    expect(text).toMatchSnapshot();
    expect(text.indexOf('### Waits')).toBeLessThan(text.indexOf('staging/settings'));
  });

  it('a checklist has its ticks with their measurements, and what is in force stands at the end', () => {
    expect(renderDetails(promoted())).toMatchSnapshot();
  });

  it('a gate that failed has its measurements and advice beside it; the diagnostics are named', () => {
    expect(renderDetails(rolledBack())).toMatchSnapshot();
  });

  it('measurements of other steps are left to the report', () => {
    const text = renderDetails(progressAt());
    expect(text).toContain('staging/settings');
    expect(text).not.toContain('30 other keys unchanged');
    const stopped = progressAt({ stop: { kind: 'gate', message: '', step: 'staging/settings', at: '' } });
    expect(renderDetails(stopped)).toContain(
      '  - [x] secret: shop/config: 1 keys as set, 30 other keys unchanged',
    );
  });

  it('advice without a step of its own stands beside the reason', () => {
    const stop = { kind: 'deadline' as const, message: 'too late', at: '', advice: ['be earlier'] };
    expect(renderDetails(progressAt({ stop }))).toContain(
      'Turned round (deadline): too late\n\n- **Advice**: be earlier\n\n',
    );
  });

  it('says which run it takes back, and what is left with what mends it', () => {
    const text = renderDetails({ ...notRestored(), undoes: 'shop/run-0' });
    expect(text).toContain('Takes back run `shop/run-0`');
    expect(text).toContain('- **secret shop/config**: found version 3, expected version 1');
    expect(text).toContain('  - mend: `aws secretsmanager update-secret-version-stage …`');
  });
});

describe('the details of a rollout with much to say', () => {
  const bytes = (text: string) => new TextEncoder().encode(text).length;

  function withMeasurements(count: number, outcome: Measurement['outcome'], message: string): Progress {
    const progress = promoted();
    const measurements = Array.from({ length: count }, (_, index) => ({
      ...{ probe: `probe${index}`, outcome, message, at: '', values: {}, durationMs: 1 },
    }));
    return {
      ...progress,
      steps: progress.steps.map((step) => (step.kind === 'check' ? { ...step, measurements } : step)),
    };
  }

  it('drop the ticks that hold first', () => {
    const text = renderDetails(withMeasurements(80, 'pass', 'x'.repeat(300)));
    expect(bytes(text)).toBeLessThan(20_000);
    expect(text).not.toContain('probe1:');
    expect(text).toContain('production poolLimit.pool.limit: 20 → 50');
    expect(renderDetails(withMeasurements(20, 'pass', 'x'.repeat(300)))).toContain('probe19:');
  });

  it.each([
    ['plain', 'x'],
    ['of three bytes', '→'],
    ['of four bytes', '🟢'],
  ])('then end early, and say where the rest is (%s)', (_what, character) => {
    const text = renderDetails(withMeasurements(400, 'fail', character.repeat(300)));
    expect(bytes(text)).toBeLessThanOrEqual(20_000);
    expect(bytes(text)).toBeGreaterThan(18_000);
    expect(text).toMatch(/\n… \d+ more lines: `headgate report shop\/run-1`$/);
    const left = /… (\d+) more/.exec(text)?.[1];
    // 3 steps before, the check itself, 400 ticks, what is in force (5), the warnings (4), and 2 of the headline.
    expect(Number(left)).toBe(2 + 4 + 400 + 5 + 4 - (text.split('\n').length - 1));
  });
});
