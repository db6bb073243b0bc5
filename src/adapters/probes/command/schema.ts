import { z } from 'zod';
import { argv } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    argv: argv('Prints one JSON object, the sample.'),
  })
  .describe('A program whose output is judged. Sample: what it prints.');
