/** `git` with a real git against a bare repository on disk: what is found, committed, tagged and pushed. */
import { existsSync, readFileSync } from 'node:fs';
import { chmod, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { GitWorld } from '../support/git.js';
import { isAlive, waitFor } from '../support/processes.js';

let world: GitWorld;
beforeEach(async () => {
  world = await GitWorld.create();
});
afterEach(() => world.remove());

const objects = () => world.git(['count-objects']);
const short = (commit: string) => commit.slice(0, 8);

describe('look', () => {
  it('names what would be committed, tagged and pushed, and how it is taken back', async () => {
    await world.write('src/a', 'new\n');
    await world.write('src/added', 'new\n');
    await rm(join(world.tree, 'docs/b'));
    const head = world.git(['rev-parse', 'HEAD']);
    const look = await world.look();
    expect(look).toMatchObject({
      found: { branch: 'main', head, remoteHead: head, tagged: null },
      changes: ['commit src, docs/b: 3 files changed', 'tag v1.0.1 at that commit', 'push to origin/main'],
      warnings: [],
      effect: 'detectable',
      undo: 'revert commit, pushed to origin/main; a published tag stays',
    });
  });

  it('of a tag alone puts it at HEAD, and says that it stays', async () => {
    const input = world.input({ paths: [] });
    const head = world.git(['rev-parse', 'HEAD']);
    const look = await world.look(input);
    expect(look.changes).toEqual([`tag v1.0.1 at ${short(head)}`, 'push v1.0.1 to origin']);
    expect(look.undo).toBe('tag v1.0.1 deleted at origin, if it is still ours');
    const kept = await world.look({ ...input, step: { ...input.step, onRollback: 'keep' } });
    expect(kept.undo).toBeUndefined();
  });

  it('writes nothing: no object, no ref, not the index', async () => {
    await world.pushTheirs('theirs', 'x');
    world.git(['pull', '--quiet', 'origin', 'main']);
    await world.write('src/a', 'new\n');
    const index = world.read('.git/index');
    const before = [objects(), world.git(['for-each-ref'])];
    const call = await world.lookedAt();
    expect([objects(), world.git(['for-each-ref'])]).toEqual(before);
    expect(world.read('.git/index')).toBe(index);
    await world.push(call);
    expect(objects()).not.toBe(before[0]);
  });

  it('warns of paths without a change, of other changes, and of commits that go along', async () => {
    await world.write('src/a', 'new\n');
    await world.write('other', 'staged\n');
    world.git(['add', 'other']);
    await world.write('release.md', 'Release\n');
    world.git(['commit', '--quiet', '--allow-empty', '--message', 'mine', '--only']);
    const { warnings } = await world.look(world.input({ paths: ['src', 'docs/b', 'nowhere'] }));
    expect(warnings).toEqual([
      'docs/b: nothing to commit',
      'nowhere does not exist: nothing to commit',
      `changed in ${world.tree} and not part of this step, left as it is: other, release.md`,
      '1 more commits of main are not at origin yet and are pushed along',
    ]);
  });

  it('has another digest when a named file, the template or HEAD is another, and no other', async () => {
    await world.write('src/a', 'new\n');
    const { digest } = await world.look();
    await world.write('other', 'dirty\n');
    expect((await world.look()).digest).toBe(digest);
    await world.write('src/a', 'newer\n');
    const changed = await world.look();
    expect(changed.digest).not.toBe(digest);
    await world.write('release.md', 'Other text\n');
    expect((await world.look()).digest).not.toBe(changed.digest);
  });

  it('has nothing to do when nothing changed and the tag is there', async () => {
    world.git(['tag', '--annotate', '--message', 'x', 'v1.0.1']);
    world.git(['push', '--quiet', 'origin', 'v1.0.1']);
    const look = await world.look();
    expect(look).toMatchObject({ changes: [], effect: 'none' });
    expect(look.found.tagged).toBe(look.found.head);
    const call = { ...world.input(), base: look.found };
    expect(await world.push(call)).toEqual({ commit: undefined, tag: 'v1.0.1', head: look.found.head });
  });

  it('works in a folder below the top of the working tree', async () => {
    await world.write('src/a', 'new\n');
    await world.write('docs/b', 'new\n');
    const look = await world.look(world.input({ directory: 'src', paths: ['a'] }));
    expect(look.changes[0]).toBe('commit a: 1 file changed');
    expect(look.warnings).toEqual([expect.stringContaining('docs/b')]);
  });

  describe('refuses', () => {
    const refusal = async (pattern: RegExp, input = world.input()) => {
      const look = world.look(input);
      await expect(look).rejects.toMatchObject({ type: 'Refused', nonRetryable: true });
      await expect(look).rejects.toThrow(pattern);
    };

    it('when the remote has what we do not have', async () => {
      const theirs = await world.pushTheirs('theirs', 'x');
      await refusal(new RegExp(`origin/main is at ${short(theirs)}.*Pull first: git -C .* pull origin main`));
      world.git(['pull', '--quiet', 'origin', 'main']);
      expect((await world.look()).found.remoteHead).toBe(theirs);
    });

    it('when the tag is at another commit, at the remote or here', async () => {
      world.git(['tag', '--annotate', '--message', 'x', 'v1.0.1']);
      await refusal(/Tag v1\.0\.1 is in .* already.*tag -d v1\.0\.1/);
      world.git(['push', '--quiet', 'origin', 'v1.0.1']);
      await world.write('src/a', 'new\n');
      const head = world.git(['rev-parse', 'HEAD']);
      await refusal(
        new RegExp(`Tag v1\\.0\\.1 is at ${short(head)} at origin already, not at the commit that`),
      );
    });

    it('a detached HEAD, and a merge under way', async () => {
      await world.pushTheirs('src/a', 'theirs\n');
      await world.write('src/a', 'mine\n');
      world.git(['commit', '--quiet', '--all', '--message', 'mine']);
      world.git(['fetch', '--quiet', 'origin']);
      expect(() => world.git(['merge', 'origin/main'])).toThrow();
      await refusal(/A merge is under way.*merge --abort/);
      world.git(['merge', '--abort']);
      world.git(['checkout', '--quiet', '--detach']);
      await refusal(/on no branch \(detached HEAD\).*switch BRANCH/);
    });
  });

  describe('is an error of the plan or the worker', () => {
    const fault = async (pattern: RegExp, input = world.input()) => {
      const look = world.look(input);
      await expect(look).rejects.toMatchObject({ type: 'Invalid', nonRetryable: true });
      await expect(look).rejects.toThrow(pattern);
    };

    it('without a repository, a template or a remote', async () => {
      await fault(/is no working tree that git works in: fatal: not a git repository/, {
        ...world.input(),
        context: { ...world.input().context, directory: world.folder },
        step: { ...world.input().step, config: { ...world.input().step.config, directory: '.' } },
      });
      await fault(
        /production\/git: docs\/none\.md does not exist/,
        world.input({ messageFile: 'docs/none.md' }),
      );
      await fault(/the remote cannot be reached.*nowhere/, world.input({ remote: 'nowhere' }));
    });

    it('with a placeholder that nobody knows', async () => {
      await world.write('release.md', 'Release ${version}');
      await fault(/release\.md: \$\{version\} is unknown/);
    });

    it('with a path that leads out or is ignored', async () => {
      await world.write('ignored', 'x');
      await fault(/\.\.\/theirs leads out/, world.input({ paths: ['../theirs'] }));
      await fault(/cannot be committed:.*ignored/, world.input({ paths: ['ignored'] }));
    });

    it.each([
      { remote: '--upload-pack=touch pwned' },
      { tag: '-d' },
      { tag: 'a b' },
      { remote: 'ext::sh -c touch% pwned' },
    ])('with %o, which is no option and no command either', async (config) => {
      await fault(/cannot name a (remote|tag)|not allowed/, world.input(config));
      expect(existsSync(join(world.tree, 'pwned'))).toBe(false);
    });
  });

  it('shows no credentials of an address', async () => {
    const remote = 'https://ana:canary-password@127.0.0.1:1/app.git';
    const look = world.look(world.input({ remote }));
    await expect(look).rejects.toThrow(/127\.0\.0\.1/);
    await expect(look).rejects.not.toThrow(/canary/);
  });
});

describe('act', () => {
  it('commits the named paths, tags with what was measured, pushes both; all else stays byte for byte', async () => {
    await world.write('src/a', 'new\n');
    await world.write('src/added', 'new\n');
    await chmod(join(world.tree, 'src/b'), 0o755);
    await rm(join(world.tree, 'docs/b'));
    await world.write('other', 'staged\n');
    world.git(['add', 'other']);
    await world.write('other', 'staged, then dirty\n');
    await world.write('untracked', 'mine\n');
    const staged = world.git(['ls-files', '--stage', 'other', 'release.md', '.gitignore']);
    const call = await world.lookedAt();
    const effect = await world.push(call);

    const commit = world.atRemote('main');
    expect(effect).toEqual({ commit, tag: 'v1.0.1', head: commit });
    const files = world.git(['show', '--format=', '--name-status', commit]).split('\n');
    expect(files).toEqual(['D\tdocs/b', 'M\tsrc/a', 'A\tsrc/added', 'M\tsrc/b']);
    expect(world.git(['rev-parse', 'HEAD', 'HEAD^'])).toBe(`${commit}\n${call.base.head}`);
    expect(world.git(['ls-files', '--stage', 'other', 'release.md', '.gitignore'])).toBe(staged);
    expect(world.git(['status', '--porcelain'])).toBe('MM other\n?? untracked');
    expect(world.read('other')).toBe('staged, then dirty\n');

    const message = [
      'Release v1.0.1',
      '',
      '# Measured',
      '- staging/loadTest: 4385 requests',
      '  - p(95) = 116, expected below 400',
      '',
      'Headgate-Rollout: app/run-1',
      'Headgate-Step: production/git',
    ].join('\n');
    expect(world.git(['show', '--no-patch', '--format=%an <%ae>%n%B', commit])).toBe(
      `Ana <ana@example.com>\n${message}`,
    );
    expect(world.git(['log', '-1', '--format=%(trailers:key=Headgate-Step,valueonly)', commit])).toBe(
      'production/git',
    );
    expect(world.git(['cat-file', 'tag', 'v1.0.1'], world.remote)).toContain(`\n\n${message}`);
    expect(world.atRemote('v1.0.1^{commit}')).toBe(commit);
    expect(await world.verify(call, effect)).toMatchObject({
      probe: 'git',
      outcome: 'pass',
      message: `origin/main has ${short(commit)}; tag v1.0.1 is at ${short(commit)} at origin`,
    });
  });

  it('done twice commits, tags and pushes once; a look afterwards finds nothing to do', async () => {
    await world.write('src/a', 'new\n');
    const call = await world.lookedAt();
    const effect = await world.push(call);
    const tag = world.atRemote('v1.0.1');
    expect(await world.push(call)).toEqual(effect);
    expect(world.history()).toEqual(['Release v1.0.1', 'begin']);
    expect(world.atRemote('v1.0.1')).toBe(tag);
    expect(await world.look()).toMatchObject({ changes: [], effect: 'none' });
    await world.pushTheirs('theirs', 'x');
    expect(await world.push(call)).toEqual(effect);
    expect(await world.verify(call, effect)).toMatchObject({ outcome: 'pass' });
  });

  it('of a tag alone pushes no branch', async () => {
    world.git(['commit', '--quiet', '--allow-empty', '--message', 'mine']);
    const call = await world.lookedAt(world.input({ paths: [] }));
    const effect = await world.push(call);
    expect(effect).toEqual({ commit: undefined, tag: 'v1.0.1', head: call.base.head });
    expect(world.history()).toEqual(['begin']);
    expect(world.atRemote('v1.0.1^{commit}')).toBe(call.base.head);
    expect(await world.verify(call, effect)).toMatchObject({ outcome: 'pass' });
  });

  it('takes paths as they are written: no pattern, no option', async () => {
    await world.write('src/a', 'new\n');
    await world.write('--force', 'x\n');
    await world.write(':(exclude)src', 'x\n');
    await world.write('src/*', 'star\n');
    const paths = ['--force', ':(exclude)src', 'src/*'];
    const { commit = '' } = await world.push(await world.lookedAt(world.input({ paths, tag: undefined })));
    expect(world.git(['show', '--format=', '--name-only', commit]).split('\n')).toEqual([
      '--force',
      ':(exclude)src',
      'src/*',
    ]);
  });

  it('commits as Headgate where nobody says who commits', async () => {
    await world.write('gitconfig', '', world.folder);
    await world.write('src/a', 'new\n');
    const { commit = '' } = await world.push(await world.lookedAt());
    expect(world.git(['show', '--no-patch', '--format=%an <%ae>, %cn <%ce>', commit])).toBe(
      'Headgate <headgate@localhost>, Headgate <headgate@localhost>',
    );
    expect(world.git(['cat-file', 'tag', 'v1.0.1'])).toContain('tagger Headgate <headgate@localhost>');
  });

  it('takes configuration from the environment of the worker, too', async () => {
    const names = ['user.name', 'Ben', 'user.email', 'ben@example.com'];
    Object.assign(world.env, { GIT_CONFIG_COUNT: '2' });
    for (const index of [0, 1]) {
      world.env[`GIT_CONFIG_KEY_${index}`] = names[2 * index];
      world.env[`GIT_CONFIG_VALUE_${index}`] = names[2 * index + 1];
    }
    await world.write('src/a', 'new\n');
    const { commit = '' } = await world.push(await world.lookedAt());
    expect(world.git(['show', '--no-patch', '--format=%an <%ae>', commit])).toBe('Ben <ben@example.com>');
  });

  it('is gone within 2 s when it is cancelled in a hook, and is taken back', async () => {
    const pid = join(world.folder, 'pid');
    await world.hook('pre-push', `echo $$ > ${pid}; sleep 60`);
    await world.write('src/a', 'new\n');
    const call = await world.lookedAt();
    const environment = new MockActivityEnvironment(undefined, { logger: new DefaultLogger('ERROR') });
    const pushing = environment.run(() => world.activities().pushGit({ ...call, results: [] }));
    await waitFor(() => existsSync(pid) && readFileSync(pid, 'utf8') !== '', 'the hook to run');
    const startedAt = performance.now();
    environment.cancel();
    await expect(pushing).rejects.toThrow(CancelledFailure);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(isAlive(Number(readFileSync(pid, 'utf8')))).toBe(false);
    await rm(join(world.tree, '.git/hooks/pre-push'));
    expect(await world.undo(call)).toMatchObject({ changed: true });
    expect([world.git(['status', '--porcelain']), world.git(['tag'])]).toEqual(['M src/a', '']);
    expect(world.git(['rev-parse', 'HEAD'])).toBe(call.base.head);
  });

  describe('and hooks', () => {
    it('run, and see what the worker passes on and nothing else of it', async () => {
      world.env.SSH_AUTH_SOCK = '/run/agent';
      await world.hook('pre-commit', 'env > "$HOME/hook.env"');
      await world.hook('pre-push', 'cat > "$HOME/pushed"');
      await world.write('src/a', 'new\n');
      await world.push(await world.lookedAt());
      const seen = world.read('hook.env', world.folder);
      expect(seen).toContain('SSH_AUTH_SOCK=/run/agent');
      expect(seen).not.toContain('canary');
      expect(world.read('pushed', world.folder)).toContain('refs/heads/main');
    });

    it('that refuse the commit end the step with what they say; nothing is committed', async () => {
      await world.hook('commit-msg', 'echo "the title needs a ticket" >&2; exit 1');
      await world.write('src/a', 'new\n');
      const push = world.push(await world.lookedAt());
      await expect(push).rejects.toMatchObject({ type: 'Invalid', nonRetryable: true });
      await expect(push).rejects.toThrow(/refuses the commit: the title needs a ticket/);
      expect(world.git(['log', '--format=%s'])).toBe('begin');
    });

    it('that change what is committed end it too, and the commit is taken out again', async () => {
      await world.hook('pre-commit', 'echo formatted > src/a; git add src/a');
      await world.write('src/a', 'new\n');
      const call = await world.lookedAt();
      const push = world.push(call);
      await expect(push).rejects.toMatchObject({ type: 'Invalid' });
      await expect(push).rejects.toThrow(/A hook of .* changed what is committed.*taken back here/);
      expect(world.git(['rev-parse', 'main'])).toBe(call.base.head);
      expect(world.atRemote('main')).toBe(call.base.head);
    });

    it('of the remote that refuse are told of, and nothing is there', async () => {
      await world.hook('pre-receive', 'echo "main is protected" >&2; exit 1', world.remote);
      await world.write('src/a', 'new\n');
      const call = await world.lookedAt();
      const push = world.push(call);
      await expect(push).rejects.toMatchObject({ type: 'Invalid' });
      await expect(push).rejects.toThrow(/pre-receive hook declined.*main is protected/);
      expect([world.atRemote('main'), world.atRemote('v1.0.1')]).toEqual([call.base.head, '']);
    });
  });

  describe('fails as drift', () => {
    const drift = async (call: Parameters<GitWorld['push']>[0], pattern: RegExp) => {
      const push = world.push(call);
      await expect(push).rejects.toMatchObject({ type: 'Drift', nonRetryable: true });
      await expect(push).rejects.toThrow(pattern);
    };

    it('when somebody pushed since the look', async () => {
      await world.write('src/a', 'new\n');
      const call = await world.lookedAt();
      const theirs = await world.pushTheirs('theirs', 'x');
      await drift(call, new RegExp(`origin/main moved on: it is at ${short(theirs)}.*expected`));
      expect(world.history()).toEqual(['their theirs', 'begin']);
    });

    it('when somebody pushes in the very moment: neither commit nor tag arrives, and the tree is as before', async () => {
      await world.write('src/a', 'new\n');
      const call = await world.lookedAt();
      await world.write('theirs', 'x', world.theirs);
      world.git(['add', '.'], world.theirs);
      world.git(['commit', '--quiet', '--message', 'theirs'], world.theirs);
      const quicker = `unset GIT_DIR GIT_INDEX_FILE GIT_PREFIX; git -C ${world.theirs} push --quiet origin main`;
      await world.hook('pre-push', quicker);
      await drift(call, /rejects the push: .*cannot lock ref.*is taken back here/);
      expect(world.history()).toEqual(['theirs', 'begin']);
      expect(world.atRemote('v1.0.1')).toBe('');
      expect(world.git(['rev-parse', 'main'])).toBe(call.base.head);
      expect(world.git(['status', '--porcelain'])).toBe('M src/a');
      expect(world.read('src/a')).toBe('new\n');
    });

    it('when a named file changed since the look, or HEAD did', async () => {
      await world.write('src/a', 'new\n');
      const call = await world.lookedAt();
      await world.write('src/a', 'newer\n');
      await drift(call, /src, docs\/b .* changed since they were looked at/);
      world.git(['commit', '--quiet', '--allow-empty', '--message', 'mine']);
      await drift(call, /is not where it was looked at/);
      expect(world.history()).toEqual(['begin']);
    });

    it('when somebody commits here in the very moment: theirs stays, ours is taken out', async () => {
      await world.write('src/a', 'new\n');
      const call = await world.lookedAt();
      const once = join(world.folder, 'once');
      // Runs when the working tree's own index is written, right before the commit.
      await world.hook(
        'post-index-change',
        `[ -n "$GIT_INDEX_FILE" ] || [ -e ${once} ] && exit 0; touch ${once}; git commit --quiet --only --allow-empty --message theirs`,
      );
      await drift(call, /Somebody committed to main in .* at the same time.*taken back here/);
      expect(world.git(['log', '--format=%s'])).toBe('theirs\nbegin');
      expect(world.git(['status', '--porcelain'])).toBe('M src/a');
      expect(world.history()).toEqual(['begin']);
    });

    it('when the tag has appeared: the branch does not move either', async () => {
      await world.write('src/a', 'new\n');
      const call = await world.lookedAt();
      world.git(['tag', '--annotate', '--message', 'theirs', 'v1.0.1'], world.theirs);
      world.git(['push', '--quiet', 'origin', 'v1.0.1'], world.theirs);
      await drift(call, /Tag v1\.0\.1 has appeared at origin/);
      expect(world.history()).toEqual(['begin']);
    });
  });

  it('pushes the branch, then the tag, where the remote takes no atomic push', async () => {
    world.git(['config', 'receive.advertiseAtomic', 'false'], world.remote);
    await world.write('src/a', 'new\n');
    const call = await world.lookedAt();
    const effect = await world.push(call);
    expect([world.atRemote('main'), world.atRemote('v1.0.1^{commit}')]).toEqual([
      effect.commit,
      effect.commit,
    ]);
  });

  it('names a lock that is in its way, and goes on when it is gone', async () => {
    await world.write('src/a', 'new\n');
    const call = await world.lookedAt();
    await world.write('.git/index.lock', '');
    const push = world.push(call);
    await expect(push).rejects.toThrow(/\.git\/index\.lock is there: another git.*rm .*index\.lock/);
    await expect(push).rejects.not.toMatchObject({ nonRetryable: true });
    await rm(join(world.tree, '.git/index.lock'));
    const { commit } = await world.push(call);
    expect(world.atRemote('main')).toBe(commit);
  });

  describe('is done exactly once when it is killed', () => {
    const points = [
      { hook: 'pre-commit', at: 'tree', signal: 'KILL' },
      { hook: 'commit-msg', at: 'tree', signal: 'KILL' },
      { hook: 'reference-transaction', at: 'tree', signal: 'TERM' },
      { hook: 'post-commit', at: 'tree', signal: 'KILL' },
      { hook: 'pre-push', at: 'tree', signal: 'KILL' },
      { hook: 'pre-receive', at: 'remote', signal: 'KILL' },
      { hook: 'post-receive', at: 'remote', signal: 'KILL' },
    ];
    it.each(points)('in $hook of the $at', async ({ hook, at, signal }) => {
      await world.write('src/a', 'new\n');
      await world.write('other', 'staged\n');
      world.git(['add', 'other']);
      const call = await world.lookedAt();
      const once = join(world.folder, 'once');
      // Git and the hook are one process group, as they are under the worker's guardian.
      const script = `[ -e ${once} ] && exit 0; touch ${once}; kill -${signal} 0; sleep 5`;
      await world.hook(hook, script, at === 'tree' ? undefined : world.remote);
      await expect(world.push(call)).rejects.toThrow(/was ended by SIG/);
      expect(existsSync(once)).toBe(true);

      const effect = await world.push(call);
      expect(world.history()).toEqual(['Release v1.0.1', 'begin']);
      expect(world.atRemote('main')).toBe(effect.commit);
      expect(world.atRemote('v1.0.1^{commit}')).toBe(effect.commit);
      expect(world.git(['show', '--format=', '--name-only', 'main'])).toBe('src/a');
      expect(world.git(['status', '--porcelain'])).toBe('M  other');
    });

    it('and then looked at again, instead of repeated', async () => {
      await world.write('src/a', 'new\n');
      await world.hook('pre-push', 'exit 1');
      await expect(world.push(await world.lookedAt())).rejects.toThrow(
        /is refused: before anything was sent/,
      );
      await rm(join(world.tree, '.git/hooks/pre-push'));
      const look = await world.look();
      const commit = world.git(['rev-parse', 'main']);
      expect(look.changes).toEqual([
        `commit ${short(commit)} of an earlier attempt is not pushed yet`,
        `tag v1.0.1 at ${short(commit)}`,
        'push to origin/main',
      ]);
      const call = { ...world.input(), base: look.found };
      expect(await world.push(call)).toEqual({ commit, tag: 'v1.0.1', head: commit });
      expect(world.history()).toEqual(['Release v1.0.1', 'begin']);
    });
  });
});

describe('verify', () => {
  it('fails when commit or tag are not at the remote', async () => {
    await world.write('src/a', 'new\n');
    const call = await world.lookedAt();
    const effect = await world.push(call);
    world.git(['update-ref', 'refs/heads/main', call.base.head], world.remote);
    world.git(['tag', '-d', 'v1.0.1'], world.remote);
    expect(await world.verify(call, effect)).toMatchObject({
      outcome: 'fail',
      message: expect.stringMatching(/origin\/main lacks .*tag v1\.0\.1 is not there at origin, expected/),
      values: { branch: call.base.head, tag: null },
    });
  });

  it('says so when nothing had to be done', async () => {
    const call = await world.lookedAt(world.input({ tag: undefined }));
    const effect = await world.push(call);
    expect(effect).toEqual({ commit: undefined, tag: undefined, head: call.base.head });
    expect(await world.verify(call, effect)).toMatchObject({
      outcome: 'pass',
      message: 'nothing had to be committed or pushed',
    });
  });
});
