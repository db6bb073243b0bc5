/** What a `config` step promises wherever its file lies: the same suite for the worker's disk and for SSH. */
import { chown, mkdir, readFile, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'dotenv';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  CHANGED,
  type ConfigWorld,
  intercept,
  ODD_NAMES,
  type OpenStep,
  ORIGINAL,
  OWN,
  openConfigStep,
  SET,
} from './config-step.js';

const isRoot = process.geteuid?.() === 0;

/** Where every call is a session of its own, `oddNames` may be all of them in one. */
export function describeConfig(kind: string, world: () => ConfigWorld, oddNames = ODD_NAMES): void {
  let at: OpenStep;
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
