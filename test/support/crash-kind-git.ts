/** `git` against a bare repository on disk, whose hooks know what is being pushed. */
import { execFile } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { heldAt, type Subject, type World } from './crash-kind.js';
import { type Place, program } from './crash-place.js';

interface GitSeen {
  /** Of the branch: what it holds, and its commits by what they say of themselves, the newest first. */
  tree: string;
  commits: ('act' | 'undo' | 'other')[];
  /** Branches and tags besides, with what they point at. */
  others: string[];
  /** What the tag of the step points at: a commit by its place in the list above. */
  tagged: number | undefined;
  /** What a person finds in the working tree. */
  status: string;
}

export const git: Subject<World<GitSeen>> = {
  name: 'git',
  acts: ['pushGit'],

  async open(place) {
    const { folder } = place;
    const call = gitIn(folder);
    await makeRepository(place, call);
    await mkdir(join(folder, 'plan'));
    await writeFile(join(folder, 'plan', 'release.md'), 'Release ${rollout:version}\n\n${results}\n');
    const step = {
      directory: join(folder, 'tree'),
      paths: ['settings'],
      tag: 'v1.0.1',
      messageFile: 'release.md',
    };
    return {
      env: { GIT_CONFIG_GLOBAL: join(folder, 'gitconfig'), GIT_CONFIG_NOSYSTEM: '1' },
      steps: [{ git: step }],
      read: () => readRepository(call),
      expectPromoted(before, after) {
        expect(after).toEqual({
          ...before,
          tree: expect.not.stringMatching(before.tree),
          commits: ['act', ...before.commits],
          tagged: 0,
          status: '',
        });
      },
      /** What was pushed stays in the history, and the tag where others may have fetched it. */
      expectRestored(before, after) {
        expect(after).toEqual({
          ...before,
          commits: ['undo', 'act', ...before.commits],
          tagged: 1,
          status: expect.any(String),
        });
      },
    };
  },

  during: [
    heldAt('the commit is being made', 'before commit act'),
    heldAt('the push has arrived', 'before receive act'),
    heldAt('the push is accepted', 'before received act'),
  ],
  undo: [
    heldAt('the revert has arrived', 'before receive undo'),
    heldAt('the revert is accepted', 'before received undo'),
  ],
};

type CallGit = (args: string[], cwd?: string) => Promise<string>;

function gitIn(folder: string): CallGit {
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    GIT_CONFIG_GLOBAL: join(folder, 'gitconfig'),
    GIT_CONFIG_NOSYSTEM: '1',
  };
  return async (args, cwd = 'tree') =>
    (await promisify(execFile)('git', args, { cwd: join(folder, cwd), env })).stdout.trim();
}

async function makeRepository({ folder }: Place, call: CallGit): Promise<void> {
  const identity = '[user]\nname = Ana\nemail = ana@example.com\n[init]\ndefaultBranch = main\n';
  await writeFile(join(folder, 'gitconfig'), identity);
  await mkdir(join(folder, 'tree'));
  await call(['init', '--quiet', '--bare', 'remote.git'], '.');
  await call(['init', '--quiet']);
  await call(['remote', 'add', 'origin', join(folder, 'remote.git')]);
  await writeFile(join(folder, 'tree', 'settings'), 'limit 20\n');
  await writeFile(join(folder, 'tree', 'other'), 'kept\n');
  await call(['add', '.']);
  await call(['commit', '--quiet', '--message', 'as it was']);
  await call(['tag', '--annotate', '--message', 'before', 'v1.0.0']);
  await call(['push', '--quiet', 'origin', 'main', 'main:other', 'v1.0.0']);
  await writeFile(join(folder, 'tree', 'settings'), 'limit 50\n');
  await writeHook(folder, 'tree/.git/hooks/pre-commit', 'commit', 'act');
  for (const [hook, name] of [
    ['pre-receive', 'receive'],
    ['post-receive', 'received'],
  ] as const) {
    await writeHook(folder, `remote.git/hooks/${hook}`, name, '$what');
  }
}

/** What is received is the step's own commit, or the one that takes it back. */
async function writeHook(folder: string, file: string, name: string, verb: string): Promise<void> {
  const words = program('crash-program.mjs', folder, name).map((word) => `'${word}'`);
  const lines = [
    '#!/bin/sh',
    ...(verb === '$what'
      ? [
          'read -r old new ref',
          'what=act',
          'git log -1 --format=%B "$new" | grep -q "^Headgate-Undo:" && what=undo',
        ]
      : []),
    `exec ${words.join(' ')} ${verb} >/dev/null`,
  ];
  await writeFile(join(folder, file), `${lines.join('\n')}\n`);
  await chmod(join(folder, file), 0o755);
}

async function readRepository(call: CallGit): Promise<GitSeen> {
  const ofRemote = (args: string[]) => call(args, 'remote.git');
  const log = await ofRemote(['log', '-z', '--format=%H %B', 'main']);
  const commits = log.split('\0').filter((each) => each !== '');
  const refs = await ofRemote(['for-each-ref', '--format=%(refname) %(objectname) %(*objectname)']);
  const [tag, ...others] = partition(refs.split('\n'), (ref) => ref.startsWith('refs/tags/v1.0.1 '));
  const [, , target] = tag?.split(' ') ?? [];
  return {
    tree: await ofRemote(['rev-parse', 'main^{tree}']),
    commits: commits.map((each) =>
      /^Headgate-Step: production\/git$/m.test(each)
        ? 'act'
        : /^Headgate-Undo: production\/git$/m.test(each)
          ? 'undo'
          : 'other',
    ),
    others: others.filter((ref) => !ref.startsWith('refs/heads/main ')),
    tagged: target === undefined ? undefined : commits.findIndex((each) => each.startsWith(target)),
    status: await call(['status', '--porcelain']),
  };
}

/** The one that is meant, if it is there, and the rest. */
function partition(all: string[], isMeant: (each: string) => boolean): [string | undefined, ...string[]] {
  return [all.find(isMeant), ...all.filter((each) => !isMeant(each))];
}
