/** The plan file as a JSON Schema, for editors: `schema/rollout.schema.json` is this, written by the build. */
import { z } from 'zod';
import { planSchema } from './schema.js';

export function toJsonSchema(): object {
  return {
    $id: 'rollout.schema.json',
    ...z.toJSONSchema(planSchema, { io: 'input', target: 'draft-2020-12' }),
  };
}
