/** One command on a host, against a real SSH server. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runChild } from '../../src/platform/children.js';
import { createSsh } from '../../src/tools/ssh/index.js';
import { isAlive, waitFor } from '../support/processes.js';
import { createKey, findFreePort, type Sshd, sshdIsMissing, startSshd } from '../support/sshd.js';

describe.skipIf(sshdIsMissing())('a command on a host, by a real SSH server', () => {
  let sshd: Sshd;
  beforeAll(async () => {
    sshd = await startSshd();
  });
  afterAll(() => sshd.stop());

  const options = () => ({ signal: new AbortController().signal, timeoutMs: 20_000 });
  const sshBy = (config = sshd.config, start: typeof runChild = runChild) =>
    createSsh({ runChild: start, env: { HEADGATE_SSH_CONFIG: config } });
  const run = (argv: string[], config?: string) => sshBy(config).run({ host: sshd.host }, argv, options());

  it('gets its arguments as they are, whatever a shell would make of them', async () => {
    const words = [
      "it's",
      '$(touch x)',
      '`id`',
      'a b',
      'two\nlines',
      '',
      '*',
      '~',
      '"',
      '\\',
      '!!',
      '-n',
      '#',
      'ä',
    ];
    const { stdout, exitCode } = await run(['printf', '<%s>\n', ...words]);
    expect([exitCode, stdout]).toEqual([0, words.map((word) => `<${word}>\n`).join('')]);
  });

  it.each([0, 1, 127, 130, 255])('its own exit code %i is no exit code of ssh', async (code) => {
    const { exitCode, stdout, stderr } = await run(['sh', '-c', `echo out; printf err >&2; exit ${code}`]);
    expect({ exitCode, stdout, stderr }).toEqual({ exitCode: code, stdout: 'out\n', stderr: 'err' });
  });

  it('runs in its directory, reads nothing, and tells its lines as they come', async () => {
    const lines: string[] = [];
    const reply = await sshBy().run({ host: sshd.host }, ['sh', '-c', 'pwd; cat; echo end >&2'], {
      ...options(),
      directory: sshd.folder,
      onLine: (line, stream) => void lines.push(`${stream} ${line}`),
    });
    expect(reply).toEqual({ exitCode: 0, stdout: `${sshd.folder}\n`, stderr: 'end\n' });
    expect(lines.filter((line) => !line.endsWith(' '))).toEqual([`stdout ${sshd.folder}`, 'stderr end']);
  });

  it('a directory that is not there is said, and nothing is run', async () => {
    const call = sshBy().run({ host: sshd.host }, ['touch', join(sshd.folder, 'ran')], {
      ...options(),
      directory: '/no/such folder',
    });
    await expect(call).rejects.toMatchObject({
      type: 'Invalid',
      message: expect.stringContaining('/no/such'),
    });
    await expect(readFile(join(sshd.folder, 'ran'))).rejects.toThrow('ENOENT');
  });

  const startLong = async (start: (pids: string) => Promise<unknown>) => {
    const pids = join(sshd.folder, `pids-${Math.random()}`);
    const running = start(pids);
    running.catch(() => undefined);
    const read = async () => (await readFile(pids, 'utf8').catch(() => '')).trim().split('\n').map(Number);
    await waitFor(async () => (await read()).length === 2, 'both processes');
    return { running, pids: await read() };
  };
  const LONG = 'sleep 600 & echo "$!" >"$1"; echo "$$" >>"$1"; wait';

  it('an abort ends it there, with what it has started', async () => {
    const abort = new AbortController();
    const { running, pids } = await startLong((file) =>
      sshBy().run({ host: sshd.host }, ['sh', '-c', LONG, 'sh', file], {
        ...options(),
        signal: abort.signal,
      }),
    );
    expect(pids.map(isAlive)).toEqual([true, true]);
    const startedAt = Date.now();
    abort.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
    expect(Date.now() - startedAt).toBeLessThan(2_000);
    await waitFor(() => !pids.some(isAlive), 'their end');
  });

  it('a worker that is killed ends it there', async () => {
    let guardian = 0;
    const spying: typeof runChild = (child) => runChild({ ...child, onStart: (pid) => (guardian = pid) });
    const { running, pids } = await startLong((file) =>
      sshBy(sshd.config, spying).run({ host: sshd.host }, ['sh', '-c', LONG, 'sh', file], options()),
    );
    process.kill(guardian, 'SIGKILL');
    await expect(running).rejects.toThrow(/cannot be reached by SSH/);
    await waitFor(() => !pids.some(isAlive), 'their end');
  });

  it('what must not stop half way comes to its end when nobody waits any more', async () => {
    const file = join(sshd.folder, 'whole');
    const abort = new AbortController();
    const script =
      'echo begun >"$1"; while [ ! -e "$1.go" ]; do sleep 0.1; done; echo done; echo ended >>"$1"';
    const running = sshBy().run({ host: sshd.host }, ['sh', '-c', script, 'sh', file], {
      ...options(),
      signal: abort.signal,
      unbroken: true,
    });
    running.catch(() => undefined);
    const read = () => readFile(file, 'utf8').catch(() => '');
    await waitFor(async () => (await read()) === 'begun\n', 'its beginning');
    abort.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
    await run(['touch', `${file}.go`]);
    await waitFor(async () => (await read()) === 'begun\nended\n', 'its end');
  });

  it('one that takes too long is ended, and it may be tried again', async () => {
    const call = sshBy().run({ host: sshd.host }, ['sleep', '600'], { ...options(), timeoutMs: 1_500 });
    await expect(call).rejects.toThrow('sleep was not done after 1.5 s');
    await expect(call).rejects.not.toMatchObject({ nonRetryable: true });
  });

  it('what an alias of the configuration asks for does not get in its way', async () => {
    const config = sshd.configure([
      'RemoteCommand echo theirs',
      'RequestTTY force',
      'LocalForward 1 localhost:1',
    ]);
    expect(await run(['echo', 'ours'], config)).toEqual({ exitCode: 0, stdout: 'ours\n', stderr: '' });
  });

  it.each(['no', 'accept-new'])(
    'a key that is not known is refused, StrictHostKeyChecking %s notwithstanding',
    async (word) => {
      const config = sshd.configure(['UserKnownHostsFile /dev/null', `StrictHostKeyChecking ${word}`]);
      await expect(run(['true'], config)).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringMatching(/does not know its host key.*ssh-keyscan staging-server/),
      });
    },
  );

  it('a key that is not accepted there is refused, without a question to anybody', async () => {
    createKey(join(sshd.folder, 'stranger'));
    await expect(run(['true'], sshd.configure([], join(sshd.folder, 'stranger')))).rejects.toMatchObject({
      type: 'Invalid',
      message: expect.stringMatching(/refuses the login.*authorized_keys/),
    });
  });

  it('a host that does not listen may be tried again', async () => {
    const call = sshBy().run({ host: sshd.host, port: await findFreePort() }, ['true'], options());
    await expect(call).rejects.toThrow(/cannot be reached by SSH.*Connection refused/);
    await expect(call).rejects.not.toMatchObject({ nonRetryable: true });
  });

  it.each(['-oProxyCommand=touch /tmp/pwned', 'a b', 'root@staging-server'])(
    '%s is no host',
    async (host) => {
      await expect(sshBy().run({ host }, ['true'], options())).rejects.toMatchObject({ type: 'Invalid' });
    },
  );
});
