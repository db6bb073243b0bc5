/** `config` on the worker's own disk, by a worker that is not root: this file's process gives its rights up for good. */
import { spawn } from 'node:child_process';
import { chmod, chown, stat } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { createLocalFiles } from '../../src/tools/dotenv/files.js';
import { type ConfigWorld, type OpenStep, openConfigStep } from '../support/config-step.js';

const NOBODY = 65534;
const world: ConfigWorld = {
  placeOf: (file) => ({ kind: 'local', file }),
  openHost: () => createLocalFiles(),
  prefix: '',
};

/** Somebody has to keep the right to: a child that waits for our end. */
function removeAtExit(folders: string[]): void {
  const script = 'cat > /dev/null; rm -rf -- "$@"';
  const janitor = spawn('sh', ['-c', script, 'sh', ...folders], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  janitor.unref();
}

/** Only root can set the scene: files of other users. */
describe.skipIf(process.getuid?.() !== 0)('config, by a worker that is not root', () => {
  let unreadable: OpenStep;
  let inClosedFolder: OpenStep;
  let ofAnother: OpenStep;
  let readableToAll: OpenStep;

  beforeAll(async () => {
    const open = async (folderMode: number, mode: number, owner: number) => {
      const step = await openConfigStep(world);
      await chmod(step.folder, folderMode);
      await chmod(step.path, mode);
      await chown(step.path, owner, NOBODY);
      return step;
    };
    unreadable = await open(0o755, 0o600, 0);
    inClosedFolder = await open(0o755, 0o644, NOBODY);
    ofAnother = await open(0o777, 0o640, 1);
    readableToAll = await open(0o777, 0o644, 1);
    removeAtExit([unreadable, inClosedFolder, ofAnother, readableToAll].map(({ folder }) => folder));
    process.setgroups?.([]);
    process.setgid?.(NOBODY);
    process.setuid?.(NOBODY);
  });

  it('look refuses a file that may not be read', async () => {
    await expect(unreadable.look()).rejects.toMatchObject({
      type: 'Invalid',
      message: expect.stringContaining(`${unreadable.path} cannot be read`),
    });
  });

  it('look refuses a file whose folder may not be written', async () => {
    await expect(inClosedFolder.look()).rejects.toMatchObject({
      type: 'Invalid',
      message: expect.stringContaining(`may not write to its folder ${inClosedFolder.folder}`),
    });
  });

  it('a file of another user that not everybody may read is refused, by look and by act', async () => {
    await expect(ofAnother.look()).rejects.toMatchObject({
      type: 'Invalid',
      message: expect.stringContaining('belongs to user 1'),
    });
    // As it would be if the file was given away after the look.
    const { found } = await readableToAll.look();
    const base = { ...found, file: ofAnother.path };
    await expect(ofAnother.write({ ...ofAnother.inputOf(), base })).rejects.toMatchObject({
      type: 'Invalid',
      message: expect.stringContaining(`its owner (1 ${NOBODY}) could not be kept`),
    });
    expect((await stat(ofAnother.path)).uid).toBe(1);
  });

  it('a file that everybody may read changes its owner, and keeps its group and mode', async () => {
    const call = await readableToAll.lookAt();
    await readableToAll.write(call);
    expect(await stat(readableToAll.path)).toMatchObject({ uid: NOBODY, gid: NOBODY });
    expect(await readableToAll.modeOf()).toBe('644');
    expect(await readableToAll.verify(call)).toMatchObject({ outcome: 'pass' });
  });
});
