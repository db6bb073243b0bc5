/** What a `config` step promises wherever its file lies: the same suite for the worker's disk and for SSH. */
import { execFileSync } from 'node:child_process';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { parse } from 'dotenv';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createConfigActivities } from '../../src/activities/config.js';
import type { ConfigCall, ConfigDeps } from '../../src/activities/config-files.js';
import type { ConfigInput } from '../../src/contract/activities.js';
import type { ConfigStep, DotenvPlace } from '../../src/plan/resolved.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { dotenvTexts } from '../../src/tools/dotenv.js';
import type { FileHost } from '../../src/tools/dotenv-files.js';

export interface ConfigWorld {
  /** Where `path`, which this process can reach as well, lies for the step. */
  placeOf(path: string): DotenvPlace;
  openHost: ConfigDeps['openHost'];
  /** What a person puts before the path. */
  prefix: string;
}

/** Names in which a shell, a pattern or a batch file would see more than a name. */
const ODD_NAMES = [
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

const CHANGED = `# Backend, staging
NODE_ENV=production
DB_CONNECTION_LIMIT=50 # was 10
API_KEY="canary-stored-1"

export DB_POOL_TIMEOUT='30'
OTHER=canary-stored-2
DB_STATEMENT_CACHE_SIZE=200`;

const isRoot = process.geteuid?.() === 0;

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

const OWN = ['run-1-staging-settings.bak', 'run-1-staging-settings.json'];

/** Where every call is a session of its own, `oddNames` may be all of them in one. */
export function describeConfig(kind: string, world: () => ConfigWorld, oddNames = ODD_NAMES): void {
  let at: Awaited<ReturnType<typeof openConfigStep>>;
  const nameOf = (path: string) => world().prefix + path;

  beforeEach(async () => {
    at = await openConfigStep(world());
  });
  afterEach(() => at.close());

  describe(`config, ${kind}: look`, () => {
    it('says what would change and shows no stored value', async () => {
      const look = await at.look();
      expect(look.changes).toEqual([
        `${nameOf(at.path)}#DB_CONNECTION_LIMIT: set to "50" (now: another value)`,
        `${nameOf(at.path)}#DB_POOL_TIMEOUT: set to "30" (now: another value)`,
        `${nameOf(at.path)}#DB_STATEMENT_CACHE_SIZE: set to "200" (now: absent)`,
      ]);
      expect(look.found).toEqual({
        file: nameOf(at.path),
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
        mode: '0640',
      });
      expect(look).toMatchObject({ effect: 'idempotent', warnings: [] });
      expect(look.undo).toContain('back to its bytes of before');
      expect(ORIGINAL).toContain('canary-stored');
      expect(JSON.stringify(look)).not.toContain('canary-stored');
      expect(await at.beside()).toEqual([]);
    });

    it('says nothing where the values are there already, and act changes nothing', async () => {
      const call = await at.lookAt(at.inputOf({ DB_CONNECTION_LIMIT: '20' }));
      expect(await at.look(call)).toMatchObject({ changes: [], effect: 'none' });
      expect(await at.write(call)).toEqual({ sha256: call.base.sha256, changedKeys: [] });
      expect(await at.verify(call)).toMatchObject({ outcome: 'pass' });
      expect(await at.read()).toBe(ORIGINAL);
      expect(await at.beside()).toEqual([]);
    });

    it('has one digest per content and wanted values', async () => {
      const first = await at.look();
      expect((await at.look()).digest).toBe(first.digest);
      expect((await at.look(at.inputOf({ ...SET, MORE: '1' }))).digest).not.toBe(first.digest);
      await writeFile(at.path, `${ORIGINAL}\n`);
      expect((await at.look()).digest).not.toBe(first.digest);
    });

    it('warns of a key that Node reads otherwise than dotenv', async () => {
      await writeFile(at.path, ORIGINAL.replace("export DB_POOL_TIMEOUT='20'", 'DB_POOL_TIMEOUT: 20'));
      const call = await at.lookAt();
      expect((await at.look()).warnings).toEqual([
        `${nameOf(at.path)}#DB_POOL_TIMEOUT: Node's own parser (--env-file) reads these lines otherwise than dotenv does; it is written as dotenv reads it`,
      ]);
      await at.write(call);
      expect(await at.read()).toContain('\nDB_POOL_TIMEOUT: 30\n');
      expect(await at.verify(call)).toMatchObject({ outcome: 'pass' });
    });

    it('refuses a file that is not there, and what is no file', async () => {
      await rm(at.path);
      await expect(at.look()).rejects.toMatchObject({
        type: 'Invalid',
        nonRetryable: true,
        message: expect.stringContaining(`${nameOf(at.path)} does not exist. Create it`),
      });
      await mkdir(at.path);
      await expect(at.look()).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringContaining('no regular file'),
      });
    });

    it('refuses a value that no quoting carries, and does not show it', async () => {
      at.env.DB_PASSWORD = 'canary\rresolved';
      const look = at.look(at.inputOf({ DB_PASSWORD: '${env:DB_PASSWORD}' }));
      await expect(look).rejects.toMatchObject({ type: 'Invalid' });
      await expect(look).rejects.toThrow(/no way of quoting carries the value of DB_PASSWORD/);
      await expect(look).rejects.not.toThrow(/canary/);
      await expect(at.look(at.inputOf({ 'A B': '1' }))).rejects.toThrow(/"A B" cannot be a key/);
      await writeFile(at.path, Buffer.from('A=1\n', 'utf16le'));
      await expect(at.look()).rejects.toThrow(/NUL bytes/);
    });
  });

  describe(`config, ${kind}: act`, () => {
    it('changes our values and no other byte, keeps the mode, and leaves the bytes of before beside it', async () => {
      const call = await at.lookAt();
      const effect = await at.write(call);
      expect(await at.read()).toBe(CHANGED);
      expect(await at.modeOf()).toBe('640');
      expect(effect).toEqual({ sha256: (await at.look()).found.sha256, changedKeys: Object.keys(SET) });
      expect(await at.beside()).toEqual(OWN);
      const backup = `${at.path}.headgate-${OWN[0]}`;
      expect(await readFile(backup, 'utf8')).toBe(ORIGINAL);
      expect(await at.modeOf(backup)).toBe('600');
      expect(await at.verify(call)).toMatchObject({
        probe: 'config',
        outcome: 'pass',
        message: `${nameOf(at.path)}: 3 keys as set, 3 other keys unchanged`,
        values: { keysSet: 3, otherKeysChanged: 0 },
      });
    });

    it.skipIf(!isRoot)('keeps owner and group', async () => {
      await chown(at.path, 1, 12);
      await at.write(await at.lookAt());
      expect(await at.read()).toBe(CHANGED);
      expect(await stat(at.path)).toMatchObject({ uid: 1, gid: 12 });
      expect(await at.modeOf()).toBe('640');
    });

    it('resolves references, and tells the reference only', async () => {
      at.env.DB_PASSWORD = 'canary-resolved';
      const call = await at.lookAt(at.inputOf({ DB_PASSWORD: '${env:DB_PASSWORD}' }));
      const look = await at.look(call);
      expect(look.changes).toEqual([
        `${nameOf(at.path)}#DB_PASSWORD: set to "\${env:DB_PASSWORD}" (now: absent)`,
      ]);
      const effect = await at.write(call);
      expect(parse(await at.read()).DB_PASSWORD).toBe('canary-resolved');
      const record = await readFile(`${at.path}.headgate-${OWN[1]}`, 'utf8');
      const told = [look, effect, await at.verify(call), await at.undo(call), record];
      expect(JSON.stringify(told)).not.toContain('canary-');
    });

    it('fails as drift when someone changed it since the look, and touches nothing', async () => {
      const call = await at.lookAt();
      await writeFile(at.path, 'THEIRS=1\n');
      const act = at.write(call);
      await expect(act).rejects.toMatchObject({
        type: 'Drift',
        nonRetryable: true,
        details: [
          {
            item: `file ${nameOf(at.path)}`,
            expected: expect.stringContaining(call.base.sha256.slice(0, 12)),
          },
        ],
      });
      expect(await at.read()).toBe('THEIRS=1\n');
      expect(await at.beside()).toEqual([]);
      expect(await at.undo(call)).toMatchObject({ changed: false });
    });

    it('fails as drift when someone gets in between reading and replacing; undo then finds nothing of ours', async () => {
      const call = await at.lookAt();
      at.wrapHost((host) =>
        intercept(host, 'writePrivate', async (go) => {
          await go();
          await writeFile(at.path, 'DB_CONNECTION_LIMIT=35\n');
        }),
      );
      await expect(at.write(call)).rejects.toMatchObject({ type: 'Drift' });
      at.unwrapHost();
      expect(await at.read()).toBe('DB_CONNECTION_LIMIT=35\n');
      expect(await at.beside()).toEqual([]);
      expect(await at.undo(call)).toMatchObject({ changed: false });
      expect(await at.read()).toBe('DB_CONNECTION_LIMIT=35\n');
    });

    it('a reader never finds the file missing or half written', async () => {
      const call = await at.lookAt();
      const seen = new Set<string>();
      let done = false;
      const reading = (async () => {
        while (!done) seen.add(await at.read());
      })();
      try {
        await at.write(call);
        await at.undo(call);
      } finally {
        done = true;
      }
      await reading;
      expect([...seen].sort()).toEqual([ORIGINAL, CHANGED].sort());
    });

    it('follows a symbolic link, says so, and keeps the link', async () => {
      const target = join(at.folder, 'shared', 'real.env');
      await mkdir(join(at.folder, 'shared'));
      await rename(at.path, target);
      await symlink('shared/real.env', at.path);
      const look = await at.look();
      expect(look.found.file).toBe(nameOf(target));
      expect(look.warnings).toEqual([
        `${nameOf(at.path)} leads to ${nameOf(target)}, which is what is changed`,
      ]);
      const call = { ...at.inputOf(), base: look.found };
      await at.write(call);
      expect(await readlink(at.path)).toBe('shared/real.env');
      expect(await readFile(target, 'utf8')).toBe(CHANGED);
      expect(await readFile(`${target}.headgate-${OWN[0]}`, 'utf8')).toBe(ORIGINAL);
      // Somebody makes it lead elsewhere.
      await writeFile(join(at.folder, 'other.env'), ORIGINAL);
      await rm(at.path);
      await symlink('other.env', at.path);
      await expect(at.write(call)).rejects.toMatchObject({ type: 'Drift' });
      expect(await at.verify(call)).toMatchObject({ outcome: 'fail' });
      await expect(at.undo(call)).rejects.toMatchObject({
        type: 'Conflict',
        details: [
          {
            found: expect.stringContaining('other.env'),
            command: expect.stringContaining('real.env.headgate-'),
          },
        ],
      });
    });

    it('takes its path from a reference, and repeats the reference only', async () => {
      at.env.DOTENV_FILE = at.path;
      const call = await at.lookAt(at.inputOf(SET, { file: '${env:DOTENV_FILE}' }));
      expect(call.base.file).toBe(nameOf('${env:DOTENV_FILE}'));
      const told: unknown[] = [await at.write(call), await at.verify(call)];
      expect(await at.read()).toBe(CHANGED);
      told.push(await at.undo(call));
      expect(await at.read()).toBe(ORIGINAL);
      expect(JSON.stringify([call.base, told])).not.toContain(at.path);
    });
  });

  describe(`config, ${kind}: verify`, () => {
    it('fails for a key that is not as set, a foreign key that changed, and a backup that is gone', async () => {
      const call = await at.lookAt();
      await at.write(call);
      await writeFile(at.path, CHANGED.replace('LIMIT=50', 'LIMIT=35').replace('stored-2', 'theirs'));
      const measurement = await at.verify(call);
      expect(measurement).toMatchObject({
        outcome: 'fail',
        message: `${nameOf(at.path)}: not as set: DB_CONNECTION_LIMIT; changed by someone else: OTHER`,
        values: { keysSet: 2, otherKeysChanged: 1 },
      });
      expect(JSON.stringify(measurement)).not.toContain('canary');
      await writeFile(at.path, CHANGED);
      expect(await at.verify(call)).toMatchObject({ outcome: 'pass' });
      await rm(`${at.path}.headgate-${OWN[0]}`);
      expect(await at.verify(call)).toMatchObject({
        outcome: 'fail',
        message: expect.stringContaining('backup'),
      });
    });
  });

  describe(`config, ${kind}: undo`, () => {
    it('puts back every byte and the mode, leaves nothing beside the file, and does so once', async () => {
      const call = await at.lookAt();
      await at.write(call);
      await chmod(at.path, 0o600);
      expect(await at.undo(call)).toEqual({
        summary: `${nameOf(at.path)} is back to its bytes of before (${call.base.sha256.slice(0, 12)})`,
        changed: true,
      });
      expect(await at.read()).toBe(ORIGINAL);
      expect((await at.look()).found).toEqual(call.base);
      expect(await at.beside()).toEqual([]);
      expect(await at.undo(call)).toMatchObject({ changed: false });
    });

    it('does nothing when the step never acted', async () => {
      const call = await at.lookAt();
      expect(await at.undo(call)).toMatchObject({ changed: false });
      expect(await at.read()).toBe(ORIGINAL);
    });

    it('needs no reference: what it refers to may have changed or gone since', async () => {
      at.env.DB_PASSWORD = 'canary-resolved';
      const call = await at.lookAt(at.inputOf({ DB_PASSWORD: '${env:DB_PASSWORD}' }));
      await at.write(call);
      delete at.env.DB_PASSWORD;
      expect(await at.undo(call)).toMatchObject({ changed: true });
      expect(await at.read()).toBe(ORIGINAL);
    });

    it('someone changed another key since: ours go back, theirs stay, and the summary says so', async () => {
      const call = await at.lookAt();
      await at.write(call);
      const edit = (text: string) =>
        text.replace('canary-stored-2', 'theirs').replace('# Backend', '# Ours\n# Backend');
      await writeFile(at.path, edit(CHANGED));
      expect(await at.undo(call)).toEqual({
        summary: `${nameOf(at.path)}: ${Object.keys(SET).join(', ')} put back; what someone else changed in it was kept, so it is not byte for byte as it was`,
        changed: true,
      });
      expect(await at.read()).toBe(edit(ORIGINAL));
      expect(await at.undo(call)).toMatchObject({ changed: false });
      expect(await at.read()).toBe(edit(ORIGINAL));
    });

    it('a key of ours has a third value: the others go back, that one is a conflict with the command that mends it', async () => {
      const call = await at.lookAt();
      await at.write(call);
      await writeFile(at.path, CHANGED.replace('LIMIT=50', 'LIMIT=canary-third'));
      const undo = at.undo(call);
      await expect(undo).rejects.toMatchObject({ type: 'Conflict', nonRetryable: true });
      const failure = await undo.catch((error: unknown) => error);
      const details = readDetails(failure);
      expect(details).toMatchObject({
        item: `file ${nameOf(at.path)}`,
        found: 'other values in DB_CONNECTION_LIMIT, set by someone else',
        expected: call.base.sha256.slice(0, 12),
      });
      expect(JSON.stringify([String(failure), details])).not.toContain('canary');
      expect(await at.read()).toBe(ORIGINAL.replace('LIMIT=20', 'LIMIT=canary-third'));
      mend(details.command);
      expect(await at.read()).toBe(ORIGINAL);
      expect(await at.undo(call)).toMatchObject({ changed: false });
    });

    it('someone changed the file and took the backup away: a conflict, and nothing is touched', async () => {
      const call = await at.lookAt();
      await at.write(call);
      await rm(`${at.path}.headgate-${OWN[0]}`);
      await writeFile(at.path, `${CHANGED}\nTHEIRS=1`);
      await expect(at.undo(call)).rejects.toMatchObject({
        type: 'Conflict',
        details: [{ found: expect.stringContaining('no backup'), expected: call.base.sha256.slice(0, 12) }],
      });
      await rm(`${at.path}.headgate-${OWN[1]}`);
      await expect(at.undo(call)).rejects.toMatchObject({ type: 'Conflict' });
      expect(await at.read()).toBe(`${CHANGED}\nTHEIRS=1`);
    });

    it('someone removed the file: a conflict whose command brings it back', async () => {
      const call = await at.lookAt();
      await at.write(call);
      await rm(at.path);
      const failure = await at.undo(call).catch((error: unknown) => error);
      expect(failure).toMatchObject({ type: 'Conflict' });
      mend(readDetails(failure).command);
      expect(await at.read()).toBe(ORIGINAL);
    });

    it('someone writes in the middle of it: it looks again', async () => {
      const call = await at.lookAt();
      await at.write(call);
      let times = 0;
      at.wrapHost((host) =>
        intercept(host, 'replace', async (go) => {
          if (times++ === 0) await writeFile(at.path, `${CHANGED}\nTHEIRS=1`);
          return go();
        }),
      );
      expect(await at.undo(call)).toMatchObject({ changed: true });
      expect(await at.read()).toBe(`${ORIGINAL}\nTHEIRS=1`);
    });
  });

  describe(`config, ${kind}: settle`, () => {
    it('removes what earlier rollouts left beside the file; ours and what is not ours stays', async () => {
      const earlier = await at.lookAt(at.inputOf({ A: '1' }, { runId: 'run-0' }));
      await at.write(earlier);
      const call = await at.lookAt();
      await at.write(call);
      await writeFile(`${at.path}.headgate-0123456789ab.tmp`, 'half');
      await writeFile(`${at.path}.headgate-notes.txt`, 'of a person');
      await writeFile(`${at.path}.bak`, 'of a person');
      await writeFile(join(at.folder, 'other.env.headgate-run-0-x.bak'), 'of another file');
      const kept = [...OWN, `${basename(at.path)}.bak`, 'notes.txt', 'other.env.headgate-run-0-x.bak'].sort();
      expect(await at.settle(call)).toMatchObject({ changed: true });
      expect(await at.beside()).toEqual(kept);
      expect(await at.settle(call)).toMatchObject({ changed: false });
      expect(await at.undo(call)).toMatchObject({ changed: true });
    });
  });

  describe(`config, ${kind}: killed`, () => {
    const steps = ['writePrivate', 'replace'] as const;
    const points = steps.flatMap((name) => (['before', 'after'] as const).map((when) => ({ name, when })));

    it.each(points)(
      'act, $when $name: repeated it has one effect, and undone none',
      async ({ name, when }) => {
        for (const next of ['write', 'undo'] as const) {
          await writeFile(at.path, ORIGINAL);
          const call = await at.lookAt();
          at.wrapHost((host) => dyingAt(host, name, when));
          await expect(at.write(call)).rejects.toThrow('killed');
          at.unwrapHost();
          await writeFile(`${at.path}.headgate-0123456789ab.tmp`, CHANGED.slice(0, 30));
          if (next === 'write') {
            const effect = await at.write(call);
            expect(effect.changedKeys).toEqual(Object.keys(SET));
            expect(await at.write(call)).toEqual(effect);
            expect(await at.read()).toBe(CHANGED);
            expect(await readFile(`${at.path}.headgate-${OWN[0]}`, 'utf8')).toBe(ORIGINAL);
            expect(await at.verify(call)).toMatchObject({ outcome: 'pass' });
          }
          await at.undo(call);
          expect(await at.read()).toBe(ORIGINAL);
          expect(await at.modeOf()).toBe('640');
          expect(await at.beside()).toEqual([]);
        }
      },
    );

    it('act, with only the backup written: someone else may change the file, and undo leaves it alone', async () => {
      const call = await at.lookAt();
      at.wrapHost((host) => ({
        ...bound(host),
        writePrivate: async (files) => {
          await host.writePrivate(files.slice(0, 1));
          throw new Error('killed');
        },
      }));
      await expect(at.write(call)).rejects.toThrow('killed');
      at.unwrapHost();
      await writeFile(at.path, 'THEIRS=1\n');
      expect(await at.undo(call)).toMatchObject({ changed: false });
      expect(await at.read()).toBe('THEIRS=1\n');
    });

    it.each([
      ['replace', 'before'],
      ['replace', 'after'],
      ['clear', 'before'],
      ['clear', 'after'],
    ] as const)('undo, at %s (%s): repeated it restores, and leaves nothing', async (name, when) => {
      const call = await at.lookAt();
      await at.write(call);
      at.wrapHost((host) => dyingAt(host, name, when));
      await expect(at.undo(call)).rejects.toThrow('killed');
      at.unwrapHost();
      await at.undo(call);
      expect(await at.read()).toBe(ORIGINAL);
      expect(await at.beside()).toEqual([]);
    });
  });

  it.each(oddNames)(
    `config, ${kind}: a file named %j, with neighbours that a pattern would match`,
    async (name) => {
      const odd = await openConfigStep(world(), name);
      try {
        await writeFile(join(odd.path, '..', 'unrelated'), 'x');
        await mkdir(join(odd.folder, 'glob x aa'), { recursive: true });
        const call = await odd.lookAt();
        expect(call.base.file).toBe(nameOf(odd.path));
        await odd.write(call);
        expect(await odd.read()).toBe(CHANGED);
        expect(await odd.verify(call)).toMatchObject({ outcome: 'pass' });
        expect(await odd.beside()).toEqual([...OWN, 'unrelated']);
        expect(await odd.settle(call)).toMatchObject({ changed: false });
        await odd.undo(call);
        expect(await odd.read()).toBe(ORIGINAL);
        expect(await odd.beside()).toEqual(['unrelated']);
      } finally {
        await odd.close();
      }
    },
  );
}

/** The command that a conflict gives a person, as that person's shell would run it (on the host, for SSH). */
function mend(command: string): void {
  const remote = /^ssh -t \S+ ([\s\S]*)$/.exec(command)?.[1];
  const script = remote ? execFileSync('sh', ['-c', `printf %s ${remote}`], { encoding: 'utf8' }) : command;
  execFileSync('sh', ['-c', script]);
}

function readDetails(failure: unknown): { item: string; found: string; expected: string; command: string } {
  if (!(failure instanceof Error) || !('details' in failure) || !Array.isArray(failure.details)) {
    throw new Error('no details');
  }
  return failure.details[0];
}

function bound(host: FileHost): FileHost {
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
function intercept<Name extends 'replace' | 'writePrivate'>(
  host: FileHost,
  name: Name,
  around: (go: () => ReturnType<FileHost[Name]>) => ReturnType<FileHost[Name]>,
): FileHost {
  const real = bound(host);
  const go: (...args: never[]) => ReturnType<FileHost[Name]> = real[name] as never;
  return { ...real, [name]: (...args: never[]) => around(() => go(...args)) };
}

/** The worker is gone at this point: nothing that follows is done. */
function dyingAt(
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
