import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { toJsonSchema } from '../../../src/plan/json-schema.js';

it('schema/rollout.schema.json is what the build would write', () => {
  const written = readFileSync(new URL('../../../schema/rollout.schema.json', import.meta.url), 'utf8');
  expect(JSON.parse(written)).toEqual(JSON.parse(JSON.stringify(toJsonSchema())));
});
