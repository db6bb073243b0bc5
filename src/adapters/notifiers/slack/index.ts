/**
 * Messages in Slack. A bot keeps a rollout in one thread: its first message begins it, all others are replies, and
 * the outcome is shown in the channel as well. A webhook is never told what it posted, so it cannot begin a thread.
 */
import { z } from 'zod';
import type { HttpResponse } from '../../../platform/http.js';
import type { Delivery, Notification, Notifier } from '../notifier.js';
import { parseJson, sendJson } from '../post.js';
import { describeRefusal, isThreadGone } from './answers.js';
import { composeText } from './message.js';
import type { Config } from './schema.js';

export interface SlackNotifierDeps {
  /** Of the Web API; only tests have another. */
  baseUrl?: string;
}

/** As a thread it gives the time stamp (`ts`) of the message that began it. */
export function createSlackNotifier({
  baseUrl = 'https://slack.com/api',
}: SlackNotifierDeps = {}): Notifier<Config> {
  return {
    kind: 'slack',
    async notify({ webhook, token, channel }, notification, signal) {
      const text = composeText(notification);
      if (webhook !== undefined) return postToWebhook(webhook, text, signal);
      const url = `${baseUrl}/chat.postMessage`;
      const message = { channel, text, unfurl_links: false };
      const post = async (body: unknown) =>
        readAnswer(await sendJson({ what: 'Slack', url, bearer: token, body, signal }));
      return deliver(message, notification, post);
    },
  };
}

async function postToWebhook(url: string, text: string, signal: AbortSignal): Promise<Delivery> {
  const response = await sendJson({ what: 'Slack webhook', url, body: { text }, signal });
  if (response.status === 200) return {};
  throw describeRefusal(readCode(response.body.trim()), response);
}

async function deliver(
  message: Record<string, unknown>,
  { thread, moment }: Notification,
  post: (body: unknown) => Promise<Answer>,
): Promise<Delivery> {
  const reply = { ...message, thread_ts: thread, reply_broadcast: moment === 'outcome' };
  const first = await post(thread === undefined ? message : reply);
  const answer = thread !== undefined && isThreadGone(first.error) ? await post(message) : first;
  if (!answer.posted) throw describeRefusal(answer.error, answer.response);
  // A reply to a message that was deleted stands in the channel by itself: it begins the thread anew.
  return { thread: answer.posted.message?.thread_ts ?? answer.posted.ts };
}

interface Answer {
  posted?: z.infer<typeof posted>;
  error?: string;
  response: HttpResponse;
}

const posted = z.object({
  ok: z.literal(true),
  ts: z.string(),
  message: z.object({ thread_ts: z.string().optional() }).optional(),
});
const refused = z.object({ ok: z.literal(false), error: z.string() });

/** Slack refuses with status 200, too. */
function readAnswer(response: HttpResponse): Answer {
  const body = parseJson(response.body);
  const yes = posted.safeParse(body);
  if (yes.success) return { posted: yes.data, response };
  const no = refused.safeParse(body);
  if (no.success) return { error: readCode(no.data.error), response };
  if (response.status !== 200) return { response };
  throw new Error('Slack: the answer is none of its API; something else may answer in its place');
}

/** Slack's own words are short; anything else is a page of something in between. */
function readCode(text: string): string | undefined {
  return /^[a-z_]{1,60}$/.test(text) ? text : undefined;
}
