/** One run for one deed: over kills, aborts, servers that do not name it, and on the way back. */

import { CancelledFailure } from '@temporalio/common';
import { afterEach, describe, expect, it } from 'vitest';
import type { Json } from '../../src/plan/resolved.js';
import { type GithubDouble, type GithubDoubleOptions, openGithub } from '../support/github-actions-api.js';
import { callTo, NEW, OLD, TARGET, UNMARKED } from '../support/github-actions-call.js';
import { linkOf } from '../support/github-actions-run.js';
import { type RecordedCall, targetCall } from '../support/target-call.js';

describe('githubActions, once', () => {
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

  describe('repeating', () => {
    it.each([{}, UNMARKED])('the run that an earlier attempt has kept is gone on with', async (config) => {
      const double = await github();
      const first = callTo(double, config);
      const abort = new AbortController();
      const lost = TARGET.bind({ ...first, signal: abort.signal }).promote(NEW);
      await expect.poll(() => first.kept.length).toBe(2);
      abort.abort(new CancelledFailure('WORKER_SHUTDOWN'));
      await expect(lost).rejects.toThrow('WORKER_SHUTDOWN');
      expect(double.last).toMatchObject({ cancelled: [] });
      const second = callTo(double, config, { context: first.context, recalled: first.kept.at(-1) });
      const promoting = TARGET.bind(second).promote(NEW);
      double.finish(double.last, 'success');
      await promoting;
      expect(double.dispatched()).toHaveLength(1);
    });

    /** What is known after a kill between the dispatch and its answer. */
    const killed = async (double: GithubDouble, config: { [key: string]: Json } = {}) => {
      const call = callTo(double, config);
      const abort = new AbortController();
      double.fault = ({ path }, response) => {
        if (!path.endsWith('/dispatches')) return false;
        response.destroy();
        abort.abort(new CancelledFailure('WORKER_SHUTDOWN'));
        return true;
      };
      await expect(TARGET.bind({ ...call, signal: abort.signal }).promote(NEW)).rejects.toThrow(
        'WORKER_SHUTDOWN',
      );
      double.fault = undefined;
      expect(call.kept).toHaveLength(1);
      return callTo(double, config, { context: call.context, recalled: call.kept[0] });
    };
    const markIn = (call: RecordedCall) => (call.recalled as { mark: string }).mark;

    it('killed between dispatch and answer, with a mark: its run is found, however late it appears', async () => {
      const double = await github();
      const call = await killed(double);
      const run = double.begin('v1.0.1', { rollout: markIn(call) }, { hiddenFor: 3 });
      double.begin('v1.0.1', { rollout: 'run-2:staging/deploy:deploy:abc' });
      const promoting = TARGET.bind(call).promote(NEW);
      await expect.poll(() => call.kept).toMatchObject([{ run: run.id }]);
      double.finish(run, 'success');
      await promoting;
      expect(double.dispatched()).toHaveLength(1);
    });

    it('killed before it arrived, with a mark: it is dispatched when its run does not appear', async () => {
      const double = await github({ ends: 'success' });
      const call = await killed(double);
      await TARGET.bind(call).promote(NEW);
      expect([double.dispatched().length, double.runs.length]).toEqual([2, 2]);
    });

    it('killed between dispatch and answer, without a mark: a person is asked, and told which run it may be', async () => {
      const double = await github();
      const call = await killed(double, UNMARKED);
      double.begin('v1.0.1');
      double.begin('v1.9.9');
      const asked = await TARGET.bind(call)
        .promote(NEW)
        .catch((error: unknown) => error);
      expect(asked).toMatchObject({ type: 'UnknownResult', nonRetryable: true });
      expect(String(asked)).toContain(`It may be run 2 (${linkOf({ ...double.last, id: 2 })}) is queued.`);
      expect(String(asked)).toContain('/actions/workflows/deploy-production.yml');
      expect(double.dispatched()).toHaveLength(1);
    });

    it('what a person says was not done is dispatched, and a kill meanwhile is asked about once more', async () => {
      const double = await github({ ends: 'success' });
      const call = callTo(double, UNMARKED, { knownUndone: true });
      await TARGET.bind(call).promote(NEW);
      expect(double.dispatched()).toHaveLength(1);
      const [intent] = call.kept;
      const again = callTo(double, UNMARKED, { knownUndone: true, recalled: intent });
      await expect(TARGET.bind(again).promote(NEW)).rejects.toMatchObject({ type: 'UnknownResult' });
    });

    it('a deploy that was refused is no question for a next attempt', async () => {
      const double = await github({ inputs: [] });
      const call = callTo(double, UNMARKED);
      await expect(TARGET.bind(call).promote(NEW)).rejects.toThrow('Unexpected inputs provided');
      expect(call.kept.at(-1)).toBeNull();
    });
  });

  describe('a server that does not name the run', () => {
    it('without a mark: a person is asked', async () => {
      const double = await github({ details: 'ignored' });
      await expect(TARGET.bind(callTo(double, UNMARKED)).promote(NEW)).rejects.toMatchObject({
        type: 'UnknownResult',
        message: expect.stringContaining(
          'the server does not say which run a dispatch has begun. It may be run 2',
        ),
      });
    });

    it('without a mark: the way back is the newest run on its ref', async () => {
      const double = await github({ details: 'ignored', ends: 'success' });
      await TARGET.bind(callTo(double, UNMARKED)).restore(OLD);
      expect(double.last).toMatchObject({ ref: 'v1.0.0', conclusion: 'success' });
    });

    it('with an input that the run-name does not show: a person is asked, and told what is missing', async () => {
      const double = await github({ details: 'ignored', named: false });
      await expect(TARGET.bind(callTo(double)).promote(NEW)).rejects.toMatchObject({
        type: 'UnknownResult',
        message: expect.stringContaining('the run-name of the workflow has to show ${{ inputs.rollout }}'),
      });
    });

    it('an answer that is cut off is as good as none: the run is found by its mark', async () => {
      const double = await github();
      double.fault = ({ path, body }, response) => {
        if (!path.endsWith('/dispatches')) return false;
        const { ref, inputs } = body as { ref: string; inputs: Record<string, string> };
        double.begin(ref, inputs);
        response.writeHead(200, { 'content-type': 'application/json' }).end('{"workflow_run_id": 2');
        return true;
      };
      const call = callTo(double);
      const promoting = TARGET.bind(call).promote(NEW);
      await expect.poll(() => call.kept.at(-1)).toMatchObject({ run: 2 });
      double.finish(double.last, 'success');
      await promoting;
    });
  });

  describe('aborting', () => {
    const abortWhile = async (
      double: GithubDouble,
      reason: unknown,
      until: (call: RecordedCall) => unknown,
    ) => {
      const abort = new AbortController();
      const call = callTo(double, {}, { signal: abort.signal });
      const promoting = TARGET.bind(call).promote(NEW);
      const ended = expect(promoting).rejects.toBe(reason);
      await expect.poll(() => until(call)).toBeTruthy();
      abort.abort(reason);
      await ended;
      return call;
    };
    const isFollowing = (call: RecordedCall) => call.said.some((line) => line.includes('in progress'));

    it('cancels the run, and returns when it has ended', async () => {
      const double = await github();
      await abortWhile(double, new CancelledFailure('CANCELLED'), isFollowing);
      expect(double.last).toMatchObject({ conclusion: 'cancelled', cancelled: ['cancel'] });
    });

    it('ends by force what does not end by itself', async () => {
      const double = await github({ cancels: 'by force' });
      await abortWhile(double, new CancelledFailure('CANCELLED'), isFollowing);
      expect(double.last.cancelled).toEqual(['cancel', 'force-cancel']);
    });

    it('is bounded: a run that does not end at all is left to the way back, and said', async () => {
      const double = await github({ cancels: 'never' });
      const call = await abortWhile(double, new CancelledFailure('CANCELLED'), isFollowing);
      expect(call.said.at(-1)).toContain('does not end although it was cancelled');
    });

    it('a run that is not in the list yet is waited for, and cancelled', async () => {
      const double = await github({ details: 'ignored' });
      const abort = new AbortController();
      const reason = new CancelledFailure('CANCELLED');
      const call = callTo(double, {}, { signal: abort.signal });
      const ended = expect(TARGET.bind(call).promote(NEW)).rejects.toBe(reason);
      await expect.poll(() => double.runs.length).toBe(2);
      double.last.hiddenFor = 3;
      abort.abort(reason);
      await ended;
      expect(double.last.conclusion).toBe('cancelled');
    });

    for (const why of ['WORKER_SHUTDOWN', 'TIMED_OUT', 'NOT_FOUND']) {
      it(`${why} leaves the run to the next attempt`, async () => {
        const double = await github();
        await abortWhile(double, new CancelledFailure(why), isFollowing);
        expect(double.last).toMatchObject({ conclusion: null, cancelled: [] });
      });
    }
  });

  describe('the way back', () => {
    it('first ends a deploy of ours that is still under way, and no other', async () => {
      const double = await github({ ends: 'success' });
      const call = callTo(double);
      const ours = double.begin('v1.0.1', { rollout: 'run-1:staging/deploy:deploy:abc' });
      const theirs = double.begin('v1.0.1', { rollout: 'run-9:staging/deploy:deploy:abc' });
      await TARGET.bind(call).restore(OLD);
      expect([ours.conclusion, theirs.conclusion]).toEqual(['cancelled', null]);
      expect(double.last).toMatchObject({ ref: 'v1.0.0', conclusion: 'success' });
    });

    it('without a mark: what was begun on the new ref since the stage began to change', async () => {
      const double = await github({ ends: 'success' });
      const earlier = double.begin('v1.0.1', {}, { createdMs: Date.now() - 600_000 });
      const other = double.begin('v1.2.0');
      const ours = double.begin('v1.0.1');
      await TARGET.bind(callTo(double, UNMARKED)).restore(OLD);
      expect([earlier.conclusion, other.conclusion, ours.conclusion]).toEqual([null, null, 'cancelled']);
    });

    it('of a rollout that was terminated: its open deploy is found without knowing when it began', async () => {
      for (const config of [{}, UNMARKED]) {
        const double = await github({ ends: 'success' });
        const ours = double.begin(
          'v1.0.1',
          { rollout: 'run-1:staging/deploy:deploy:abc' },
          { createdMs: Date.now() - 600_000 },
        );
        const { context } = targetCall('/nowhere', {});
        expect(context.startedAt).toBeUndefined();
        const status = await TARGET.bind(callTo(double, config, { context })).status();
        expect(status).toMatchObject({
          live: { version: 'v1.0.0' },
          unsettled: expect.stringContaining('run 2'),
        });
        await TARGET.bind(callTo(double, config, { context })).restore(OLD);
        expect([ours.conclusion, double.last.ref]).toEqual(['cancelled', 'v1.0.0']);
      }
    });

    it('is not begun beside a deploy that cannot be ended', async () => {
      const double = await github({ cancels: 'never' });
      double.begin('v1.0.1', { rollout: 'run-1:staging/deploy:deploy:abc' });
      await expect(TARGET.bind(callTo(double)).restore(OLD)).rejects.toThrow('End it in GitHub');
      expect(double.dispatched()).toEqual([]);
    });

    it('one that has failed is dispatched anew when it is asked for again', async () => {
      const double = await github({ ends: 'failure' });
      const call = callTo(double);
      await expect(TARGET.bind(call).restore(OLD)).rejects.toThrow('has failed in job deploy');
      double.options.ends = 'success';
      await TARGET.bind(callTo(double, {}, { context: call.context })).restore(OLD);
      expect(double.dispatched()).toHaveLength(2);
    });
  });
});
