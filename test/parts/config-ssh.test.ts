/** `config` on a host that is logged in to, against a real SSH server. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { runChild } from '../../src/platform/children.js';
import { createSshFiles } from '../../src/tools/dotenv/ssh-files.js';
import {
  type ConfigWorld,
  ODDEST_NAME,
  type OpenStep,
  ORIGINAL,
  OWN,
  openConfigStep,
} from '../support/config-step.js';
import { describeConfig } from '../support/describe-config.js';
import { describeConfigUndo } from '../support/describe-config-undo.js';
import { isAlive, waitFor } from '../support/processes.js';
import { createKey, findFreePort, type Sshd, sshdIsMissing, startSshd } from '../support/sshd.js';

describe.skipIf(sshdIsMissing())('config by SSH, against a real server', () => {
  let sshd: Sshd;
  let scratch: string;
  let world: ConfigWorld;
  /** One connection for many sessions: what a user's own configuration may ask for, and quicker. */
  let shared: ConfigWorld;

  beforeAll(async () => {
    sshd = await startSshd();
    scratch = await mkdtemp(join(tmpdir(), 'headgate-scratch-'));
    world = worldOf({ HEADGATE_SSH_CONFIG: sshd.config });
    shared = worldOf({ HEADGATE_SSH_CONFIG: sshd.configure(sshd.sharing) });
  });
  afterAll(async () => {
    await sshd.stop();
    await rm(scratch, { recursive: true, force: true });
  });

  /** The worker's environment decides how it logs in; `change` is what a plan writes. */
  function worldOf(
    env: NodeJS.ProcessEnv,
    change: { host?: string; user?: string; port?: number } = {},
    run: typeof runChild = runChild,
  ): ConfigWorld {
    return {
      placeOf: (file) => ({ kind: 'ssh', host: sshd.host, file, ...change }),
      openHost: (place, signal) => {
        if (place.kind !== 'ssh') throw new Error('no SSH');
        return createSshFiles({ runChild: run, env, scratch }, place, signal);
      },
      prefix: 'staging-server:',
    };
  }

  describeConfig('by SSH', () => shared, [ODDEST_NAME]);
  describeConfigUndo('by SSH', () => shared);

  describe('sessions', () => {
    let at: OpenStep;
    beforeEach(async () => {
      at = await openConfigStep(world);
    });
    afterEach(() => at.close());

    const lookAs = async (
      env: NodeJS.ProcessEnv,
      change: { host?: string; user?: string; port?: number } = {},
    ) => {
      const step = await openConfigStep(worldOf(env, change));
      try {
        return await step.look();
      } finally {
        await step.close();
      }
    };

    it('leave nothing on the worker, and sweep what a killed worker left', async () => {
      const old = join(scratch, 'sftp-old');
      await mkdir(old, { recursive: true });
      await writeFile(join(old, 'file'), 'canary');
      await utimes(old, 1, 1);
      const young = join(scratch, 'sftp-young');
      await mkdir(young);
      await at.write(await at.lookAt());
      expect(await readdir(scratch)).toEqual(['sftp-young']);
      await rm(young, { recursive: true });
      expect(((await stat(scratch)).mode & 0o777).toString(8)).toBe('700');
    });

    it('show no value in the arguments of a process, and files of the worker are its own alone', async () => {
      const seen: { args: string[]; modes: string[] }[] = [];
      const spying: typeof runChild = async (options) => {
        const folder = join(options.args[options.args.indexOf('-b') + 1] ?? '', '..');
        const modes = (await readdir(folder)).map(async (name) =>
          ((await stat(join(folder, name))).mode & 0o777).toString(8),
        );
        seen.push({ args: options.args, modes: await Promise.all(modes) });
        return runChild(options);
      };
      const spied = await openConfigStep(worldOf({ HEADGATE_SSH_CONFIG: sshd.config }, {}, spying));
      spied.env.DB_PASSWORD = 'canary-resolved';
      const call = await spied.lookAt(spied.inputOf({ DB_PASSWORD: '${env:DB_PASSWORD}' }));
      await spied.write(call);
      expect(await spied.read()).toContain('canary-resolved');
      await spied.close();
      expect(seen.length).toBeGreaterThan(2);
      expect(JSON.stringify(seen)).not.toContain('canary');
      expect(new Set(seen.flatMap(({ modes }) => modes))).toEqual(new Set(['600']));
      for (const { args } of seen) expect(args).toContain('-oStrictHostKeyChecking=yes');
    });

    it('log in by the agent of the worker', async () => {
      const config = sshd.configure(['IdentitiesOnly no'], 'none');
      await expect(lookAs({ HEADGATE_SSH_CONFIG: config })).rejects.toMatchObject({ type: 'Invalid' });
      const agent = await startAgent(sshd);
      try {
        const look = await lookAs({ HEADGATE_SSH_CONFIG: config, SSH_AUTH_SOCK: agent.socket });
        expect(look.changes).toHaveLength(3);
      } finally {
        await agent.stop();
      }
    });

    it('take user and port from the plan before those of the configuration', async () => {
      const config = sshd.configure(['User nobody-of-this-name', 'Port 1']);
      const { port } = sshd;
      const user = execFileSync('id', ['-un'], { encoding: 'utf8' }).trim();
      expect((await lookAs({ HEADGATE_SSH_CONFIG: config }, { port, user })).changes).toHaveLength(3);
      await expect(lookAs({ HEADGATE_SSH_CONFIG: config }, { port })).rejects.toMatchObject({
        type: 'Invalid',
      });
    });

    it('an unknown host key is refused, and the answer says what to do', async () => {
      const config = sshd.configure(['UserKnownHostsFile /dev/null']);
      await expect(lookAs({ HEADGATE_SSH_CONFIG: config })).rejects.toMatchObject({
        type: 'Invalid',
        nonRetryable: true,
        message: expect.stringMatching(/does not know its host key.*known_hosts.*ssh-keyscan staging-server/),
      });
    });

    it('a changed host key is refused, and the answer says what to do', async () => {
      createKey(join(sshd.folder, 'other'));
      const [type, key] = (await readFile(join(sshd.folder, 'other.pub'), 'utf8')).split(' ');
      const known = join(sshd.folder, 'known_hosts-other');
      await writeFile(known, `[127.0.0.1]:${sshd.port} ${type} ${key}\n`);
      const config = sshd.configure([`UserKnownHostsFile ${known}`]);
      await expect(lookAs({ HEADGATE_SSH_CONFIG: config })).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringMatching(/is not the one that the worker knows.*ssh-keygen -R staging-server/),
      });
    });

    it('a key that is not accepted there is refused, without a question to anybody', async () => {
      createKey(join(sshd.folder, 'stranger'));
      const config = sshd.configure([], join(sshd.folder, 'stranger'));
      await expect(lookAs({ HEADGATE_SSH_CONFIG: config })).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringMatching(/refuses the login.*authorized_keys/),
      });
    });

    it('a configuration that cannot be read is refused', async () => {
      await expect(lookAs({ HEADGATE_SSH_CONFIG: '/nowhere/config' })).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringContaining('HEADGATE_SSH_CONFIG'),
      });
    });

    it('a host that does not listen may be tried again', async () => {
      const port = await findFreePort();
      const look = lookAs({ HEADGATE_SSH_CONFIG: sshd.config }, { port });
      await expect(look).rejects.toThrow(/cannot be reached by SFTP.*Connection refused/);
      await expect(look).rejects.not.toMatchObject({ nonRetryable: true });
    });

    it('a host without SFTP is refused', async () => {
      const bare = await startSshd({ subsystem: '' });
      try {
        await expect(lookAs({ HEADGATE_SSH_CONFIG: bare.config })).rejects.toMatchObject({
          type: 'Invalid',
          message: expect.stringContaining('offers no SFTP'),
        });
      } finally {
        await bare.stop();
      }
    });

    it('a server that cannot replace a file at once is refused, and the file stays', async () => {
      const old = await startSshd({ subsystem: 'internal-sftp -P posix-rename' });
      try {
        const other = worldOf({ HEADGATE_SSH_CONFIG: old.config });
        at.wrapHost(() => other.openHost(other.placeOf(at.path), new AbortController().signal));
        const call = await at.lookAt();
        await expect(at.write(call)).rejects.toMatchObject({
          type: 'Invalid',
          message: expect.stringContaining('posix-rename@openssh.com'),
        });
        expect(await at.read()).toBe(ORIGINAL);
        expect(await at.undo(call)).toMatchObject({ changed: false });
        expect(await at.beside()).toEqual([]);
      } finally {
        await old.stop();
      }
    });

    it('a worker without sftp is told what to install', async () => {
      const without: typeof runChild = (options) => runChild({ ...options, file: 'sftp-that-is-not-there' });
      const step = await openConfigStep(worldOf({ HEADGATE_SSH_CONFIG: sshd.config }, {}, without));
      await expect(step.look()).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringContaining("Install OpenSSH's client"),
      });
      await step.close();
    });

    it.each([
      [{ host: '-oProxyCommand=touch /tmp/pwned' }],
      [{ host: 'staging-server:/etc' }],
      [{ host: 'root@staging-server' }],
      [{ user: '-oProxyCommand=x' }],
      [{ user: 'a b' }],
    ])('%j is neither host nor user, and starts nothing', async (change) => {
      const before = sshd.logins();
      await expect(lookAs({ HEADGATE_SSH_CONFIG: sshd.config }, change)).rejects.toMatchObject({
        type: 'Invalid',
      });
      expect(sshd.logins()).toBe(before);
    });

    it.each([
      ['.env', 'no absolute path'],
      ['/app/line\nrm x', 'line break'],
      [`/app/${'long/'.repeat(400)}.env`, 'longer than'],
    ])('a path such as %j is refused', async (file, why) => {
      await expect(at.look(at.inputOf(undefined, { file }))).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringContaining(why),
      });
    });

    it('an aborted activity ends its session at once', async () => {
      const controller = new AbortController();
      let pid = 0;
      const aborting: typeof runChild = (options) =>
        runChild({
          ...options,
          onStart: (started) => {
            pid = started;
            controller.abort(new Error('aborted'));
          },
        });
      const host = worldOf({ HEADGATE_SSH_CONFIG: sshd.config }, {}, aborting).openHost(
        world.placeOf(at.path),
        controller.signal,
      );
      await expect(host.read(at.path)).rejects.toThrow('aborted');
      expect(pid).toBeGreaterThan(0);
      expect(isAlive(pid)).toBe(false);
      expect(await readdir(scratch)).toEqual([]);
    });

    it('a connection lost in the middle of act may be tried again, and leaves the file whole', async () => {
      const call = await at.lookAt();
      let sessions = 0;
      // The fourth one reads the file again, after what shall replace it was uploaded.
      const failing: typeof runChild = (options) => {
        sessions += 1;
        return runChild(sessions === 4 ? { ...options, args: ['-P', '1', ...options.args] } : options);
      };
      const flaky = worldOf({ HEADGATE_SSH_CONFIG: sshd.config }, {}, failing);
      const { signal } = new AbortController();
      at.wrapHost(() => flaky.openHost(flaky.placeOf(at.path), signal));
      const act = at.write(call);
      await expect(act).rejects.toThrow(/cannot be reached by SFTP/);
      await expect(act).rejects.not.toMatchObject({ nonRetryable: true });
      expect(await at.read()).toBe(ORIGINAL);
      expect(await at.beside()).toEqual(OWN);
      at.unwrapHost();
      expect((await at.write(call)).changedKeys).toHaveLength(3);
      expect(await at.verify(call)).toMatchObject({ outcome: 'pass' });
    });
  });

  /** Only root can set the scene: files of other users. */
  describe.skipIf(process.getuid?.() !== 0)('as a user who is not root', () => {
    let at: OpenStep;
    const nobody = 65534;
    beforeEach(async () => {
      at = await openConfigStep(world);
    });
    afterEach(() => at.close());

    const becomeNobody = () => {
      const other = worldOf({ HEADGATE_SSH_CONFIG: sshd.config }, { user: 'nobody' });
      at.wrapHost(() => other.openHost(other.placeOf(at.path), new AbortController().signal));
    };

    it('a file that may not be read is refused', async () => {
      await chmod(at.folder, 0o755);
      becomeNobody();
      await expect(at.look()).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringMatching(/\.env cannot be read: the user who logs in may not/),
      });
    });

    it('a folder that may not be written is refused before anything is changed', async () => {
      await chmod(at.folder, 0o755);
      await chmod(at.path, 0o644);
      becomeNobody();
      const call = await at.lookAt();
      await expect(at.write(call)).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringMatching(/\.bak cannot be written: the user who logs in may not/),
      });
      expect(await at.read()).toBe(ORIGINAL);
      expect(await at.undo(call)).toMatchObject({ changed: false });
    });

    it('a file of another user that not everybody may read is refused, and stays', async () => {
      await chmod(at.folder, 0o777);
      await chown(at.path, 1, nobody);
      becomeNobody();
      const call = await at.lookAt();
      await expect(at.write(call)).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringContaining('could not be kept'),
      });
      expect(await at.read()).toBe(ORIGINAL);
      expect((await stat(at.path)).uid).toBe(1);
    });

    it('a file that everybody may read changes its owner, and keeps its mode', async () => {
      await chmod(at.folder, 0o777);
      await chmod(at.path, 0o644);
      await chown(at.path, 1, nobody);
      becomeNobody();
      const call = await at.lookAt();
      await at.write(call);
      expect(await stat(at.path)).toMatchObject({ uid: nobody, gid: nobody });
      expect(await at.modeOf()).toBe('644');
      expect(await at.verify(call)).toMatchObject({ outcome: 'pass' });
    });

    it('an owner that the host shows as a number is kept as well', async () => {
      await chown(at.path, 54_321, 54_322);
      await at.write(await at.lookAt());
      expect(await stat(at.path)).toMatchObject({ uid: 54_321, gid: 54_322 });
    });
  });
});

/** A real agent that holds the client's key. */
async function startAgent(sshd: Sshd): Promise<{ socket: string; stop(): Promise<void> }> {
  const socket = join(sshd.folder, 'agent');
  const agent: ChildProcess = spawn('ssh-agent', ['-D', '-a', socket], { stdio: 'ignore' });
  await waitFor(() => existsSync(socket), 'the agent');
  execFileSync('ssh-add', ['-q', sshd.key], { env: { ...process.env, SSH_AUTH_SOCK: socket } });
  return {
    socket,
    async stop() {
      const ended = new Promise((resolve) => agent.once('exit', resolve));
      agent.kill('SIGTERM');
      await ended;
    },
  };
}
