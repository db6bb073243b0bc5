/** A rollout that could not be restored names the command that mends it, whatever it deploys to. */
import { expect, it } from 'vitest';
import type { DeployStep, DeployStrategy, Json } from '../../../src/plan/resolved.js';
import { mendDeploy } from '../../../src/workflows/steps/deploy-mend.js';

const mend = (
  target: string,
  targetConfig: { [key: string]: Json },
  live = { id: 'blue', version: 'v1.0.0' },
  strategy: DeployStrategy = 'blueGreen',
) =>
  mendDeploy(
    { stage: 'production', config: { target, targetConfig, strategy } } as unknown as DeployStep,
    { live: { ...live, url: '' } },
    { runId: 'run-1', version: 'v1.0.1' },
  );

it('a command target: its own program, with what the worker would tell it', () => {
  const told =
    'HEADGATE_ROLLOUT_ID=run-1 HEADGATE_STAGE=production HEADGATE_VERSION=v1.0.1 HEADGATE_RELEASE=blue';
  const both = { promote: ['./release', 'promote'], restore: ['./release', 'restore', "it's"] };
  expect(mend('command', both)).toBe(`${told} ./release restore 'it'\\''s'`);
  expect(mend('command', { promote: ['./release', 'deploy'] })).toBe(`${told} ./release deploy`);
});

it('GitHub Actions: the dispatch of the document, with what the way back declares', () => {
  const options = {
    repository: 'acme/shop',
    workflow: 'deploy-production.yml',
    inputs: { environment: 'production', strategy: 'blue-green' },
    rollback: { inputs: { strategy: 'immediate', note: "it's back" } },
  };
  expect(mend('githubActions', options)).toBe(
    "gh workflow run deploy-production.yml --repo acme/shop --ref v1.0.0 --field environment=production --field strategy=immediate --field 'note=it'\\''s back'",
  );
});

it('Kubernetes: the revision of what was live, or the selector that leads there', () => {
  const options = { context: 'prod', namespace: 'shop', deployment: 'web', service: 'front' };
  const live = { id: 'web@5d9c', version: 'v1.0.0' };
  expect(mend('kubernetes', options, live, 'rolling')).toContain(
    'kubectl --context prod -n shop rollout undo deployment/web --to-revision=N with the revision of v1.0.0',
  );
  expect(mend('kubernetes', options, live)).toContain(
    'kubectl --context prod -n shop edit service front: its selector has to be what kubectl --context prod -n shop get deployment web -o',
  );
});

it('a host, and a stack', () => {
  const host = { host: 'staging-server', directory: '/app/my shop', pm2: 'shop' };
  expect(mend('ssh', host, { id: 'abc123', version: 'v1.0.0' })).toBe(
    "ssh staging-server 'cd '\\''/app/my shop'\\'' && git checkout --detach abc123' and restart what runs there",
  );
  expect(mend('dockerStack', { stack: 'shop', file: 'stack.yml' })).toContain(
    'docker service rollback SERVICE',
  );
});
