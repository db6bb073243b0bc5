/** What the plan file says of a githubActions target: what cannot be told apart later is a fault before the start. */
import { describe, expect, it } from 'vitest';
import { parsePlan } from '../../../src/plan/parse.js';

const LIVE = 'live: { url: "https://api.example.com/admin/version" }';
const faultsOf = (more: string, repository = 'acme/shop') =>
  parsePlan({
    file: 'rollout.yaml',
    overrides: {},
    text: `apiVersion: headgate/v1
application: shop
version: v1
probes:
  healthy: { http: { url: "\${release:url}/healthz" }, expect: { path: status, equals: 200 } }
stages:
  - name: production
    steps:
      - approval: { timeout: 1h }
      - deploy:
          githubActions: { repository: "${repository}", workflow: deploy.yml, token: "\${env:T}", url: "https://api.example.com"${more ? `, ${more}` : ''} }
          strategy: immediate
          afterPromotion: [healthy]
`,
  }).faults.map(({ code, path, fix }) => ({ code, path, fix }));
const TARGET = 'stages[0].steps[1].deploy.githubActions';

describe('githubActions', () => {
  it.each([
    '',
    LIVE,
    `${LIVE}, inputs: { environment: production }, rollback: { inputs: { strategy: immediate } }`,
    `${LIVE}, ref: main, rollback: { ref: v0 }`,
    `${LIVE}, ref: "refs/tags/\${rollout:version}"`,
    'correlationInput: rollout, baseUrl: "https://github.example.com/api/v3"',
  ])('is complete with: %s', (more) => {
    expect(faultsOf(more)).toEqual([]);
  });

  it.each(['inputs: { environment: production }', 'ref: "${rollout:version}"'])(
    '%s without live: two environments of one workflow look alike',
    (more) => {
      expect(faultsOf(more)).toMatchObject([
        { code: 'missingKey', path: `${TARGET}.live`, fix: expect.stringContaining('two environments') },
      ]);
    },
  );

  it('a fixed ref without rollback: nobody knows what brings the old version back', () => {
    expect(faultsOf(`${LIVE}, ref: main`)).toMatchObject([
      {
        code: 'missingKey',
        path: `${TARGET}.rollback`,
        fix: expect.stringContaining('bring the old version back'),
      },
    ]);
  });

  it.each(['shop', 'acme/shop/x', '../shop', 'acme/..', 'https://github.com/acme/shop'])(
    '%s is no repository',
    (repository) => {
      expect(faultsOf('', repository)).toMatchObject([{ code: 'badName', path: `${TARGET}.repository` }]);
    },
  );
});
