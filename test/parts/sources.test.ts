/** `source` with a real git against a bare repository on disk: pinned once, checked out on each machine. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { closedAddress } from '../support/http-server.js';
import { waitFor } from '../support/processes.js';
import { never, SourceWorld } from '../support/source.js';

let world: SourceWorld;
beforeEach(async () => {
  world = await SourceWorld.create();
});
afterEach(() => world.remove());

const read = (directory: string, name = 'booking.json') => readFileSync(join(directory, name), 'utf8');

describe('a ref', () => {
  it.each([
    ['a branch', 'main'],
    ['a branch in full', 'refs/heads/main'],
    ['a tag', 'v1'],
    ['an annotated tag', 'v2'],
    ['a tag in full', 'refs/tags/v2'],
  ])('that is %s is pinned to its commit', async (_what, ref) => {
    const { git } = world;
    const commit = git.atRemote('main');
    git.git(['fetch', '--quiet'], git.theirs);
    git.git(['tag', 'v1'], git.theirs);
    git.git(['tag', '--annotate', '--message', 'two', 'v2'], git.theirs);
    git.git(['push', '--quiet', '--tags'], git.theirs);
    expect(await world.pin({ ref })).toEqual({ ...world.source({ ref }), commit });
  });

  it('that is a commit is taken as it is, and looked for when its files are needed', async () => {
    const missing = 'a'.repeat(40);
    const pinned = await world.pin({ ref: missing });
    expect(pinned.commit).toBe(missing);
    await expect(world.sources('client').checkOut(pinned, never)).rejects.toMatchObject({
      key: 'ref',
      mayPass: false,
      message: `${world.git.remote} has no commit ${missing}.`,
      fix: 'Push it, or correct ref.',
    });
  });

  it('that is a branch and a tag names both', async () => {
    world.git.git(['tag', 'main'], world.git.theirs);
    world.git.git(['push', '--quiet', 'origin', 'refs/tags/main'], world.git.theirs);
    await expect(world.pin()).rejects.toMatchObject({
      key: 'ref',
      fix: 'Say which one is meant: refs/heads/main or refs/tags/main.',
    });
    expect((await world.pin({ ref: 'refs/heads/main' })).commit).toBe(world.git.atRemote('refs/heads/main'));
  });

  it('that is not there, and the beginning of a commit, say what to do', async () => {
    await expect(world.pin({ ref: 'gone' })).rejects.toMatchObject({
      key: 'ref',
      mayPass: false,
      message: `${world.git.remote} has no branch and no tag gone.`,
    });
    const short = world.git.atRemote('main').slice(0, 8);
    await expect(world.pin({ ref: short })).rejects.toMatchObject({
      fix: `Write a commit as a whole: git rev-parse ${short}`,
    });
  });
});

describe('a repository', () => {
  it('that is not there is no matter of time, one that does not answer is', async () => {
    const missing = world.pin({ git: join(world.git.folder, 'none.git') });
    await expect(missing).rejects.toMatchObject({ key: 'git', mayPass: false });
    const address = (await closedAddress()).replace('http:', 'https:');
    const silent = world.pin({ git: `${address}/shop.git` });
    await expect(silent).rejects.toMatchObject({ key: 'git', mayPass: true });
  });

  it.each([
    'ext::sh -c touch% /tmp/x',
    '--upload-pack=touch',
    'https://ana:canary-password@host/x',
    'git://host/x',
  ])('%s reaches no git, whoever wrote the plan', async (git) => {
    const refused = world.sources('worker').find({ ...world.source({ git }), commit: 'a'.repeat(40) });
    const error = await refused.catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ name: 'SourceError', key: 'git' });
    expect(String(error)).not.toContain('canary');
  });

  it('is no way out of the cache by a commit that is a path', async () => {
    const refused = world.sources('worker').find({ ...world.source(), commit: '../../../..' });
    await expect(refused).rejects.toMatchObject({ name: 'SourceError', key: 'ref' });
  });
});

describe('a worker that allows some sources', () => {
  const fetchFrom = async (git: string, allowed: string[]) => {
    const pinned = { ...(await world.pin()), git };
    return world.sources('worker', allowed).checkOut(pinned, never);
  };

  it('takes files from these, and from what is below them', async () => {
    const { remote } = world.git;
    const above = remote.slice(0, remote.lastIndexOf('/') + 1);
    for (const allowed of [[remote], ['https://git.example.com/', above]]) {
      expect(read(await fetchFrom(remote, allowed))).toBe('{"guest":"one"}\n');
    }
  });

  it('takes none from others, even such as it has on its disk, and says what to set', async () => {
    const { remote } = world.git;
    await fetchFrom(remote, []);
    const above = remote.slice(0, remote.lastIndexOf('/') + 1);
    const others = [
      [remote, 'https://git.example.com/'],
      [remote, remote.slice(0, -1)],
      [`${above}inside/../${remote.slice(above.length)}`, `${above}inside/`],
      ['https://git.example.com/ops/../evil.git', 'https://git.example.com/ops/'],
      ['https://git.example.com/ops/%2e%2e/evil.git', 'https://git.example.com/ops/'],
      ['https://git.example.com.evil.example/a.git', 'https://git.example.com'],
      ['git@git.example.com:ops/../evil.git', 'git@git.example.com:ops/'],
    ];
    for (const [git = '', allowed = ''] of others) {
      await expect(fetchFrom(git, [allowed])).rejects.toMatchObject({
        key: 'git',
        mayPass: false,
        message: `The worker takes no files from ${git}.`,
        fix: expect.stringContaining('HEADGATE_ALLOWED_SOURCES'),
      });
    }
  });
});

describe('the files', () => {
  it('are those of the commit, wherever the branch has moved since', async () => {
    const pinned = await world.pin();
    await world.git.pushTheirs('plans/booking.json', '{"guest":"two"}\n');
    const moved = await world.pin();
    for (const name of ['client', 'worker']) {
      const sources = world.sources(name);
      expect(read(await sources.checkOut(pinned, never))).toBe('{"guest":"one"}\n');
      expect(read(await sources.checkOut(moved, never))).toBe('{"guest":"two"}\n');
    }
  });

  it('are there without a repository, and as they are in the commit', async () => {
    const { git } = world;
    const hook = join(git.folder, 'hooks', 'post-checkout');
    const ran = join(git.folder, 'ran');
    await mkdir(join(git.folder, 'hooks'));
    await writeFile(hook, `#!/bin/sh\ntouch ${ran}\n`, { mode: 0o755 });
    git.git(['config', '--global', 'core.hooksPath', join(git.folder, 'hooks')]);
    git.git(['config', '--global', 'core.autocrlf', 'true']);
    const directory = await world.sources('worker').checkOut(await world.pin({ directory: '.' }), never);
    expect(await readdir(directory)).toEqual(['.gitignore', 'docs', 'other', 'plans', 'release.md', 'src']);
    expect(read(directory, 'plans/booking.json')).toBe('{"guest":"one"}\n');
    expect(existsSync(ran)).toBe(false);
    // The hook does run where it is not kept away.
    git.git(['checkout', '--quiet', '--detach']);
    expect(existsSync(ran)).toBe(true);
  });

  it('lie in the folder that the plan names, which may not lead out by a link', async () => {
    const { git } = world;
    await symlink('/etc', join(git.theirs, 'out'));
    await git.pushTheirs('plans/more', 'more\n');
    const missing = world.sources('worker').checkOut(await world.pin({ directory: 'none' }), never);
    await expect(missing).rejects.toMatchObject({ key: 'directory', mayPass: false });
    const out = world.sources('worker').checkOut(await world.pin({ directory: 'out' }), never);
    await expect(out).rejects.toMatchObject({ key: 'directory' });
  });

  it('come from a server too that gives only what a ref leads to', async () => {
    const pinned = await world.pin();
    await world.git.pushTheirs('plans/booking.json', '{"guest":"two"}\n');
    // The old protocol asks for permission; the present one does not.
    world.git.git(['config', '--global', 'protocol.version', '0']);
    expect(read(await world.sources('worker').checkOut(pinned, never))).toBe('{"guest":"one"}\n');
  });

  it('of a commit that was thrown away by force say so', async () => {
    const { git } = world;
    const pinned = await world.pin();
    git.git(['reset', '--quiet', '--hard', 'HEAD~1'], git.theirs);
    git.git(['push', '--quiet', '--force', 'origin', 'main'], git.theirs);
    git.git(['gc', '--quiet', '--prune=now'], git.remote);
    const gone = world.sources('worker').checkOut(pinned, never);
    await expect(gone).rejects.toMatchObject({
      key: 'ref',
      mayPass: false,
      fix: expect.stringContaining(
        'main led to it when the rollout was started, and was moved by force since',
      ),
    });
  });

  it('of a repository that was deleted since: who has them goes on, who has not names them', async () => {
    const pinned = await world.pin();
    await world.sources('worker').checkOut(pinned, never);
    await rm(world.git.remote, { recursive: true });
    expect(read((await world.sources('worker').find(pinned)) ?? '')).toBe('{"guest":"one"}\n');
    const { commit } = pinned;
    await expect(world.sources('other').checkOut(pinned, never)).rejects.toMatchObject({
      key: 'git',
      mayPass: false,
      message: expect.stringContaining(
        `The files of ${world.git.remote}@${commit.slice(0, 12)} (main) are not on this machine and cannot be fetched`,
      ),
    });
  });
});

describe('a checkout', () => {
  it('is fetched once for all who begin at the same time', async () => {
    const pinned = await world.pin();
    const hold = await world.holdFetches();
    const sources = world.sources('worker');
    const all = Promise.all(Array.from({ length: 8 }, () => sources.checkOut(pinned, never)));
    await waitFor(() => hold.begun() > 0, 'the fetch to begin');
    await hold.release();
    expect(new Set(await all).size).toBe(1);
    expect(hold.begun()).toBe(1);
  });

  it('is the same for two processes that fetch it at the same time', async () => {
    const pinned = await world.pin();
    const hold = await world.holdFetches();
    const both = [world.sources('worker'), world.sources('worker')];
    const all = Promise.all(both.map((sources) => sources.checkOut(pinned, never)));
    await waitFor(() => hold.begun() === 2, 'both fetches to begin');
    await hold.release();
    const [one, other] = await all;
    expect(one).toBe(other);
    expect(await world.checkouts('worker')).toHaveLength(1);
  });

  it('goes on when who waits for it goes, for whoever comes next', async () => {
    const pinned = await world.pin();
    const hold = await world.holdFetches();
    const sources = world.sources('worker');
    const gone = new AbortController();
    const waiting = sources.checkOut(pinned, gone.signal);
    await waitFor(() => hold.begun() === 1, 'the fetch to begin');
    gone.abort(new Error('cancelled'));
    await expect(waiting).rejects.toThrow('cancelled');
    expect(await sources.find(pinned)).toBeUndefined();
    const next = sources.checkOut(pinned, never);
    await hold.release();
    expect(read(await next)).toBe('{"guest":"one"}\n');
    expect(hold.begun()).toBe(1);
  });

  it('of a worker that was killed in the middle is made by the next one', async () => {
    const pinned = await world.pin();
    const hold = await world.holdFetches();
    const machine = world.startMachine('worker', pinned);
    await waitFor(() => hold.begun() === 1, 'the fetch to begin');
    expect(await world.checkouts('worker')).toEqual([expect.stringMatching(/^\..*\.part$/)]);
    const ended = new Promise((resolve) => machine.once('exit', resolve));
    machine.kill('SIGKILL');
    await ended;
    await hold.release();
    const sources = world.sources('worker');
    expect(await sources.find(pinned)).toBeUndefined();
    expect(read(await sources.checkOut(pinned, never))).toBe('{"guest":"one"}\n');
  });

  it('is kept when it is among the newest twenty, or was used within a day', async () => {
    const root = join(world.home('worker'), 'cache', 'sources');
    const place = (name: string) => join(root, 'another', name);
    const make = async (path: string, hoursAgo: number) => {
      await mkdir(path, { recursive: true });
      const usedAt = new Date(Date.now() - hoursAgo * 3_600_000);
      await utimes(path, usedAt, usedAt);
    };
    for (let index = 0; index < 22; index += 1) await make(place(`recent-${index}`), 2);
    for (let index = 0; index < 3; index += 1) await make(place(`old-${index}`), 100 + index);
    await make(join(root, '.left.part'), 30);
    await make(join(root, '.under-way.part'), 1);
    await world.sources('worker').checkOut(await world.pin(), never);
    const kept = await readdir(join(root, 'another'));
    expect(kept.filter((name) => name.startsWith('recent'))).toHaveLength(22);
    expect(kept.filter((name) => name.startsWith('old'))).toEqual([]);
    expect((await readdir(root)).filter((name) => name.startsWith('.'))).toEqual(['.under-way.part']);
  });

  it('that is old stays while there are no twenty newer ones', async () => {
    const sources = world.sources('worker');
    const first = await world.pin();
    const directory = await sources.checkOut(first, never);
    const longAgo = new Date(Date.now() - 1_000 * 3_600_000);
    await utimes(join(directory, '..'), longAgo, longAgo);
    await world.git.pushTheirs('plans/booking.json', '{"guest":"two"}\n');
    await sources.checkOut(await world.pin(), never);
    expect(read((await sources.find(first)) ?? '')).toBe('{"guest":"one"}\n');
  });
});
