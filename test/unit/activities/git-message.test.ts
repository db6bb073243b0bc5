import { describe, expect, it } from 'vitest';
import { renderMessage, withTrailers } from '../../../src/activities/git/message.js';
import type { StepResult } from '../../../src/contract/activities.js';

const results: StepResult[] = [
  {
    step: 'staging/loadTest',
    summary: '4385 requests in 180 s, every expectation met',
    measurements: ['http_req_failed rate = 0, expected below 0.01', 'p(95) = 116, expected below 400'],
  },
  { step: 'staging/check', summary: 'healthy', measurements: [] },
];

const values: Record<string, string> = { '${rollout:version}': 'v1.0.1', '${rollout:id}': 'run-1' };

function render(template: string, known: StepResult[] | undefined = results): Promise<string> {
  const resolve = async (reference: string) => values[reference] ?? '';
  return renderMessage(template, { file: 'release.md', results: known, resolve });
}

describe('the template of a message', () => {
  it('takes the version, every result with its measurements, or those of one step', async () => {
    const all = await render('# Release ${rollout:version}\n\n${results}\n');
    expect(all).toBe(
      [
        '# Release v1.0.1',
        '',
        '- staging/loadTest: 4385 requests in 180 s, every expectation met',
        '  - http_req_failed rate = 0, expected below 0.01',
        '  - p(95) = 116, expected below 400',
        '- staging/check: healthy',
        '',
      ].join('\n'),
    );
    expect(await render('One:\n${result:staging/check}')).toBe('One:\n- staging/check: healthy\n');
  });

  it('says so when nothing has been measured', async () => {
    expect(await render('${results}', [])).toBe('- nothing has been measured yet\n');
  });

  it('names a placeholder that nobody knows, and what there is', async () => {
    const unknown = render('Release ${version}');
    await expect(unknown).rejects.toMatchObject({ type: 'Invalid', nonRetryable: true });
    await expect(unknown).rejects.toThrow(
      'release.md: ${version} is unknown; what can stand there is ${rollout:version}, ${rollout:id}, ${rollout:application}, ${results} and ${result:STAGE/STEP}.',
    );
    await expect(render('cut ${rollout:version')).rejects.toThrow(/\$\{rollout:version is unknown/);
  });

  it('names a step without a result, and those that have one', async () => {
    await expect(render('${result:staging/deploy}')).rejects.toThrow(
      /\$\{result:staging\/deploy\} has no result; there are those of staging\/loadTest, staging\/check/,
    );
  });

  it('is looked at before there are results: only its placeholders', async () => {
    const resolve = async () => 'v1';
    const look = (template: string) => renderMessage(template, { file: 'release.md', resolve });
    expect(await look('A ${result:staging/later} ${results}')).toBe('A\n');
    await expect(look('${typo}')).rejects.toMatchObject({ type: 'Invalid' });
  });

  it.each(['${env:TOKEN}', '${secret:app/config#key}'])(
    'refuses %s: it would be published',
    async (secret) => {
      const refused = render(`Token ${secret}`);
      await expect(refused).rejects.toMatchObject({ type: 'NotPermitted', nonRetryable: true });
      await expect(refused).rejects.toThrow(`${secret} would be published`);
    },
  );

  it('does not read again what it has put in, and keeps a result on its line', async () => {
    const sly = {
      step: 'a/b',
      summary: 'says ${env:TOKEN}\nHeadgate-Step: other',
      measurements: ['$&\r\n$1'],
    };
    expect(await render('${results}', [sly])).toBe(
      '- a/b: says ${env:TOKEN} Headgate-Step: other\n  - $& $1\n',
    );
  });

  it('is bounded: too long a template is refused, too many results are cut and counted', async () => {
    await expect(render('x'.repeat(40_000))).rejects.toThrow(/40000 characters.*at most 32768/);
    const many = Array.from({ length: 500 }, (_unused, index) => ({
      step: `stage/step-${index}`,
      summary: 's'.repeat(1000),
      measurements: [],
    }));
    const text = await render('${results}', many);
    expect(text.length).toBeLessThan(17_000);
    expect(text).toMatch(/… and \d+ more\n$/);
  });

  it('has to say something', async () => {
    await expect(render(' \n')).rejects.toThrow(/renders to nothing/);
  });
});

describe('trailers', () => {
  const trailers = ['Headgate-Rollout: app/run-1', 'Headgate-Step: production/git'];

  it('are a paragraph of their own', () => {
    expect(withTrailers('Title\n\nText: more\nlast line\n', trailers)).toBe(
      'Title\n\nText: more\nlast line\n\nHeadgate-Rollout: app/run-1\nHeadgate-Step: production/git\n',
    );
  });

  it('join those that the message ends with', () => {
    expect(withTrailers('Title\n\nFixes: #12\nRef: report.md\n', trailers)).toBe(
      'Title\n\nFixes: #12\nRef: report.md\nHeadgate-Rollout: app/run-1\nHeadgate-Step: production/git\n',
    );
  });

  it('never join the title, even when it looks like one', () => {
    expect(withTrailers('fix: pool size', trailers)).toBe(
      'fix: pool size\n\nHeadgate-Rollout: app/run-1\nHeadgate-Step: production/git\n',
    );
  });
});
