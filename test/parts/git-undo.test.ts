/** The way back of `git`, with a real git: what was pushed is reverted, what was not is taken out again. */
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { GitEffect, GitFound, GitInput } from '../../src/contract/activities.js';
import { GitWorld } from '../support/git.js';

const short = (commit = '') => commit.slice(0, 8);
const original = 'one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n';
const ours = original.replace('two', 'TWO');

let world: GitWorld;
let call: GitInput & { base: GitFound };
let effect: GitEffect;

beforeEach(async () => {
  world = await GitWorld.create();
});
afterEach(() => {
  vi.unstubAllEnvs();
  return world.remove();
});

async function pushOurs(): Promise<void> {
  await world.write('src/a', ours);
  call = await world.lookedAt();
  effect = await world.push(call);
}

const remoteFile = (path: string) => `${world.git(['show', `main:${path}`], world.remote)}\n`;

describe('undo of what was pushed', () => {
  beforeEach(pushOurs);

  it('is a commit of its own that says whose it is; the working tree follows, changed files stay', async () => {
    await world.write('other', 'staged\n');
    world.git(['add', 'other']);
    await world.write('other', 'staged, then dirty\n');
    const staged = world.git(['ls-files', '--stage', 'other']);
    const result = await world.undo(call);
    const revert = world.atRemote('main');
    expect(result).toEqual({
      summary: `${short(effect.commit)} is taken back at origin/main by ${short(revert)}, the working tree followed; the published tag v1.0.1 stays`,
      changed: true,
    });
    expect(world.git(['show', '--no-patch', '--format=%B', revert])).toBe(
      [
        'Revert "Release v1.0.1"',
        '',
        `This reverts commit ${effect.commit}.`,
        '',
        'Rollout app/run-1 of version v1.0.1 was taken back, and with it production/git.',
        '',
        'Headgate-Rollout: app/run-1',
        'Headgate-Undo: production/git',
      ].join('\n'),
    );
    expect(remoteFile('src/a')).toBe(original);
    expect(world.git(['rev-parse', 'main^{tree}'])).toBe(
      world.git(['rev-parse', `${call.base.head}^{tree}`]),
    );
    expect([world.git(['rev-parse', 'HEAD']), world.read('src/a')]).toEqual([revert, original]);
    expect(world.git(['ls-files', '--stage', 'other'])).toBe(staged);
    expect(world.read('other')).toBe('staged, then dirty\n');
    expect(world.git(['status', '--porcelain'])).toBe('MM other');
    expect(world.atRemote('v1.0.1^{commit}')).toBe(effect.commit);
  });

  it('done twice reverts once, also when others push in between; a look afterwards is possible', async () => {
    await world.undo(call);
    expect(await world.undo(call)).toMatchObject({ changed: false });
    await world.pushTheirs('theirs', 'x');
    const again = await world.undo(call);
    expect(again.changed).toBe(false);
    expect(again.summary).toMatch(/is taken back at origin\/main by .*, the working tree followed/);
    expect(world.history()).toEqual(['their theirs', 'Revert "Release v1.0.1"', 'Release v1.0.1', 'begin']);
    expect(await world.look()).toMatchObject({ changes: [], effect: 'none' });
  });

  it('stands on top of what others have committed, and keeps it', async () => {
    const theirs = await world.pushTheirs('src/a', ours.replace('nine', 'NINE'));
    const scratch = join(world.folder, 'scratch');
    await mkdir(scratch);
    vi.stubEnv('TMPDIR', scratch);
    await world.undo(call);
    expect(await readdir(scratch)).toEqual([]);
    expect(world.git(['worktree', 'list']).split('\n')).toHaveLength(1);
    expect(world.git(['rev-parse', 'main^'], world.remote)).toBe(theirs);
    expect(remoteFile('src/a')).toBe(original.replace('nine', 'NINE'));
    expect(world.read('src/a')).toBe(original.replace('nine', 'NINE'));
  });

  it('is made again when somebody pushes in the very moment', async () => {
    await world.write('theirs', 'x', world.theirs);
    world.git(['pull', '--quiet', 'origin', 'main'], world.theirs);
    world.git(['add', 'theirs'], world.theirs);
    world.git(['commit', '--quiet', '--message', 'theirs'], world.theirs);
    const once = join(world.folder, 'once');
    const quicker = `[ -e ${once} ] && exit 0; touch ${once}; unset GIT_DIR GIT_PREFIX; git -C ${world.theirs} push --quiet origin main`;
    await world.hook('pre-push', quicker);
    expect(await world.undo(call)).toMatchObject({ changed: true });
    expect(world.history()).toEqual(['Revert "Release v1.0.1"', 'theirs', 'Release v1.0.1', 'begin']);
  });

  it('is a conflict when others changed the same lines, and done when a person has mended it', async () => {
    const theirs = await world.pushTheirs('src/a', ours.replace('TWO', 'two of theirs'));
    const undo = world.undo(call);
    await expect(undo).rejects.toMatchObject({
      type: 'Conflict',
      nonRetryable: true,
      details: [
        {
          item: `commit ${short(effect.commit)} at origin/main`,
          found: `commits of others on top, up to ${short(theirs)}, that change the same lines`,
          command: `git -C ${world.tree} switch main && git -C ${world.tree} pull origin main && git -C ${world.tree} revert --no-edit ${effect.commit} && git -C ${world.tree} push origin main`,
        },
      ],
    });
    expect(world.atRemote('main')).toBe(theirs);
    expect([world.git(['status', '--porcelain']), world.read('src/a')]).toEqual(['', ours]);

    world.git(['pull', '--quiet', 'origin', 'main']);
    expect(() => world.git(['revert', '--no-edit', effect.commit ?? ''])).toThrow();
    await world.write('src/a', original);
    world.git(['add', 'src/a']);
    world.git(['-c', 'core.editor=true', 'revert', '--continue']);
    world.git(['push', '--quiet', 'origin', 'main']);
    expect(await world.undo(call)).toMatchObject({ changed: false });
  });

  it('leaves the working tree where a changed file is in the way, and says so', async () => {
    await world.write('src/a', 'changed by a person\n');
    const { summary, changed } = await world.undo(call);
    expect(changed).toBe(true);
    expect(summary).toContain(`the working tree stands at ${short(effect.commit)}`);
    expect(summary).toContain(`git -C ${world.tree} pull origin main`);
    expect(remoteFile('src/a')).toBe(original);
    expect([world.read('src/a'), world.git(['rev-parse', 'HEAD'])]).toEqual([
      'changed by a person\n',
      effect.commit,
    ]);
  });

  it('works from another checkout, with a branch of its own checked out, and without the template', async () => {
    await rm(join(world.theirs, 'release.md'));
    world.git(['switch', '--quiet', '--create', 'mine'], world.theirs);
    const { summary } = await world.undo({ ...call, ...world.input({}, world.theirs) });
    expect(summary).toMatch(/main is not checked out in .*theirs/);
    expect(world.history()[0]).toBe('Revert "Release v1.0.1"');
  });

  it.each([
    { hook: 'pre-push', at: 'tree' },
    { hook: 'post-receive', at: 'remote' },
    { hook: 'post-merge', at: 'tree' },
  ])('killed in $hook of the $at is done exactly once', async ({ hook, at }) => {
    const once = join(world.folder, 'once');
    const script = `[ -e ${once} ] && exit 0; touch ${once}; kill -KILL 0; sleep 5`;
    await world.hook(hook, script, at === 'tree' ? undefined : world.remote);
    await expect(world.undo(call)).rejects.toThrow(/was ended by SIGKILL/);
    await world.undo(call);
    expect(world.history()).toEqual(['Revert "Release v1.0.1"', 'Release v1.0.1', 'begin']);
    expect([world.git(['rev-parse', 'HEAD']), world.read('src/a')]).toEqual([
      world.atRemote('main'),
      original,
    ]);
  });

  it('tells of a remote that refuses', async () => {
    await world.hook('pre-receive', 'echo "main is frozen" >&2; exit 1', world.remote);
    const undo = world.undo(call);
    await expect(undo).rejects.toMatchObject({
      type: 'Conflict',
      nonRetryable: true,
      details: [
        { found: expect.stringMatching(/the commit that takes it back is refused: .*main is frozen/) },
      ],
    });
  });

  describe('and its tag', () => {
    it('is deleted where that is asked for, here and at the remote, once', async () => {
      expect((await world.undo(call, true)).summary).toMatch(/tag v1\.0\.1 is deleted at origin/);
      expect([world.atRemote('v1.0.1'), world.git(['tag'])]).toEqual(['', '']);
      expect(await world.undo(call, true)).toMatchObject({ changed: false });
    });

    it('stays when somebody else has put another one in its place', async () => {
      world.git(['tag', '--force', '--annotate', '--message', 'theirs', 'v1.0.1'], world.theirs);
      world.git(['push', '--quiet', '--force', 'origin', 'v1.0.1'], world.theirs);
      const tag = world.atRemote('v1.0.1');
      expect((await world.undo(call, true)).summary).toMatch(/tag v1\.0\.1 at origin is not of this step/);
      expect(world.atRemote('v1.0.1')).toBe(tag);
    });

    it('stays when it is moved in the very moment', async () => {
      await world.undo(call);
      world.git(['tag', '--force', '--annotate', '--message', 'theirs', 'v1.0.1'], world.theirs);
      const quicker = `unset GIT_DIR GIT_PREFIX; git -C ${world.theirs} push --quiet --force origin v1.0.1`;
      await world.hook('pre-push', quicker);
      const undo = world.undo(call, true);
      const theirs = world.git(['rev-parse', 'v1.0.1'], world.theirs);
      expect((await undo).summary).toMatch(/was moved by somebody and stays/);
      expect(world.atRemote('v1.0.1')).toBe(theirs);
    });
  });
});

describe('undo of what was not pushed', () => {
  it('takes the commit and the tag out again; the changed files stand as before', async () => {
    await world.write('src/a', ours);
    await world.write('other', 'staged\n');
    world.git(['add', 'other']);
    await world.hook('pre-push', 'exit 1');
    call = await world.lookedAt();
    await expect(world.push(call)).rejects.toThrow(/is refused/);
    expect(world.git(['log', '--format=%s'])).toBe('Release v1.0.1\nbegin');
    expect(await world.undo(call)).toEqual({
      summary: expect.stringMatching(
        /is not at origin\/main and is taken back here.*never pushed and is removed/,
      ),
      changed: true,
    });
    expect([world.git(['rev-parse', 'HEAD']), world.git(['tag'])]).toEqual([call.base.head, '']);
    expect([world.git(['status', '--porcelain']), world.read('src/a')]).toEqual(['M  other\n M src/a', ours]);
    expect(world.history()).toEqual(['begin']);
  });

  it('leaves it where a person has committed on top', async () => {
    await world.write('src/a', ours);
    await world.hook('pre-push', 'exit 1');
    call = await world.lookedAt();
    await expect(world.push(call)).rejects.toThrow(/is refused/);
    world.git(['commit', '--quiet', '--allow-empty', '--message', 'mine']);
    expect((await world.undo(call)).summary).toMatch(/is left in main of .*, below others/);
    expect(world.git(['log', '--format=%s'])).toBe('mine\nRelease v1.0.1\nbegin');
  });

  it('has nothing to do when the step never acted, whatever else is there', async () => {
    await world.write('src/a', ours);
    call = await world.lookedAt();
    await world.pushTheirs('theirs', 'x');
    expect(await world.undo(call, true)).toEqual({
      summary: 'origin/main has nothing of this step; tag v1.0.1 is not at origin',
      changed: false,
    });
    expect(world.history()).toEqual(['their theirs', 'begin']);
    expect(world.read('src/a')).toBe(ours);
  });

  it('does not take another step or another rollout for its own', async () => {
    await world.write('src/a', ours);
    const input = world.input();
    const second = { ...input, step: { ...input.step, id: 'git-2', name: 'production/git-2' } };
    await world.push(await world.lookedAt(second));
    expect(await world.undo({ ...input, base: await world.look(second).then(({ found }) => found) })).toEqual(
      {
        summary: 'origin/main has nothing of this step; tag v1.0.1 at origin is not of this step and stays',
        changed: false,
      },
    );
  });
});
