/** A branch of a bare repository on disk, to which the plan pushes a commit. */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Ground, type Item, lostOf, type Meddling, type Seen, standingOf } from './item.js';

const VALUES = { before: 'limit 20', target: 'limit 50', theirs: 'limit 33' } as const;

export async function openGit(ground: Ground, stage: string, env: NodeJS.ProcessEnv): Promise<Item> {
  const { folder } = ground;
  const git = async (cwd: string, ...args: string[]) =>
    (await promisify(execFile)('git', args, { cwd: join(folder, cwd), env })).stdout.trim();
  await mkdir(join(folder, 'tree'));
  await git('.', 'init', '--quiet', '--bare', 'remote.git');
  await git('tree', 'init', '--quiet');
  await git('tree', 'remote', 'add', 'origin', join(folder, 'remote.git'));
  await writeFile(join(folder, 'tree', 'settings'), `${VALUES.before}\n`);
  await writeFile(join(folder, 'tree', 'other'), 'kept\n');
  await git('tree', 'add', '.');
  await git('tree', 'commit', '--quiet', '--message', 'as it was');
  await git('tree', 'push', '--quiet', 'origin', 'main');
  await git('.', 'clone', '--quiet', 'remote.git', 'theirs');
  await writeFile(join(folder, 'tree', 'settings'), `${VALUES.target}\n`);
  await writeFile(join(ground.planFolder, 'release.md'), 'Release ${rollout:version}\n\n${results}\n');
  const first = await git('remote.git', 'rev-parse', 'main');
  let meddling: (Meddling & { commit: string }) | undefined;
  const settings = () => git('remote.git', 'show', 'main:settings');
  const commit = async (path: string, text: string) => {
    await git('theirs', 'pull', '--quiet', 'origin', 'main');
    await writeFile(join(folder, 'theirs', path), text);
    await git('theirs', 'add', '.');
    await git('theirs', 'commit', '--quiet', '--message', `their ${path}`);
    await git('theirs', 'push', '--quiet', 'origin', 'main');
    return git('theirs', 'rev-parse', 'HEAD');
  };
  const isIn = (each: string) =>
    git('remote.git', 'merge-base', '--is-ancestor', each, 'main').then(
      () => true,
      () => false,
    );
  return {
    step: `${stage}/git`,
    config: {
      git: { directory: join(folder, 'tree'), paths: ['settings'], tag: 'v1.0.1', messageFile: 'release.md' },
    },

    async look(): Promise<Seen> {
      const now = await settings();
      const files = (await git('remote.git', 'ls-tree', '--name-only', 'main')).split('\n');
      const rest = files.filter((name) => !['settings', 'other', 'theirs'].includes(name));
      const isForced = !(await isIn(first));
      const standing = isForced || rest.length > 0 ? 'broken' : standingOf(now, VALUES);
      const isGone = meddling && !(await isIn(meddling.commit));
      return {
        standing,
        isAsBefore: now === VALUES.before && !files.includes('theirs'),
        lost: isGone ? "the colleague's commit is gone" : lostOf(meddling, standing),
        what: `main: "${now}", files ${files.join(', ')}${isForced ? ', history rewritten' : ''}`,
      };
    },

    async meddle(same) {
      const afterOurs = (await settings()) === VALUES.target;
      const made = same ? await commit('settings', `${VALUES.theirs}\n`) : await commit('theirs', 'beside\n');
      meddling = { same, afterOurs, commit: made };
    },

    async mend() {
      if (meddling) meddling = { ...meddling, same: false };
      if ((await settings()) !== VALUES.before) await commit('settings', `${VALUES.before}\n`);
    },
  };
}
