/** The githubActions target against a double that holds every request against GitHub's published description. */
import { afterEach, describe, expect, it } from 'vitest';
import { createGithubActionsTarget } from '../../src/adapters/targets/githubActions/index.js';
import { schema } from '../../src/adapters/targets/githubActions/schema.js';
import { checked } from '../../src/adapters/targets/registry.js';
import type { Json } from '../../src/plan/resolved.js';
import { describeTarget } from '../support/describe-target.js';
import { type GithubDouble, type GithubDoubleOptions, openGithub } from '../support/github-actions-api.js';
import { BY_RUNS, callTo, FAST, NEW, OLD, TARGET, UNMARKED } from '../support/github-actions-call.js';
import { linkOf } from '../support/github-actions-run.js';
import { checkRequest } from '../support/github-openapi.js';

for (const [way, options, config] of [
  ['asking the application', {}, {}],
  ['told by the runs', {}, BY_RUNS],
  ['on a server that does not name the run', { details: 'ignored' }, {}],
  ['on an Enterprise server that refuses to', { details: 'refused', prefix: '/api/v3' }, {}],
  ['without a mark', {}, UNMARKED],
] as [string, GithubDoubleOptions, { [key: string]: Json }][]) {
  describeTarget(
    'githubActions',
    async () => {
      const double = await openGithub({ ...options, ends: 'success' });
      return {
        target: TARGET,
        call: callTo(double, config),
        async close() {
          await double.close();
          expect(double.faults).toEqual([]);
        },
      };
    },
    { way, opaque: true },
  );
}

describe('githubActions', () => {
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

  describe('what is dispatched', () => {
    it("is the document's command, on the tag of the version, with a mark and a wish to be told the run", async () => {
      const double = await github({ ends: 'success' });
      const call = callTo(double);
      await TARGET.bind(call).promote(NEW);
      expect(double.dispatched().map(({ body }) => body)).toEqual([
        {
          ref: 'v1.0.1',
          inputs: {
            environment: 'production',
            strategy: 'blue-green',
            rollout: expect.stringMatching(/^run-1:staging\/deploy:deploy:\w+$/),
          },
          return_run_details: true,
        },
      ]);
    });

    it('goes back on the old tag, with what the plan says of the way back', async () => {
      const double = await github({ ends: 'success' });
      const call = callTo(double);
      await TARGET.bind(call).promote(NEW);
      await TARGET.bind(callTo(double, {}, { context: call.context })).restore(OLD);
      expect(double.dispatched().at(-1)?.body).toMatchObject({
        ref: 'v1.0.0',
        inputs: { environment: 'production', strategy: 'immediate' },
      });
    });

    it('a fixed ref and its way back are as written', async () => {
      const double = await github({ ends: 'success' });
      const config = { ref: 'main', rollback: { ref: 'refs/tags/v1.0.0' } };
      double.options.deploys = 'v1.0.1';
      await TARGET.bind(callTo(double, config)).promote(NEW);
      double.options.deploys = undefined;
      await TARGET.bind(callTo(double, config)).restore(OLD);
      expect(double.dispatched().map(({ body }) => (body as { ref: string }).ref)).toEqual([
        'main',
        'refs/tags/v1.0.0',
      ]);
    });

    it('what is live once more is dispatched on its own ref', async () => {
      const double = await github({ ends: 'success' });
      await TARGET.bind(callTo(double)).restart(OLD);
      expect(double.dispatched().map(({ body }) => body)).toMatchObject([
        { ref: 'v1.0.0', inputs: { strategy: 'immediate' } },
      ]);
    });
  });

  describe('following', () => {
    it('tells job, step and link, and asks for nothing twice that has not changed', async () => {
      const double = await github();
      const call = callTo(double);
      const promoting = TARGET.bind(call).promote(NEW);
      await expect
        .poll(() => call.said.join('\n'))
        .toContain('is in progress in job deploy, step Switch traffic');
      expect(call.said.join('\n')).toContain(linkOf(double.last));
      await expect
        .poll(() => double.requests.filter(({ headers }) => headers['if-none-match'] !== undefined).length)
        .toBeGreaterThan(4);
      double.finish(double.last, 'success');
      await promoting;
    });

    it('says that it waits for an approval in GitHub, and where', async () => {
      const double = await github();
      const call = callTo(double);
      const promoting = TARGET.bind(call).promote(NEW);
      await expect.poll(() => double.runs.length).toBe(2);
      double.last.status = 'waiting';
      await expect
        .poll(() => call.said.join('\n'))
        .toContain(`run 2 (${linkOf(double.last)}) waits for an approval in GitHub`);
      double.finish(double.last, 'success');
      await promoting;
    });

    for (const [conclusion, words] of [
      ['failure', 'has failed in job deploy, step Switch traffic'],
      ['cancelled', 'was cancelled, by somebody in GitHub'],
      ['timed_out', 'ran out of its time'],
      ['startup_failure', 'could not start'],
      ['skipped', 'none of its jobs ran'],
    ] as const) {
      it(`${conclusion} is one clear error that is not repeated, and unsettles what is live`, async () => {
        const double = await github({ ends: conclusion });
        const call = callTo(double);
        await expect(TARGET.bind(call).promote(NEW)).rejects.toMatchObject({
          type: 'Invalid',
          nonRetryable: true,
          message: expect.stringMatching(`run 2 .*/actions/runs/2\\) .*${words}`),
        });
        const status = await TARGET.bind(callTo(double, {}, { context: call.context })).status();
        expect(status).toMatchObject({
          live: { version: 'v1.0.0' },
          unsettled: expect.stringContaining(words),
        });
        // Repeated it finds the same run, and is not taken for a success.
        const again = callTo(double, {}, { context: call.context, recalled: call.kept.at(-1) });
        await expect(TARGET.bind(again).promote(NEW)).rejects.toThrow(words);
        expect(double.dispatched()).toHaveLength(1);
      });
    }

    it('a run that goes on for longer than the attempts last is cancelled', async () => {
      const double = await github();
      const impatient = checked(schema, createGithubActionsTarget({ ...FAST, longestRunMs: 100 }));
      await expect(impatient.bind(callTo(double)).promote(NEW)).rejects.toThrow('and was cancelled');
      expect(double.last).toMatchObject({ conclusion: 'cancelled', cancelled: ['cancel'] });
    });

    it('an application that goes on telling another version is no success', async () => {
      const double = await github({ ends: 'success', deploys: 'v0.9.0' });
      await expect(TARGET.bind(callTo(double)).promote(NEW)).rejects.toMatchObject({
        nonRetryable: true,
        message: expect.stringContaining('the application says that v0.9.0 is live, not v1.0.1'),
      });
    });
  });

  describe('the commit', () => {
    it('is what the tag stands for, and a branch is none', async () => {
      const double = await github();
      expect(await TARGET.bind(callTo(double)).pin()).toBe(double.commitOf('v1.0.1'));
      const branch = callTo(double, { ref: 'main', rollback: {} });
      expect(await TARGET.bind(branch).pin()).toBeUndefined();
    });

    it('is no pin where it is not there yet, or may not be read', async () => {
      const double = await github();
      for (const status of [403, 404, 422]) {
        double.fault = (_request, response) => {
          response.writeHead(status).end('{"message":"no"}');
          return true;
        };
        expect(await TARGET.bind(callTo(double)).pin()).toBeUndefined();
      }
    });

    it('a tag that was moved since is not dispatched', async () => {
      const double = await github();
      const call = callTo(double, {}, { pinned: 'a'.repeat(40) });
      await expect(TARGET.bind(call).promote(NEW)).rejects.toMatchObject({
        type: 'Drift',
        message: expect.stringContaining('Somebody has moved the tag meanwhile'),
      });
      expect(double.dispatched()).toEqual([]);
    });

    it('a run of another commit is cancelled', async () => {
      const double = await github();
      const pinned = double.commitOf('v1.0.1');
      double.fault = ({ path }) => {
        if (path.endsWith('/dispatches')) double.commits.set('v1.0.1', 'b'.repeat(40));
        return false;
      };
      const call = callTo(double, {}, { pinned });
      await expect(TARGET.bind(call).promote(NEW)).rejects.toMatchObject({ type: 'Drift' });
      expect(double.last.conclusion).toBe('cancelled');
    });
  });

  describe('what is live', () => {
    it('is the version with an open run of ours named', async () => {
      const double = await github();
      double.begin('v1.0.1', { rollout: 'run-1:staging/deploy:deploy:abc' });
      double.version = 'v1.0.1';
      expect(await TARGET.bind(callTo(double)).status()).toEqual({
        live: { id: 'v1.0.1', version: 'v1.0.1', url: double.app },
        candidate: null,
        unsettled: `run 2 (${linkOf(double.last)}) is queued`,
      });
    });

    it('runs of others, and of another environment, do not unsettle it', async () => {
      const double = await github();
      double.begin('v1.0.1', { rollout: 'run-2:production/deploy:deploy:abc' });
      double.begin('v1.0.1');
      const status = await TARGET.bind(callTo(double)).status();
      expect(status.unsettled).toBeUndefined();
      // The same without a mark: there it cannot be told from ours.
      expect((await TARGET.bind(callTo(double, UNMARKED)).status()).unsettled).toContain('run 3');
    });

    it('an application that is down does not keep its own way back: what was dispatched last is meant', async () => {
      const double = await github({ ends: 'failure' });
      const call = callTo(double);
      await expect(TARGET.bind(call).promote(NEW)).rejects.toThrow('has failed');
      double.version = undefined;
      for (const config of [{}, UNMARKED]) {
        const status = await TARGET.bind(callTo(double, config, { context: call.context })).status();
        expect(status.live.version).toBe('v1.0.1');
        expect(status.unsettled).toMatch(/does not say its version: .*status 503.*run 2 .*has failed/);
      }
    });

    it('nothing of ours was begun, and the application is down: that is said', async () => {
      const double = await github();
      double.version = undefined;
      await expect(TARGET.bind(callTo(double)).status()).rejects.toThrow(
        /staging\/deploy: the application does not say its version: GET .*\/admin\/version: status 503/,
      );
    });

    it('told by the runs: the ref of the last that succeeded, and what came after it', async () => {
      const double = await github();
      const call = callTo(double, BY_RUNS);
      const run = double.begin('refs/tags/v1.0.1');
      expect(await TARGET.bind(call).status()).toMatchObject({
        live: { version: 'v1.0.0' },
        unsettled: `run 2 (${linkOf(run)}) is queued`,
      });
      double.finish(run, 'failure');
      expect((await TARGET.bind(call).status()).unsettled).toContain('has failed in job deploy');
      double.finish(run, 'success');
      expect(await TARGET.bind(call).status()).toEqual({
        live: { id: 'v1.0.1', version: 'v1.0.1', url: double.app },
        candidate: null,
      });
    });

    it('told by the runs, and none has succeeded: nobody can tell', async () => {
      const double = await github();
      double.finish(double.last, 'failure');
      await expect(TARGET.bind(callTo(double, BY_RUNS)).status()).rejects.toThrow('Say under live where');
    });
  });

  it('the double finds a request that is not as described', () => {
    const path = '/repos/acme/shop/actions/workflows/deploy.yml';
    expect(
      checkRequest('POST', `${path}/dispatches`, undefined, { ref: 'v1', return_run_details: true }),
    ).toEqual([]);
    expect(checkRequest('POST', `${path}/dispatches`, undefined, { inputs: {} })).not.toEqual([]);
    expect(
      checkRequest('POST', `${path}/dispatches`, undefined, { ref: 'v1', return_details: true }),
    ).not.toEqual([]);
    expect(checkRequest('GET', `${path}/runs`, new URLSearchParams({ page: 'two' }))).not.toEqual([]);
    expect(checkRequest('GET', `${path}/run`)).not.toEqual([]);
  });
});
