/** `config` on the worker's own disk. */
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLocalFiles } from '../../src/tools/dotenv/files.js';
import { type ConfigWorld, type OpenStep, openConfigStep } from '../support/config-step.js';
import { describeConfig } from '../support/describe-config.js';
import { describeConfigUndo } from '../support/describe-config-undo.js';

const world: ConfigWorld = {
  placeOf: (file) => ({ kind: 'local', file }),
  openHost: () => createLocalFiles(),
  prefix: '',
};

describeConfig('on the worker', () => world);
describeConfigUndo('on the worker', () => world);

describe('config, on the worker: paths', () => {
  let at: OpenStep;
  beforeEach(async () => {
    at = await openConfigStep(world);
  });
  afterEach(() => at.close());

  it("a relative path counts from the plan's folder", async () => {
    await mkdir(join(at.folder, 'app'));
    await writeFile(join(at.folder, 'app', 'config.env'), 'A=1\n');
    const call = await at.lookAt(at.inputOf({ A: '2' }, { file: 'app/config.env' }));
    expect(call.base.file).toBe(join(at.folder, 'app', 'config.env'));
    await at.write(call);
    expect(await readFile(join(at.folder, 'app', 'config.env'), 'utf8')).toBe('A=2\n');
  });

  it("changes nothing that decides what the worker's programs run", async () => {
    vi.stubEnv('HOME', at.folder);
    await mkdir(join(at.folder, '.ssh'));
    const file = join(at.folder, '.ssh', 'config');
    await writeFile(file, 'Host *\n');
    await symlink(file, join(at.folder, 'shop.env'));
    try {
      for (const named of ['.ssh/config', file, 'shop.env']) {
        const call = at.lookAt(at.inputOf({ ProxyCommand: 'touch /tmp/here' }, { file: named }));
        await expect(call).rejects.toMatchObject({ type: 'NotPermitted', nonRetryable: true });
      }
      expect(await readFile(file, 'utf8')).toBe('Host *\n');
    } finally {
      vi.unstubAllEnvs();
    }
  });
});
