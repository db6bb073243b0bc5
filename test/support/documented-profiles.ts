/** What docs/deployment.md shows of profiles, files and variables, made true in a folder of a test's own. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './product.js';
import { Authority } from './tls-server.js';

const run = promisify(execFile);

/**
 * Profile file, certificates and keys where the documentation has them, below `folder` instead of /etc/headgate.
 * Beside them what is wrong: `tls/other-name.pem` is for another host, `tls/stranger.pem` of another authority, and the
 * profile `none` proves nothing.
 */
export async function writeCredentials(folder: string, key: string): Promise<void> {
  const tls = join(folder, 'tls');
  await mkdir(tls);
  const ca = await Authority.create(tls, 'ca');
  await ca.issue('server', 'localhost');
  await ca.issue('other-name', 'temporal.example.com');
  await ca.issue('client', 'client');
  const stranger = await Authority.create(tls, 'other-ca');
  await stranger.issue('stranger', 'client');
  await writeFile(join(folder, 'api-key'), `${key}\n`);
  const documented = (await blocks('toml'))[0] ?? '';
  const profiles = documented
    .replaceAll('/etc/headgate', folder)
    .replace('api_key = "…"', `api_key = "${key}"`);
  await writeFile(join(folder, 'temporal.toml'), `${profiles}\n[profile.none]\n`, { mode: 0o600 });
}

/** Fenced blocks of docs/deployment.md. */
async function blocks(language: string): Promise<string[]> {
  const text = await readFile(join(ROOT, 'docs', 'deployment.md'), 'utf8');
  const found = text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'));
  return [...found].map(([, block = '']) => block);
}

/** The block of variables that sets `mark`, as a shell reads it. */
export async function sourceVariables(mark: string, folder: string): Promise<Record<string, string>> {
  const block = (await blocks('sh')).find((text) => text.includes(`export ${mark}=`));
  if (!block) throw new Error(`docs/deployment.md exports no ${mark}`);
  const script = `${block.replaceAll('/etc/headgate', folder)}env -0`;
  const { stdout } = await run('sh', ['-ec', script], { env: { PATH: process.env.PATH } });
  const pairs = stdout.split('\0').map((pair) => /^(TEMPORAL_\w+)=(.*)$/s.exec(pair));
  return Object.fromEntries(pairs.flatMap((pair) => (pair?.[1] ? [[pair[1], pair[2] ?? '']] : [])));
}
