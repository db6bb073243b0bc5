import { z } from 'zod';
import { httpUrl } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    url: httpUrl(
      'Takes a POST with application, version, rollout, thread, moment, title, lines, commands, link and at.',
    ),
  })
  .describe('The notice as JSON to any address.');

export type Config = z.infer<typeof schema>;
