import { z } from 'zod';
import { argv } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    argv: argv('Prints one JSON object of at most 64 KiB, the sample.').meta({
      examples: [['./measure-queue.sh', 'orders']],
    }),
  })
  .describe(
    'A program whose output is judged; the worker has to allow it: --enable command. Sample: what it prints.',
  );

export type Config = z.infer<typeof schema>;
