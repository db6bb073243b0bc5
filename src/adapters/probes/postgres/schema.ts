import { z } from 'zod';
import { postgresUrl, text } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    url: postgresUrl('The database, as a reference.'),
    query: text('One statement that only reads.').meta({
      examples: ['select count(*)::int as n from bookings'],
    }),
    parameters: z
      .array(z.union([z.string(), z.number(), z.boolean(), z.null()]))
      .optional()
      .describe('For $1, $2 … of the query.'),
  })
  .describe('One query. Sample: rows (a list of objects), rowCount.');

export type Config = z.infer<typeof schema>;
