/** The way back of a `config` step, and workers that die on it, wherever the file lies. */
import { chmod, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  bound,
  CHANGED,
  type ConfigWorld,
  dyingAt,
  intercept,
  mend,
  type OpenStep,
  ORIGINAL,
  OWN,
  openConfigStep,
  readDetails,
  SET,
} from './config-step.js';

export function describeConfigUndo(kind: string, world: () => ConfigWorld): void {
  let at: OpenStep;
  const nameOf = (path: string) => world().prefix + path;

  beforeEach(async () => {
    at = await openConfigStep(world());
  });
  afterEach(() => at.close());

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
}
