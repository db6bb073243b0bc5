import { z } from 'zod';
import { text } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    webhook: text('An incoming webhook, as a reference. It knows its channel, and no threads.')
      .meta({ examples: ['${env:SLACK_WEBHOOK}'] })
      .optional(),
    token: text("A bot's token with the right chat:write, as a reference. With channel, instead of webhook.")
      .meta({ examples: ['${env:SLACK_TOKEN}'] })
      .optional(),
    channel: text('Id or name of the channel; the bot has to be in it.')
      .meta({ examples: ['C0123456789', '#deploys'] })
      .optional(),
  })
  .refine(saysOneWay, {
    // Of a key that is misspelt that is all there is to say.
    when: ({ issues }) => issues.length === 0,
    error: 'expected either webhook, or token and channel',
    params: {
      code: 'oneOf',
      expected: 'either webhook, or token and channel',
      fix: 'Give a webhook alone; or a token and the channel, which keep a rollout in one thread.',
    },
  })
  .meta({ oneOf: [{ required: ['webhook'] }, { required: ['token', 'channel'] }] })
  .describe('Messages in a Slack channel; with token and channel, one thread for each rollout.');

export type Config = z.infer<typeof schema>;

interface Ways {
  webhook?: string;
  token?: string;
  channel?: string;
}

function saysOneWay({ webhook, token, channel }: Ways): boolean {
  const both = token !== undefined && channel !== undefined;
  const neither = token === undefined && channel === undefined;
  return webhook === undefined ? both : neither;
}
