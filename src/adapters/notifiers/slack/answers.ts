/** What Slack's answers mean for a notice: is it worth repeating, when, and what would mend it. */
import { invalid } from '../../../platform/failures.js';
import type { HttpResponse } from '../../../platform/http.js';
import { readRetryAfter, throttled } from '../post.js';

/** Errors that are Slack's own and pass. https://docs.slack.dev/reference/methods/chat.postMessage */
const PASSING = new Set(['internal_error', 'fatal_error', 'service_unavailable', 'request_timeout']);
const THROTTLED = new Set(['ratelimited', 'rate_limited', 'message_limit_exceeded']);
/** The message that began the thread takes no reply any more. */
const THREAD_GONE = new Set([
  'thread_not_found',
  'cannot_reply_to_message',
  'restricted_action_thread_locked',
  'restricted_action_non_threadable_channel',
]);

const TOKEN = 'Give the worker a valid bot token';
const MENDS: Record<string, string> = {
  invalid_auth: TOKEN,
  not_authed: TOKEN,
  account_inactive: TOKEN,
  token_revoked: TOKEN,
  token_expired: TOKEN,
  not_allowed_token_type: 'Use a bot token (xoxb-…)',
  missing_scope: 'Give the app the right chat:write and install it again',
  channel_not_found: 'Check the channel; a private one exists for the bot only after /invite',
  not_in_channel: 'Invite the bot into the channel: /invite',
  is_archived: 'Name a channel that is not archived',
  channel_is_archived: 'Make a webhook for a channel that is not archived',
  no_service: 'The webhook was removed; make a new one',
  no_team: 'The webhook was removed; make a new one',
  invalid_token: 'The webhook was removed; make a new one',
  action_prohibited: 'An administrator does not allow the webhook; ask for it',
  restricted_action: 'An administrator does not allow the bot to post; ask for it',
};

export function isThreadGone(code: string | undefined): boolean {
  return code !== undefined && THREAD_GONE.has(code);
}

/** The failure to throw for `code` of Slack (`not_in_channel`), or for the mere status when it says none. */
export function describeRefusal(code: string | undefined, { status, headers }: HttpResponse): Error {
  if (status === 429 || (code !== undefined && THROTTLED.has(code))) {
    return throttled(`Slack wants fewer messages (${code ?? status})`, readRetryAfter(headers));
  }
  if (status >= 500 || (code !== undefined && PASSING.has(code))) {
    return new Error(`Slack is in trouble (${code ?? status})`);
  }
  const mend = MENDS[code ?? ''];
  return invalid(`Slack refuses the message: ${code ?? `status ${status}`}${mend ? `. ${mend}.` : ''}`);
}
