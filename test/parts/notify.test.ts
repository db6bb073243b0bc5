/** Notices over real HTTP: what receivers get, what is repeated for whom, and which thread it belongs to. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checked } from '../../src/adapters/notifiers/registry.js';
import { createSlackNotifier } from '../../src/adapters/notifiers/slack/index.js';
import { schema as slackSchema } from '../../src/adapters/notifiers/slack/schema.js';
import type { NotifyInput, NotifyResult } from '../../src/contract/activities.js';
import type { Json, NotifierSpec, NotifyMoment } from '../../src/plan/resolved.js';
import { closedAddress, type LocalServer, serve } from '../support/http-server.js';
import { CANARY, createTeller, inputOf as input, notifierOf } from '../support/notify.js';
import { SLACK_TOKEN, type SlackApi, startSlackApi } from '../support/slack-api.js';

let hooks: LocalServer;
let slack: SlackApi;
let received: { url?: string; body: Record<string, unknown> }[] = [];
let broken: string[] = [];
beforeAll(async () => {
  hooks = await serve(({ url = '' }, response, body) => {
    received.push({ url, body: JSON.parse(body) });
    response.writeHead(broken.includes(url) ? 503 : 204).end();
  });
  slack = await startSlackApi();
});
afterAll(() => Promise.all([hooks.close(), slack.close()]));
beforeEach(() => {
  [received, broken] = [[], []];
  Object.assign(slack, { messages: [], failures: [] });
});

const hook = (path: string, when?: NotifyMoment[]): NotifierSpec =>
  notifierOf('webhook', { url: `\${env:HOOK}${path}` }, when);
const bot = (when?: NotifyMoment[], channel = '#deploys'): NotifierSpec =>
  notifierOf('slack', { token: '${env:SLACK_TOKEN}', channel }, when);

const options = {
  env: () => ({ HOOK: hooks.url, SLACK_TOKEN, SLACK_WEBHOOK: slack.webhookUrl }),
  notifiers: () =>
    new Map([['slack', checked(slackSchema, createSlackNotifier({ baseUrl: slack.baseUrl }))]]),
};
const teller = createTeller(options);
const tell = (what: NotifyInput, env?: NodeJS.ProcessEnv): Promise<NotifyResult> =>
  teller.tell(what, { env });
const { failToTell } = teller;
const tellAgain = (what: NotifyInput, heartbeat: unknown): Promise<NotifyResult> =>
  teller.tell(what, { attempt: 2, heartbeat });

describe('webhook', () => {
  it('gets the notice of its moments as JSON, with what all notices of a rollout have in common', async () => {
    const told = await tell(input([hook('/a'), hook('/b', ['started'])]));
    expect(told).toEqual({ threads: {} });
    expect(received).toEqual([
      {
        url: '/a',
        body: {
          application: 'booking',
          version: 'v1.0.1',
          rollout: 'booking/run-1',
          thread: 'booking/run-1',
          moment: 'outcome',
          title: 'booking v1.0.1: promoted',
          lines: ['a line'],
          commands: [],
          at: '2026-01-16T12:00:00.000Z',
        },
      },
    ]);
  });

  it('gets what a person may type, and the link to the run', async () => {
    const commands = ['headgate report booking/run-1'];
    const { tell: tellWithLink } = createTeller({ ...options, temporalUi: 'https://cloud.temporal.io' });
    await tellWithLink(input([hook('/a')], { commands }));
    const link =
      'https://cloud.temporal.io/namespaces/shop-prod.a1b2c/workflows/rollout%2Fbooking/run-1/history';
    expect(received[0]?.body).toMatchObject({ commands, link });
  });

  it('one that is down is told again, one that was told is not', async () => {
    broken = ['/b'];
    const both = input([hook('/a'), hook('/b')]);
    const { error, heartbeat } = await failToTell(both);
    expect(error).toMatchObject({ message: expect.stringMatching(/status 503, expected 2xx/) });
    expect(error).toMatchObject({ nonRetryable: false });
    broken = [];
    await tellAgain(both, heartbeat);
    expect(received.map(({ url }) => url)).toEqual(['/a', '/b', '/b']);
  });

  it('never says the address, which may hold a token', async () => {
    broken = ['/secret-path'];
    await expect(tell(input([hook('/secret-path')]))).rejects.not.toThrow(/secret-path/);
    const gone = await closedAddress();
    const unreachable = tell(input([hook('/secret-path')]), { HOOK: gone });
    await expect(unreachable).rejects.toThrow(/^webhook: no answer from 127\.0\.0\.1:\d+ \(ECONNREFUSED\)$/);
  });

  it('what is no address is not worth repeating', async () => {
    await expect(tell(input([hook('')]), { HOOK: 'ftp://example.com/canary' })).rejects.toMatchObject({
      nonRetryable: true,
      message: expect.not.stringContaining('canary'),
    });
  });
});

describe('Slack by a bot', () => {
  it('keeps a rollout in one thread: the first message begins it, the outcome is shown in the channel too', async () => {
    const all: NotifyMoment[] = ['started', 'approval', 'outcome'];
    let threads: Record<string, string> = {};
    for (const moment of all) {
      const told = await tell(input([hook('/a', []), bot(all)], { moment, title: moment, threads }));
      threads = { ...threads, ...told.threads };
    }
    const [first] = slack.messages;
    expect(threads).toEqual({ 1: first?.ts });
    expect(slack.messages).toMatchObject([
      { channel: 'C0123456789', text: '*started*\n• a line', thread: undefined, broadcast: false },
      { channel: 'C0123456789', text: '*approval*\n• a line', thread: first?.ts, broadcast: false },
      { channel: 'C0123456789', text: '*outcome*\n• a line', thread: first?.ts, broadcast: true },
    ]);
  });

  it('no secret is in a message', async () => {
    await tell(input([bot()], { title: CANARY, lines: [`x ${CANARY}`] }));
    expect(slack.messages[0]?.text).toBe('*[redacted]*\n• x [redacted]');
  });

  it('a repetition begins no second thread, and tells only the others', async () => {
    broken = ['/b'];
    const both = input([bot(), hook('/b')]);
    const { error, heartbeat } = await failToTell(both);
    expect(slack.messages).toHaveLength(1);
    const thread = slack.messages[0]?.ts;
    expect(error).toMatchObject({ details: [{ threads: { 0: thread } }] });
    broken = [];
    expect(await tellAgain(both, heartbeat)).toEqual({ threads: { 0: thread } });
    expect(slack.messages).toHaveLength(1);
    expect(received).toHaveLength(2);
  });

  it('two bots have a thread each', async () => {
    const { threads } = await tell(input([bot(), bot(undefined, 'C0123456789')]));
    expect(threads).toEqual({ 0: slack.messages[0]?.ts, 1: slack.messages[1]?.ts });
    expect(threads[0]).not.toBe(threads[1]);
  });

  it('when somebody deleted the first message, the next one begins the thread anew', async () => {
    const { threads } = await tell(input([bot()], { threads: { 0: '1700000000.000009' } }));
    expect(threads).toEqual({ 0: slack.messages[0]?.ts });
    const replied = await tell(input([bot()], { threads }));
    expect(replied).toEqual({ threads });
    expect(slack.messages.map(({ thread }) => thread)).toEqual([undefined, threads[0]]);
  });

  it.each(['thread_not_found', 'cannot_reply_to_message', 'restricted_action_thread_locked'])(
    '%s: the message goes into the channel instead of nowhere',
    async (error) => {
      slack.failures = [{ status: 200, body: JSON.stringify({ ok: false, error }) }];
      const { threads } = await tell(input([bot()], { threads: { 0: '1700000000.000009' } }));
      expect(slack.messages).toHaveLength(1);
      expect(threads).toEqual({ 0: slack.messages[0]?.ts });
    },
  );

  it.each([
    ['invalid_auth', /Slack refuses the message: invalid_auth. Give the worker a valid bot token/],
    ['missing_scope', /chat:write/],
    ['not_in_channel', /Invite the bot into the channel/],
    ['is_archived', /Name a channel that is not archived/],
    ['ekm_access_denied', /Slack refuses the message: ekm_access_denied$/],
  ])('%s is not worth repeating', async (error, message) => {
    slack.failures = [{ status: 200, body: JSON.stringify({ ok: false, error }) }];
    await expect(tell(input([bot()]))).rejects.toMatchObject({
      type: 'Invalid',
      nonRetryable: true,
      message: expect.stringMatching(message),
    });
  });

  it("a wrong token or channel is refused by Slack's own check", async () => {
    await expect(tell(input([bot()]), { SLACK_TOKEN: 'xoxb-other' })).rejects.toThrow(/invalid_auth/);
    await expect(tell(input([bot(undefined, '#nowhere')]))).rejects.toThrow(
      /channel_not_found. Check the channel/,
    );
  });

  it('is told again when Slack says: as late as it says', async () => {
    const body = JSON.stringify({ ok: false, error: 'ratelimited' });
    slack.failures = [{ status: 429, body, headers: { 'retry-after': '90' } }];
    await expect(tell(input([bot()]))).rejects.toMatchObject({
      nonRetryable: false,
      nextRetryDelay: 90_000,
      message: 'Slack wants fewer messages (ratelimited)',
    });
    slack.failures = [{ status: 200, body }];
    await expect(tell(input([bot()]))).rejects.toMatchObject({ nextRetryDelay: 30_000 });
  });

  it.each([
    ['its own trouble', 200, '{"ok":false,"error":"internal_error"}'],
    ['a broken gateway', 502, '<html>canary'],
    ['a page in between', 200, '<html>canary'],
  ])('%s is worth repeating', async (_what, status, body) => {
    slack.failures = [{ status, body }];
    await expect(tell(input([bot()]))).rejects.toMatchObject({
      nonRetryable: false,
      message: expect.not.stringContaining('canary'),
    });
  });

  it('one that can never be told does not take the thread from the others', async () => {
    const { error } = await failToTell(input([bot(undefined, '#nowhere'), bot()]));
    expect(error).toMatchObject({
      nonRetryable: true,
      details: [{ threads: { 1: slack.messages[0]?.ts } }],
    });
  });
});

describe('Slack by a webhook', () => {
  const byHook = () => notifierOf('slack', { webhook: '${env:SLACK_WEBHOOK}' });

  it('gets the text, and begins no thread', async () => {
    expect(await tell(input([byHook()]))).toEqual({ threads: {} });
    expect(slack.messages).toMatchObject([{ text: '*booking v1.0.1: promoted*\n• a line' }]);
  });

  it.each([
    [404, 'no_service', true, /no_service. The webhook was removed; make a new one/],
    [403, 'action_prohibited', true, /ask for it/],
    [410, 'channel_is_archived', true, /for a channel that is not archived/],
    [400, '<html>canary', true, /Slack refuses the message: status 400$/],
    [500, 'rollup_error', false, /Slack is in trouble \(rollup_error\)/],
    [429, 'rate_limited', false, /Slack wants fewer messages/],
  ])('%i %s', async (status, body, nonRetryable, message) => {
    slack.failures = [{ status, body }];
    await expect(tell(input([byHook()]))).rejects.toMatchObject({
      nonRetryable,
      message: expect.stringMatching(message),
    });
  });

  it('never says its address, which is its password', async () => {
    const gone = `${await closedAddress()}/services/canary`;
    await expect(tell(input([byHook()]), { SLACK_WEBHOOK: gone })).rejects.toThrow(
      /^Slack webhook: no answer from 127\.0\.0\.1:\d+ \(ECONNREFUSED\)$/,
    );
  });
});

it.each<{ [key: string]: Json }>([
  {},
  { token: 'x' },
  { channel: '#deploys' },
  { webhook: 'https://hooks.slack.com/x', channel: '#deploys' },
])('a Slack that is configured with %j is refused', async (config) => {
  await expect(tell(input([notifierOf('slack', config)]))).rejects.toMatchObject({
    nonRetryable: true,
    message: 'slack is not configured right: slack: expected either webhook, or token and channel',
  });
});
