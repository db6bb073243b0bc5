import { z } from 'zod';
import { argv, regularExpression, text } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    pattern: regularExpression('Lines that match are counted.'),
    file: text('A log file on the worker.').optional(),
    command: argv('Prints the log.').optional(),
    comparedTo: z
      .literal('before')
      .optional()
      .describe('Adds rateRatio: lines a minute, against the hour before the change.'),
  })
  .describe(
    "Log lines that match. Without file and command the log is the one of the stage's deploy target. Sample: count, lines, newest, rateRatio.",
  );

export type Config = z.infer<typeof schema>;
