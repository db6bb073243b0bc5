import { describe, expect, it } from 'vitest';
import type { Subject } from '../../../src/contract/activities.js';
import { Redactor } from '../../../src/platform/redaction.js';
import { References } from '../../../src/platform/references.js';

const context = { application: 'shop', version: 'v2', runId: 'run-1', directory: '/plans', startedBy: 'ana' };
const subject: Subject = {
  context,
  stage: 'staging',
  step: 'staging/deploy',
  release: { id: 'r7', version: 'v2', url: 'http://preview' },
};

function createReferences(allowed: string[]) {
  const redactor = new Redactor();
  const asked: (string | undefined)[][] = [];
  const references = new References({
    allowed,
    env: { TOKEN: 'canary-token', EMPTY: '' },
    readSecret: async (...question) => {
      asked.push(question);
      return 'canary-stored';
    },
    redactor,
  });
  return { references, redactor, asked };
}

describe('References', () => {
  it('puts every kind in, at any depth, and leaves keys and other values alone', async () => {
    const { references } = createReferences(['TOKEN', 'app/config#password']);
    const value = {
      '${env:TOKEN}': 1,
      url: '${release:url}/x?v=${rollout:version}',
      list: ['Bearer ${env:TOKEN}', '${secret:app/config#password}', true, null],
      deep: { id: '${rollout:id}/${release:id}', application: '${rollout:application}' },
    };
    expect(await references.resolve(value, subject)).toEqual({
      '${env:TOKEN}': 1,
      url: 'http://preview/x?v=v2',
      list: ['Bearer canary-token', 'canary-stored', true, null],
      deep: { id: 'run-1/r7', application: 'shop' },
    });
  });

  it('tells the redactor what it resolved', async () => {
    const { references, redactor } = createReferences(['TOKEN', 'app/config']);
    expect(redactor.redact('canary-token canary-stored')).toBe('canary-token canary-stored');
    await references.resolve('${env:TOKEN} ${secret:app/config#password}', subject);
    expect(redactor.redact('canary-token canary-stored')).toBe('[redacted] [redacted]');
  });

  it('reads a secret by id and key, and in the region of its ARN', async () => {
    const arn = 'arn:aws:secretsmanager:eu-west-1:1:secret:app';
    const { references, asked } = createReferences(['app/config', arn]);
    await references.resolve('${secret:app/config}', subject);
    await references.resolve(`\${secret:${arn}#key}`, subject);
    expect(asked).toEqual([
      ['app/config', undefined, undefined],
      [arn, 'key', 'eu-west-1'],
    ]);
  });

  it.each([
    [
      '${env:AWS_SECRET_ACCESS_KEY}',
      'NotPermitted',
      /Add "AWS_SECRET_ACCESS_KEY" to HEADGATE_ALLOWED_REFERENCES/,
    ],
    ['${secret:other#key}', 'NotPermitted', /Add "other#key" to HEADGATE_ALLOWED_REFERENCES/],
    ['${env:EMPTY}', 'Invalid', /Set EMPTY in the worker's environment/],
    ['${release:colour}', 'Invalid', /expected release:id, release:version or release:url/],
    ['${rollout:colour}', 'Invalid', /expected rollout:id/],
  ])('%s fails as %s', async (text, type, message) => {
    const { references } = createReferences(['EMPTY']);
    const failure = references.resolve([text], subject);
    await expect(failure).rejects.toMatchObject({ type, nonRetryable: true });
    await expect(failure).rejects.toThrow(message);
    await expect(failure).rejects.toThrow(/^staging\/deploy: /);
  });

  it('${release:…} without a release says what to do', async () => {
    const { references } = createReferences([]);
    const failure = references.resolve('${release:url}', { ...subject, release: undefined });
    await expect(failure).rejects.toThrow(/Put a deploy step into the stage/);
  });

  it('refuses what is secret where it would become a process argument', async () => {
    const { references } = createReferences(['TOKEN']);
    const options = { publicOnly: true };
    expect(await references.resolve(['${release:id}'], subject, options)).toEqual(['r7']);
    await expect(references.resolve(['${env:TOKEN}'], subject, options)).rejects.toMatchObject({
      type: 'NotPermitted',
    });
  });
});
