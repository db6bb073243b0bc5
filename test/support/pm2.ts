/** The real pm2. Of another licence than Headgate, so it is no dependency: npm puts it into the cache where it is tested. */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { runChild } from '../../src/platform/children.js';
import { withInstallLock } from '../../src/platform/install-lock.js';
import { loadSettings } from '../../src/platform/settings.js';

const VERSION = '6.0.14';
const INSTALL_MS = 3 * 60_000;

/** Folder with `pm2` in it; undefined, and said aloud, when npm cannot get it. In CI a missing part is a failure. */
export async function ensurePm2(): Promise<string | undefined> {
  const folder = join(loadSettings().home, 'cache', `pm2-${VERSION}`);
  const bin = join(folder, 'node_modules', '.bin');
  if (existsSync(join(bin, 'pm2'))) return bin;
  await mkdir(dirname(folder), { recursive: true });
  const why = await withInstallLock(folder, 'pm2', {}, () => install(folder));
  if (why === undefined) return bin;
  const how = `pm2 ${VERSION} is missing, and npm could not install it: ${why}`;
  if (process.env.CI) throw new Error(how);
  console.warn(`SKIPPED, ${how}`);
  return undefined;
}

/** Undefined when it is there, else what npm said. */
async function install(folder: string): Promise<string | undefined> {
  const temporary = `${folder}.${process.pid}.part`;
  const args = ['install', '--prefix', temporary, '--no-audit', '--no-fund', `pm2@${VERSION}`];
  const config = Object.entries(process.env).filter(([key]) =>
    /^(npm_config_|(https?|no)_proxy$)/i.test(key),
  );
  const env = Object.fromEntries(config.map(([key, value = '']) => [key, value]));
  try {
    await mkdir(temporary, { recursive: true });
    const { exitCode, stderr } = await runChild({ file: 'npm', args, env, timeoutMs: INSTALL_MS });
    if (exitCode !== 0) return stderr.trim().split('\n').slice(-3).join(' / ');
    await rm(folder, { recursive: true, force: true });
    await rename(temporary, folder);
    return undefined;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}
