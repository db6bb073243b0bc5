import { z } from 'zod';
import { text } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    webhook: text('An incoming webhook, as a reference.').meta({ examples: ['${env:SLACK_WEBHOOK}'] }),
  })
  .describe('A message in a Slack channel.');
