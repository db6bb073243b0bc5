/** A `config` step over one real file, and ways to let its worker die or somebody else get in between. */
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { ConfigCall, ConfigDeps } from '../../src/activities/config/files.js';
import { createConfigActivities } from '../../src/activities/config/index.js';
import type { ConfigInput } from '../../src/contract/activities.js';
import type { ConfigStep, DotenvPlace } from '../../src/plan/resolved.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import type { FileHost } from '../../src/tools/dotenv/files.js';
import { dotenvTexts } from '../../src/tools/dotenv/index.js';

export interface ConfigWorld {
  /** Where `path`, which this process can reach as well, lies for the step. */
  placeOf(path: string): DotenvPlace;
  openHost: ConfigDeps['openHost'];
  /** What a person puts before the path. */
  prefix: string;
}

/** Names in which a shell, a pattern or a batch file would see more than a name. */
export const ODD_NAMES = [
  'we ird/.env',
  `quo'te"s/.e'n"v`,
  'glob [x] *?/.env*',
  'back\\slash/.en\\v',
  'br{a,b}ce/.env{1,2}',
  '#hash $HOME `id`/.env;#',
  'ümläut 漢/.énv',
  ' edge /.env ',
];

/** Every odd character of the names above. */
export const ODDEST_NAME = `o'd"d [x] *? {a,b} \\v #h $HOME \`id\` ümläut 漢/ .e'n"v*? [y] {1,2} \\;# `;

export const SET = { DB_CONNECTION_LIMIT: '50', DB_POOL_TIMEOUT: '30', DB_STATEMENT_CACHE_SIZE: '200' };

export const ORIGINAL = `# Backend, staging
NODE_ENV=production
DB_CONNECTION_LIMIT=20 # was 10
API_KEY="canary-stored-1"

export DB_POOL_TIMEOUT='20'
OTHER=canary-stored-2`;

export const CHANGED = `# Backend, staging
NODE_ENV=production
DB_CONNECTION_LIMIT=50 # was 10
API_KEY="canary-stored-1"

export DB_POOL_TIMEOUT='30'
OTHER=canary-stored-2
DB_STATEMENT_CACHE_SIZE=200`;

/** What lies beside the file once the step has acted. */
export const OWN = ['run-1-staging-settings.bak', 'run-1-staging-settings.json'];

export type OpenStep = Awaited<ReturnType<typeof openConfigStep>>;

/** A step over one file in a folder of its own. */
export async function openConfigStep(world: ConfigWorld, name = '.env') {
  const folder = await mkdtemp(join(tmpdir(), 'headgate-config-'));
  const path = join(folder, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, ORIGINAL, { mode: 0o640 });
  await chmod(path, 0o640);
  const prefix = `${basename(path)}.headgate-`;
  const openHost = { current: world.openHost };
  const env: NodeJS.ProcessEnv = {};
  const references = new References({
    allowed: ['DB_PASSWORD', 'DOTENV_FILE'],
    env,
    readSecret: async () => '',
    redactor: new Redactor(),
  });
  const activities = createConfigActivities({
    openHost: (place, signal) => openHost.current(place, signal),
    texts: dotenvTexts,
    references,
  });
  const run = <Input, Result>(activity: (input: Input) => Promise<Result>, input: Input): Promise<Result> =>
    new MockActivityEnvironment().run(activity, input);
  const inputOf = (set: Record<string, string> = SET, change: { runId?: string; file?: string } = {}) => {
    const step: ConfigStep = {
      kind: 'config',
      id: 'settings',
      stage: 'staging',
      name: 'staging/settings',
      onRollback: 'revert',
      config: { place: { ...world.placeOf(path), ...(change.file ? { file: change.file } : {}) }, set },
    };
    const context = {
      application: 'app',
      version: 'v2',
      runId: change.runId ?? 'run-1',
      directory: folder,
      startedBy: 'ana',
    };
    return { context, step };
  };
  const look = (input: ConfigInput = inputOf()) => run(activities.lookConfig, input);
  return {
    folder,
    path,
    env,
    inputOf,
    look,
    lookAt: async (input = inputOf()): Promise<ConfigCall> => ({ ...input, base: (await look(input)).found }),
    write: (call: ConfigCall) => run(activities.writeConfig, call),
    verify: (call: ConfigCall) => run(activities.verifyConfig, call),
    undo: (call: ConfigCall) => run(activities.undoConfig, call),
    settle: (call: ConfigCall) => run(activities.settleConfig, call),
    read: () => readFile(path, 'utf8'),
    modeOf: async (file = path) => ((await stat(file)).mode & 0o7777).toString(8),
    /** What lies beside the file, without the beginning that all have in common. */
    beside: async () =>
      (await readdir(join(path, '..')))
        .filter((one) => one !== basename(path))
        .map((one) => (one.startsWith(prefix) ? one.slice(prefix.length) : one))
        .sort(),
    /** From now on the host is what `wrap` makes of it. */
    wrapHost: (wrap: (host: FileHost) => FileHost) => {
      openHost.current = (place, signal) => wrap(world.openHost(place, signal));
    },
    unwrapHost: () => {
      openHost.current = world.openHost;
    },
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

/** The command that a conflict gives a person, as that person's shell would run it (on the host, for SSH). */
export function mend(command: string): void {
  const remote = /^ssh -t \S+ ([\s\S]*)$/.exec(command)?.[1];
  const script = remote ? execFileSync('sh', ['-c', `printf %s ${remote}`], { encoding: 'utf8' }) : command;
  execFileSync('sh', ['-c', script]);
}

export function readDetails(failure: unknown): {
  item: string;
  found: string;
  expected: string;
  command: string;
} {
  if (!(failure instanceof Error) || !('details' in failure) || !Array.isArray(failure.details)) {
    throw new Error('no details');
  }
  return failure.details[0];
}

export function bound(host: FileHost): FileHost {
  return {
    read: host.read.bind(host),
    replace: host.replace.bind(host),
    writePrivate: host.writePrivate.bind(host),
    list: host.list.bind(host),
    readPrivate: host.readPrivate.bind(host),
    clear: host.clear.bind(host),
  };
}

/** `around` decides when the real method runs, and may do something beside it. */
export function intercept<Name extends 'replace' | 'writePrivate'>(
  host: FileHost,
  name: Name,
  around: (go: () => ReturnType<FileHost[Name]>) => ReturnType<FileHost[Name]>,
): FileHost {
  const real = bound(host);
  const go: (...args: never[]) => ReturnType<FileHost[Name]> = real[name] as never;
  return { ...real, [name]: (...args: never[]) => around(() => go(...args)) };
}

/** The worker is gone at this point: nothing that follows is done. */
export function dyingAt(
  host: FileHost,
  name: 'replace' | 'writePrivate' | 'clear',
  when: 'before' | 'after',
): FileHost {
  const real = bound(host);
  const die = async (...args: never[]) => {
    const go: (...rest: never[]) => Promise<unknown> = real[name] as never;
    if (when === 'after') await go(...args);
    throw new Error('killed');
  };
  return { ...real, [name]: die };
}
