/** The application's repository: a bare remote, and the checkout that the engineer commits in. New at every start. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ChildStartError, runChild } from '../../src/platform/children.js';

/** What the document's engineer edits and commits. */
const SETTINGS = `# Database connection pool
DB_CONNECTION_LIMIT=20
DB_POOL_TIMEOUT=20
DB_STATEMENT_CACHE_SIZE=100
`;

const FILES: Record<string, string> = {
  'README.md': '# WhatsApp SaaS starter\n',
  'Backend/.env.example': `# Copy to .env\nPORT=4000\n\n${SETTINGS}`,
  'Backend/.env.production.example': `# What the secret of production holds\nNODE_ENV=production\n\n${SETTINGS}`,
};

export function checkoutOf(folder: string): string {
  return join(folder, 'checkout');
}

/** @throws Error that says what to do when there is no git */
export async function makeRepository(folder: string): Promise<void> {
  const remote = join(folder, 'remote.git');
  const checkout = checkoutOf(folder);
  await rm(folder, { recursive: true, force: true });
  await mkdir(checkout, { recursive: true });
  await git(folder, ['init', '--quiet', '--bare', '--initial-branch=main', remote]);
  await git(folder, ['init', '--quiet', '--initial-branch=main', checkout]);
  for (const [name, text] of Object.entries(FILES)) {
    await mkdir(join(checkout, name, '..'), { recursive: true });
    await writeFile(join(checkout, name), text);
  }
  const identity = [
    ['user.name', 'Sandbox'],
    ['user.email', 'sandbox@localhost'],
    ['commit.gpgSign', 'false'],
    ['tag.gpgSign', 'false'],
  ];
  for (const [key = '', value = ''] of identity) await git(checkout, ['config', key, value]);
  await git(checkout, ['remote', 'add', 'origin', remote]);
  await git(checkout, ['add', '--all']);
  await git(checkout, ['commit', '--quiet', '--message', 'The application, version v1.0.0']);
  await git(checkout, ['tag', '--annotate', 'v1.0.0', '--message', 'Release v1.0.0']);
  await git(checkout, ['push', '--quiet', '--set-upstream', 'origin', 'main', 'v1.0.0']);
}

async function git(cwd: string, args: string[]): Promise<void> {
  try {
    const { exitCode, stderr } = await runChild({ file: 'git', args, cwd });
    if (exitCode !== 0) throw new Error(`git ${args[0]} in ${cwd} failed: ${stderr.trim().slice(-300)}`);
  } catch (error) {
    if (!(error instanceof ChildStartError)) throw error;
    throw new Error(
      'The sandbox needs git, and there is none on PATH. Install it (Debian: apt-get install git).',
    );
  }
}
