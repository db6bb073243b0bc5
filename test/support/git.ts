/** A bare repository on disk, a working tree that the plan lies in, and somebody else's clone. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createGitActivities } from '../../src/activities/git/index.js';
import type { GitCall } from '../../src/activities/git/step.js';
import type {
  GitEffect,
  GitFound,
  GitInput,
  Look,
  StepResult,
  UndoResult,
} from '../../src/contract/activities.js';
import type { Measurement } from '../../src/contract/progress.js';
import type { GitStepConfig } from '../../src/plan/resolved.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { createGit } from '../../src/tools/git/index.js';

export const RESULTS: StepResult[] = [
  { step: 'staging/loadTest', summary: '4385 requests', measurements: ['p(95) = 116, expected below 400'] },
];

export const TEMPLATE = 'Release ${rollout:version}\n\n# Measured\n${results}\n';

export class GitWorld {
  readonly folder: string;
  /** The plan's folder and the working tree. */
  readonly tree: string;
  readonly remote: string;
  readonly theirs: string;
  /** The worker's environment. */
  readonly env: NodeJS.ProcessEnv;
  /** What activities logged. */
  readonly logged: string[] = [];
  readonly #environment = new MockActivityEnvironment(undefined, {
    logger: new DefaultLogger('WARN', ({ message }) => this.logged.push(message)),
  });

  private constructor(folder: string) {
    this.folder = folder;
    this.tree = join(folder, 'tree');
    this.remote = join(folder, 'remote.git');
    this.theirs = join(folder, 'theirs');
    this.env = {
      HOME: folder,
      GIT_CONFIG_GLOBAL: join(folder, 'gitconfig'),
      GIT_CONFIG_NOSYSTEM: '1',
      CANARY: 'canary-of-the-worker',
    };
  }

  static async create(): Promise<GitWorld> {
    const world = new GitWorld(await mkdtemp(join(tmpdir(), 'headgate-git-test-')));
    await writeFile(
      join(world.folder, 'gitconfig'),
      '[user]\nname = Ana\nemail = ana@example.com\n[init]\ndefaultBranch = main\n',
    );
    world.git(['init', '--quiet', '--bare', world.remote], world.folder);
    world.git(['init', '--quiet', world.tree], world.folder);
    world.git(['remote', 'add', 'origin', world.remote]);
    await world.write('src/a', 'one\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\nten\n');
    await world.write('src/b', 'b\n');
    await world.write('docs/b', 'docs\n');
    await world.write('other', 'other\n');
    await world.write('release.md', TEMPLATE);
    await world.write('.gitignore', 'ignored\n');
    world.git(['add', '.']);
    world.git(['commit', '--quiet', '--message', 'begin']);
    world.git(['push', '--quiet', 'origin', 'main']);
    world.git(['clone', '--quiet', world.remote, world.theirs], world.folder);
    return world;
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true });
  }

  /** @returns what it printed, trimmed @throws with what it said */
  git(args: string[], cwd = this.tree): string {
    const env = { PATH: process.env.PATH, ...this.env };
    return execFileSync('git', args, {
      cwd,
      env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim();
  }

  async write(path: string, text: string, folder = this.tree): Promise<void> {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }

  read(path: string, folder = this.tree): string {
    return readFileSync(join(folder, path), 'utf8');
  }

  has(path: string): boolean {
    return existsSync(join(this.tree, path));
  }

  /** Of a repository: `tree`, or the remote. */
  async hook(name: string, script: string, gitDirectory = join(this.tree, '.git')): Promise<void> {
    const file = join(gitDirectory, 'hooks', name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, `#!/bin/sh\n${script}\n`);
    await chmod(file, 0o755);
  }

  /** Somebody else commits and pushes. @returns their commit */
  async pushTheirs(path: string, text: string): Promise<string> {
    this.git(['pull', '--quiet', 'origin', 'main'], this.theirs);
    await this.write(path, text, this.theirs);
    this.git(['add', '.'], this.theirs);
    this.git(['commit', '--quiet', '--message', `their ${path}`], this.theirs);
    this.git(['push', '--quiet', 'origin', 'main'], this.theirs);
    return this.git(['rev-parse', 'HEAD'], this.theirs);
  }

  /** Of the bare repository; empty when it is not there. */
  atRemote(ref: string): string {
    const args = ['rev-parse', '--verify', '--quiet', ref];
    try {
      return this.git(args, this.remote);
    } catch {
      return '';
    }
  }

  /** Subjects of the remote's branch, newest first. */
  history(): string[] {
    return this.git(['log', '--format=%s', 'main'], this.remote).split('\n');
  }

  input(config: Partial<GitStepConfig> = {}, directory = this.tree): GitInput {
    return {
      context: { application: 'app', version: 'v1.0.1', runId: 'run-1', directory, startedBy: 'ana' },
      step: {
        kind: 'git',
        id: 'git',
        stage: 'production',
        name: 'production/git',
        onRollback: 'revert',
        config: {
          directory: '.',
          remote: 'origin',
          paths: ['src', 'docs/b'],
          tag: '${rollout:version}',
          messageFile: 'release.md',
          ...config,
        },
      },
    };
  }

  activities() {
    const redactor = new Redactor();
    const references = new References({ allowed: [], env: {}, readSecret: async () => '', redactor });
    return createGitActivities({ git: createGit({ env: this.env }), references });
  }

  look(input: GitInput = this.input()): Promise<Look<GitFound>> {
    return this.#environment.run(() => this.activities().lookGit(input));
  }

  /** What `act` gets, after a look. */
  async lookedAt(input: GitInput = this.input()): Promise<GitInput & { base: GitFound }> {
    return { ...input, base: (await this.look(input)).found };
  }

  push(call: GitCall, results = RESULTS): Promise<GitEffect> {
    return this.#environment.run(() => this.activities().pushGit({ ...call, results }));
  }

  verify(call: GitCall, effect: GitEffect): Promise<Measurement> {
    return this.#environment.run(() => this.activities().verifyGit({ ...call, effect }));
  }

  undo(call: GitCall, deleteTag = false): Promise<UndoResult> {
    return this.#environment.run(() => this.activities().undoGit({ ...call, deleteTag }));
  }
}
