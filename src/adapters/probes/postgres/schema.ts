import { z } from 'zod';
import { postgresUrl, text } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    url: postgresUrl('The database, as a reference.'),
    query: text('One statement that only reads.')
      .meta({ examples: ['select count(*)::int as n from bookings'] })
      .optional(),
    preset: z
      .enum(['activity', 'statements'])
      .optional()
      .describe(
        'Instead of query. activity: who is connected (pg_stat_activity). statements: what takes longer than 1000 ms (pg_stat_statements).',
      ),
    parameters: z
      .array(z.union([z.string(), z.number(), z.boolean(), z.null()]))
      .optional()
      .describe('For $1, $2 … of the query.'),
  })
  .refine(saysOneQuestion, {
    // Of a key that is misspelt that is all there is to say.
    when: ({ issues }) => issues.length === 0,
    error: 'expected either query (with its parameters) or preset',
    params: {
      code: 'oneOf',
      expected: 'either query (with its parameters) or preset',
      fix: 'Write a query of your own, or preset: activity, or preset: statements.',
    },
  })
  .meta({ oneOf: [{ required: ['query'] }, { required: ['preset'] }] })
  .describe('One query. Sample: rows (a list of objects), rowCount; of a preset its own figures.');

export type Config = z.infer<typeof schema>;

interface Question {
  query?: string;
  preset?: string;
  parameters?: unknown;
}

function saysOneQuestion({ query, preset, parameters }: Question): boolean {
  return (
    (query === undefined) !== (preset === undefined) && (preset === undefined || parameters === undefined)
  );
}
