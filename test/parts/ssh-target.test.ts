/**
 * The ssh target, against a real SSH server, a real git and the real pm2. systemd and docker compose run on no host of
 * the tests: programs of their names stand for them, and hold what they are sent against the published synopsis.
 */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checked } from '../../src/adapters/targets/registry.js';
import { createSshTarget } from '../../src/adapters/targets/ssh/index.js';
import { schema } from '../../src/adapters/targets/ssh/schema.js';
import type { TargetCall } from '../../src/adapters/targets/target.js';
import type { Json } from '../../src/plan/resolved.js';
import type { Ssh } from '../../src/tools/ssh/index.js';
import { describeTarget } from '../support/describe-target.js';
import { type HostPrograms, openHostPrograms } from '../support/host-programs.js';
import { ensurePm2 } from '../support/pm2.js';
import { isAlive, waitFor } from '../support/processes.js';
import { type SshHost, startSshHost } from '../support/ssh-host.js';
import { sshdIsMissing } from '../support/sshd.js';
import { targetCall } from '../support/target-call.js';

type Config = { [key: string]: Json };

const QUICK = { pollMs: 50, steadyMs: 200, longestMs: 1_500 };

const bind = (ssh: Ssh, config: Config, change: Partial<TargetCall<Config>> = {}) => {
  const call = targetCall('/nowhere', config, { strategy: 'immediate', ...change });
  const target = checked(schema, createSshTarget({ ssh, upTiming: QUICK }));
  return { ...target.bind(call), said: call.said };
};

const missing = sshdIsMissing();
const pm2 = missing ? undefined : await ensurePm2();

describe.skipIf(missing || pm2 === undefined)('with pm2', () => {
  const NAME = `it's "booking" $(touch pwned-3)`;

  async function open() {
    const home = await mkdtemp(join(tmpdir(), 'headgate-pm2-'));
    const host = await startSshHost({
      programs: [pm2 ?? ''],
      environment: { PM2_HOME: home, GREETING: 'of the session' },
    });
    const run = (...argv: string[]) =>
      host.ssh.run({ host: host.sshd.host }, argv, {
        signal: new AbortController().signal,
        timeoutMs: 60_000,
        directory: host.directory,
      });
    const env = [`PORT=${host.port}`, 'GREETING=of the first start'];
    const started = await run('env', ...env, 'pm2', 'start', 'server.js', '--name', NAME);
    if (started.exitCode !== 0) throw new Error(started.stdout + started.stderr);
    await waitFor(async () => (await host.answer().catch(() => null)) !== null, 'the application', 30_000);
    return {
      ...host,
      config: { ...host.config, pm2: NAME },
      async close() {
        await run('pm2', 'kill');
        await host.close();
        await rm(home, { recursive: true, force: true });
      },
    };
  }

  describeTarget(
    'ssh',
    async () => {
      const host = await open();
      return {
        target: checked(schema, createSshTarget({ ssh: host.ssh, upTiming: QUICK })),
        call: targetCall('/nowhere', host.config, { strategy: 'immediate' }),
        hanging: { ...host.config, build: ['sleep', '600'] },
        logs: { current: 'Pool configuration: {"connection_limit":20}' },
        close: () => host.close(),
      };
    },
    { way: 'pm2', opaque: true },
  );

  describe('a release', () => {
    let host: Awaited<ReturnType<typeof open>>;
    beforeAll(async () => {
      host = await open();
      await host.publish('v1.0.2');
    });
    afterAll(() => host.close());
    const health = () => `http://127.0.0.1:${host.port}/healthz`;
    const at = (change: Config = {}, call?: Partial<TargetCall<Config>>) =>
      bind(host.ssh, { ...host.config, health: health(), ...change }, call);

    it('is the commit of its tag, built before it is started, in the environment of now', async () => {
      const { live } = await at().status();
      expect(live).toEqual({
        id: host.commitOf('v1.0.0'),
        version: 'v1.0.0',
        url: `http://127.0.0.1:${host.port}`,
      });
      expect(await host.answer()).toEqual({ version: 'v1.0.0', limit: 20, greeting: 'of the first start' });
      const build = ['sh', '-c', 'cat version.txt .env >built.txt'];
      await writeFile(join(host.directory, '.env'), 'DB_CONNECTION_LIMIT=50\n');
      const target = at({ build });
      await target.promote({ ...live, version: 'v1.0.1' });
      expect(await host.answer()).toEqual({ version: 'v1.0.1', limit: 50, greeting: 'of the session' });
      expect(host.git('rev-parse', 'HEAD')).toBe(host.commitOf('v1.0.1'));
      const built = await readFile(join(host.directory, 'built.txt'), 'utf8');
      expect(built).toBe('v1.0.1\nDB_CONNECTION_LIMIT=50\n');
      expect(await host.record()).toMatchObject({
        phase: 'up',
        version: 'v1.0.1',
        before: { version: 'v1.0.0' },
      });
      expect(target.said.join('\n')).toMatch(/fetching v1\.0\.1 .*checking out .*cat version.*restarting/s);
      expect(host.pwned()).toEqual([]);
    });

    it('that dies at its start is said, and the one before comes back', async () => {
      const before = await at().status();
      const failing = at().promote({ ...before.live, version: 'v1.0.2' });
      await expect(failing).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringMatching(/did not come up: .*pm2 logs/),
      });
      const after = await at().status();
      expect([after.live.version, after.unsettled]).toEqual(['v1.0.2', expect.stringContaining('restart')]);
      await at().restore(before.live);
      expect(await at().status()).toEqual(before);
      expect((await host.answer()).version).toBe('v1.0.1');
    });

    it('a process that pm2 does not know is said, with those that it knows', async () => {
      await expect(at({ pm2: 'shop' }).status()).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringContaining(NAME),
      });
      await expect(at({ pm2: 'all' }).restart((await at().status()).live)).rejects.toMatchObject({
        type: 'Invalid',
      });
    });
  });
});

describe.skipIf(missing)('with systemd and docker compose, by doubles', () => {
  interface Doubled extends SshHost {
    state: string;
    running: HostPrograms['running'];
    fault(word: string): Promise<void>;
    mend(word: string): Promise<void>;
  }

  async function open(): Promise<Doubled> {
    const state = await mkdtemp(join(tmpdir(), 'headgate-host-programs-'));
    const { bin, environment, running } = await openHostPrograms(state);
    const host = await startSshHost({ programs: [bin], environment });
    return {
      ...host,
      state,
      running,
      fault: (word) => writeFile(join(state, word), ''),
      mend: (word) => rm(join(state, word), { force: true }),
      async close() {
        await host.close();
        await rm(state, { recursive: true, force: true });
      },
    };
  }

  for (const way of ['systemd', 'compose'] as const) {
    describeTarget(
      'ssh',
      async () => {
        const host = await open();
        const config = { ...host.config, [way]: 'booking' };
        return {
          target: checked(schema, createSshTarget({ ssh: host.ssh, upTiming: QUICK })),
          call: targetCall('/nowhere', config, { strategy: 'immediate' }),
          hanging: { ...config, build: ['sleep', '600'] },
          logs: { current: 'Pool configuration' },
          close: () => host.close(),
        };
      },
      { way, opaque: true },
    );
  }

  describe('whatever happens there', () => {
    let host: Doubled;
    beforeEach(async () => {
      host = await open();
      return () => host.close();
    });
    const at = (change: Config = {}, call?: Partial<TargetCall<Config>>, ssh = host.ssh) =>
      bind(ssh, { ...host.config, systemd: 'booking', ...change }, call);
    const RELEASE = { id: 'any', version: 'v1.0.1', url: 'any' };
    const promote = (change?: Config, call?: Partial<TargetCall<Config>>) =>
      at(change, call).promote(RELEASE);

    it('files that are changed there stop it before anything is done, by name', async () => {
      await writeFile(join(host.directory, 'version.txt'), 'by hand');
      const { unsettled } = await at().status();
      expect(unsettled).toContain('version.txt');
      await expect(promote()).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringMatching(/M Backend\/version\.txt.*Nothing was changed/),
      });
      expect(await readFile(join(host.directory, 'version.txt'), 'utf8')).toBe('by hand');
      expect(host.git('rev-parse', 'HEAD')).toBe(host.commitOf('v1.0.0'));
      expect((await host.running()).starts).toBe(0);
    });

    it('a file that nobody has committed is not written over', async () => {
      await host.publish('v1.0.4', { 'Backend/notes.txt': 'ours' });
      await writeFile(join(host.directory, 'notes.txt'), 'theirs');
      await expect(at().promote({ ...RELEASE, version: 'v1.0.4' })).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringMatching(/notes\.txt.*nothing is thrown away/),
      });
      expect(await readFile(join(host.directory, 'notes.txt'), 'utf8')).toBe('theirs');
      expect((await host.running()).starts).toBe(0);
    });

    it('a ref that is not there yet is no fault when it is looked at, and one when it is deployed', async () => {
      expect(await at({ ref: 'v9' }).pin()).toBeUndefined();
      await expect(promote({ ref: 'v9' })).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringContaining('neither tag nor branch "v9"'),
      });
      for (const ref of ['--upload-pack=touch pwned-1', 'a..b', 'a b', '$(touch pwned-1)?'])
        await expect(promote({ ref })).rejects.toMatchObject({ type: 'Invalid' });
      expect(host.pwned()).toEqual([]);
    });

    it.each(['main', 'commit'])('a ref may be a %s', async (kind) => {
      const commit = host.commitOf('v1.0.1');
      await promote({ ref: kind === 'main' ? 'main' : commit });
      expect((await at().status()).live).toMatchObject({ id: commit, version: 'v1.0.1' });
    });

    it('a tag that was moved since it was looked at is not deployed', async () => {
      const pinned = await at().pin();
      expect(pinned).toBe(host.commitOf('v1.0.1'));
      const theirs = join(host.folder, 'theirs');
      execFileSync('git', ['-C', theirs, 'tag', '--force', 'v1.0.1', 'v1.0.0'], { stdio: 'pipe' });
      execFileSync('git', ['-C', theirs, 'push', '--quiet', '--force', 'origin', 'v1.0.1'], {
        stdio: 'pipe',
      });
      await expect(promote({}, { pinned })).rejects.toMatchObject({ type: 'Drift' });
      expect(host.git('rev-parse', 'HEAD')).toBe(host.commitOf('v1.0.0'));
    });

    it('a build that fails restarts nothing, and the way back is what was there', async () => {
      const before = await at().status();
      await expect(promote({ build: ['sh', '-c', 'echo no such package; exit 3'] })).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringMatching(/ended with 3, and nothing was restarted: no such package/),
      });
      expect((await host.running()).starts).toBe(0);
      expect((await at().status()).unsettled).toMatch(/v1\.0\.1 was begun by rollout run-1.*build/);
      await at().restore(before.live);
      expect(await at().status()).toEqual(before);
    });

    it('an abort ends the build there, and another attempt goes on', async () => {
      const abort = new AbortController();
      const build = [
        'sh',
        '-c',
        'if [ -e ../again ]; then exit 0; fi; echo $$ >../pwned-pid; exec sleep 600',
      ];
      const running = promote({ build }, { signal: abort.signal });
      running.catch(() => undefined);
      const pid = async () => Number(await readFile(join(host.top, 'pwned-pid'), 'utf8').catch(() => ''));
      await waitFor(async () => (await pid()) > 0, 'the build');
      abort.abort(new Error('enough'));
      await expect(running).rejects.toThrow('enough');
      const builder = await pid();
      await waitFor(() => !isAlive(builder), 'its end');
      expect((await host.running()).starts).toBe(0);
      await writeFile(join(host.top, 'again'), '');
      await promote({ build });
      expect(await at().status()).toMatchObject({ live: { version: 'v1.0.1' } });
      expect((await host.running()).starts).toBe(1);
    });

    it('killed after any of its commands, it is done by another attempt, and can be taken back', async () => {
      const before = await at().status();
      const build = ['true'];
      for (let nth = 1, isOver = false; !isOver; nth += 1) {
        let count = 0;
        const dying: Ssh = {
          async run(...call) {
            const reply = await host.ssh.run(...call);
            count += 1;
            if (count === nth) throw new Error('killed');
            return reply;
          },
        };
        const context = { ...targetCall('/nowhere', {}).context, runId: `run-${nth}` };
        const attempt = (ssh?: Ssh) => at({ build }, { context }, ssh).promote(RELEASE);
        isOver = await attempt(dying).then(
          () => true,
          () => false,
        );
        await attempt();
        const { live, unsettled } = await at().status();
        expect([live.version, unsettled], `killed after ${nth}`).toEqual(['v1.0.1', undefined]);
        expect(nth).toBeLessThan(40);
        if (isOver) break;
        // As it was, quicker than by the way back.
        host.git('checkout', '--quiet', '--detach', before.live.id);
        await rm(join(host.top, '.git', 'headgate-release.json'), { force: true });
      }
      await at({ build }).restore(before.live);
      expect(await at().status()).toEqual(before);
    }, 240_000);

    it('what starts again and again by itself is not up, nor what systemd has given up', async () => {
      await host.fault('crash-loop');
      await expect(promote()).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringMatching(
          /did not come up: it was started again \d times by itself.*journalctl/,
        ),
      });
      await host.mend('crash-loop');
      await host.fault('failed');
      await expect(promote()).rejects.toMatchObject({
        message: expect.stringContaining('systemd says booking is failed (failed)'),
      });
      expect((await at().status()).unsettled).toContain('restart');
    });

    it('what does not answer on the host is not up', async () => {
      const health = `http://127.0.0.1:${host.port}/healthz`;
      await expect(promote({ health })).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringMatching(/after 1\.5 s its health is not good: .*(refused|connect)/i),
      });
    });

    it('whoever is not root restarts by sudo, by that one command', async () => {
      await host.fault('not-root');
      await promote();
      expect(await readFile(join(host.state, 'sudo'), 'utf8')).toBe('systemctl restart booking\n');
      await host.fault('no-sudo');
      await expect(at().restart(RELEASE)).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringContaining('NOPASSWD: /usr/bin/systemctl restart booking'),
      });
    });

    it.each(['systemd', 'compose'])('%s starts with the settings of now', async (way) => {
      const target = () => bind(host.ssh, { ...host.config, [way]: 'booking' });
      await target().restart(RELEASE);
      expect((await host.running()).env).toBe('DB_CONNECTION_LIMIT=20\n');
      await writeFile(join(host.directory, '.env'), 'DB_CONNECTION_LIMIT=50\n');
      await target().restart(RELEASE);
      expect((await host.running()).env).toBe('DB_CONNECTION_LIMIT=50\n');
    });

    it.each([
      [{ systemd: 'shop' }, 'no usable unit shop'],
      [{ systemd: 'boo*' }, 'can be no systemd'],
      [{ systemd: '--now' }, 'can be no systemd'],
      [{ directory: 'app' }, 'no absolute path'],
      [{ directory: '/no/such' }, 'no folder that the user who logs in may enter'],
      [{ directory: '/' }, 'no git checkout'],
    ])('%j is said', async (change, why) => {
      await expect(at(change).status()).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringContaining(why),
      });
    });

    it('a record that is not ours to read is said', async () => {
      await writeFile(join(host.top, '.git', 'headgate-release.json'), '{"half');
      await expect(at().status()).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringContaining('headgate-release.json'),
      });
    });

    it('what somebody checked out by hand is told by its tag, else by its commit', async () => {
      await promote();
      host.git('checkout', '--quiet', '--detach', 'v1.0.0');
      expect((await at().status()).live.version).toBe('v1.0.0');
      host.git(
        '-c',
        'user.name=A',
        '-c',
        'user.email=a@b',
        'commit',
        '--quiet',
        '--allow-empty',
        '-m',
        'by hand',
      );
      const commit = host.git('rev-parse', 'HEAD');
      expect(await at().status()).toMatchObject({ live: { id: commit, version: commit.slice(0, 12) } });
    });
  });
});
