/** What GitHub refuses, limits and loses. */
import { afterEach, describe, expect, it } from 'vitest';
import {
  type Fault,
  type GithubDouble,
  type GithubDoubleOptions,
  openGithub,
  TOKEN,
} from '../support/github-actions-api.js';
import { callTo, NEW, TARGET, UNMARKED } from '../support/github-actions-call.js';
import { serve } from '../support/http-server.js';

describe('githubActions, faults', () => {
  const open: GithubDouble[] = [];
  const github = async (options: GithubDoubleOptions = {}) => {
    const double = await openGithub(options);
    open.push(double);
    return double;
  };
  afterEach(async () => {
    for (const double of open.splice(0)) {
      await double.close();
      expect(double.faults).toEqual([]);
    }
  });

  describe('refusals and troubles', () => {
    /** Once, then GitHub is well again. */
    const once = (
      of: string,
      answer: Parameters<Fault>[1] extends infer R ? (response: R) => void : never,
    ): Fault => {
      let isOver = false;
      return ({ path, method }, response) => {
        if (isOver || !`${method} ${path}`.includes(of)) return false;
        isOver = true;
        answer(response);
        return true;
      };
    };
    const json =
      (
        status: number,
        message: string,
        headers: Record<string, string> = {},
      ): ((r: Parameters<Fault>[1]) => void) =>
      (response) =>
        void response.writeHead(status, headers).end(JSON.stringify({ message }));

    for (const [name, answer, type, mend] of [
      ['401', json(401, 'Bad credentials'), 'NotPermitted', 'Give the worker a valid token'],
      [
        '403 without the right',
        json(403, 'Resource not accessible by personal access token'),
        'NotPermitted',
        '"Actions: read and write"',
      ],
      ['404', json(404, 'Not Found'), 'Invalid', 'its file name alone'],
      [
        '422 without a ref',
        json(422, 'No ref found for: v1.0.1'),
        'Invalid',
        'a branch or a tag which is pushed',
      ],
      [
        '422 without the trigger',
        json(422, "Workflow does not have 'workflow_dispatch' trigger"),
        'Invalid',
        'on: workflow_dispatch',
      ],
    ] as const) {
      it(`${name} on the dispatch: says what would mend it, and begins nothing`, async () => {
        const double = await github();
        double.fault = once('/dispatches', answer);
        const call = callTo(double);
        const refused = await TARGET.bind(call)
          .promote(NEW)
          .catch((error: unknown) => error);
        expect(refused).toMatchObject({ type, nonRetryable: true });
        expect(String(refused)).toContain(mend);
        expect(String(refused)).not.toContain(TOKEN);
        expect([double.runs.length, double.dispatched().length]).toEqual([1, 1]);
      });
    }

    it('a missing right is found out by looking, before anything has changed', async () => {
      const double = await github();
      double.fault = once('/runs', json(404, 'Not Found'));
      await expect(TARGET.bind(callTo(double)).status()).rejects.toMatchObject({ type: 'Invalid' });
    });

    for (const [name, headers] of [
      ['primary limit', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1' }],
      ['secondary limit', { 'retry-after': '1' }],
    ] as [string, Record<string, string>][]) {
      for (const of of ['/dispatches', '/jobs']) {
        it(`${name} on ${of}: waited for as long as GitHub says, and sent again`, async () => {
          const double = await github({ ends: 'success' });
          double.fault = once(of, json(403, 'You have exceeded a rate limit', headers));
          const call = callTo(double);
          await TARGET.bind(call).promote(NEW);
          expect(call.said.join('\n')).toMatch(/GitHub wants no request before \d\d:\d\d:\d\d UTC \(403\)/);
          expect(double.runs).toHaveLength(2);
        });
      }
    }

    it('an abort ends the waiting for a limit', async () => {
      const double = await github();
      double.fault = once('/dispatches', json(429, 'slow down', { 'retry-after': '600' }));
      const abort = new AbortController();
      const call = callTo(double, {}, { signal: abort.signal });
      const reason = new Error('enough');
      const ended = expect(TARGET.bind(call).promote(NEW)).rejects.toBe(reason);
      await expect.poll(() => call.said.join('\n')).toContain('GitHub wants no request');
      abort.abort(reason);
      await ended;
      expect(double.runs).toHaveLength(1);
    });

    for (const [name, answer] of [
      ['502', json(502, 'Bad gateway')],
      ['a cut connection', (response) => void response.destroy()],
      [
        'truncated JSON',
        (response) => void response.writeHead(200, { 'content-type': 'application/json' }).end('{"jobs": ['),
      ],
    ] as [string, (response: Parameters<Fault>[1]) => void][]) {
      it(`${name} on a read is passed over`, async () => {
        const double = await github({ ends: 'success' });
        double.fault = once('/jobs', answer);
        await TARGET.bind(callTo(double)).promote(NEW);
      });
    }

    for (const [name, answer] of [
      ['502', json(502, 'Bad gateway')],
      ['a cut connection', (response) => void response.destroy()],
    ] as [string, (response: Parameters<Fault>[1]) => void][]) {
      it(`${name} on the dispatch, with a mark: looked for, and repeated by the next attempt only`, async () => {
        const double = await github({ ends: 'success' });
        double.fault = once('/dispatches', answer);
        const call = callTo(double);
        const failed = await TARGET.bind(call)
          .promote(NEW)
          .catch((error: unknown) => error);
        expect(String(failed)).toContain('deploy-production.yml was not dispatched');
        expect(failed).not.toMatchObject({ nonRetryable: true });
        const next = callTo(double, {}, { context: call.context, recalled: call.kept.at(-1) });
        await TARGET.bind(next).promote(NEW);
        expect([double.dispatched().length, double.runs.length]).toEqual([2, 2]);
      });

      it(`${name} on the dispatch, without a mark: a person is asked`, async () => {
        const double = await github();
        double.fault = once('/dispatches', answer);
        await expect(TARGET.bind(callTo(double, UNMARKED)).promote(NEW)).rejects.toMatchObject({
          type: 'UnknownResult',
          message: expect.stringContaining('No run on that ref is in the list'),
        });
        expect(double.dispatched()).toHaveLength(1);
      });
    }

    it('GitHub that cannot be reached was not asked: an error that may be repeated, and no question', async () => {
      const double = await github();
      const closed = await serve(() => {});
      await closed.close();
      const call = callTo(double, { ...UNMARKED, baseUrl: closed.url });
      const failed = await TARGET.bind(call)
        .promote(NEW)
        .catch((error: unknown) => error);
      expect(String(failed)).toContain('connection refused');
      expect([call.kept.at(-1), (failed as { nonRetryable?: boolean }).nonRetryable]).toEqual([
        null,
        undefined,
      ]);
    });

    it('a redirect is not followed: the token goes to nobody else', async () => {
      const double = await github();
      const reached: string[] = [];
      const elsewhere = await serve((request, response) => {
        reached.push(String(request.headers.authorization));
        response.end('{}');
      });
      double.fault = (_request, response) => {
        response.writeHead(301, { location: `${elsewhere.url}/repositories/1` }).end();
        return true;
      };
      const refused = await TARGET.bind(callTo(double))
        .promote(NEW)
        .catch((error: unknown) => error);
      await expect(TARGET.bind(callTo(double)).status()).rejects.toThrow('has moved');
      expect(String(refused)).toContain(`acme/whatsapp-saas has moved to ${new URL(elsewhere.url).host}`);
      expect(reached).toEqual([]);
      await elsewhere.close();
    });
  });
});
