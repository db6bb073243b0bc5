import { expect, it } from 'vitest';
import { pathOf } from '../../../src/tools/kubernetes/kinds.js';

it('is inside the namespace', () => {
  expect(pathOf('deployments', 'production', 'shop')).toBe(
    '/apis/apps/v1/namespaces/production/deployments/shop',
  );
  expect(pathOf('pods', 'a/../b', '?x')).toBe('/api/v1/namespaces/a%2F..%2Fb/pods/%3Fx');
});

it.each(['..', '.', ''])('no name leads out of it: "%s"', (name) => {
  expect(() => pathOf('deployments', name)).toThrow('is no name of Kubernetes');
  expect(() => pathOf('services', 'production', name)).toThrow('is no name of Kubernetes');
});
