/**
 * A host that is logged in to: a real SSH server, a bare repository and a checkout of it, in folders whose names would
 * be commands in the hands of a careless shell.
 */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import type { Json } from '../../src/plan/resolved.js';
import { runChild } from '../../src/platform/children.js';
import { createSsh, type Ssh } from '../../src/tools/ssh/index.js';
import { findFreePort, type Sshd, startSshd } from './sshd.js';

/** Says at its start what it read, and answers with it. */
const SERVER = `
const { createServer } = require('node:http');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const file = (name) => readFileSync(join(__dirname, name), 'utf8');
const [, limit] = /DB_CONNECTION_LIMIT=(\\d+)/.exec(file('.env')) ?? [];
const version = file('version.txt').trim();
if (version === 'v1.0.2') throw new Error('this release cannot start');
const body = JSON.stringify({ version, limit: Number(limit), greeting: process.env.GREETING ?? null });
createServer((request, response) => {
  response.statusCode = request.url === '/healthz' && version === 'v1.0.3' ? 503 : 200;
  response.end(body);
}).listen(Number(process.env.PORT), '127.0.0.1', () => {
  console.log('Pool configuration: {"connection_limit":' + limit + '}');
});
`;

const PACKAGE = { name: 'booking', version: '1.0.0' };

export interface SshHost {
  sshd: Sshd;
  ssh: Ssh;
  folder: string;
  /** The checkout's folder with the application: not its top. */
  directory: string;
  top: string;
  remote: string;
  /** Where the application listens. */
  port: number;
  /** Options of the target, without what is restarted. */
  config: { [key: string]: Json };
  git(...args: string[]): string;
  /** In a clone of somebody else: commits `files`, tags the commit and pushes both. */
  publish(tag: string, files?: Record<string, string>): Promise<string>;
  commitOf(tag: string): string;
  /** What runs there says of itself. */
  answer(): Promise<{ version: string; limit: number; greeting: string | null }>;
  record(): Promise<{ phase: string; commit: string; version: string; before: { version: string } }>;
  /** Files that a quoting which is wrong somewhere would have made. */
  pwned(): string[];
  close(): Promise<void>;
}

export const NAMES = ['pwned-1', 'pwned-2', 'pwned-3'] as const;

export interface SshHostOptions {
  /** Found before all others in a session's PATH. */
  programs?: string[];
  environment?: Record<string, string>;
}

export async function startSshHost({ programs = [], environment }: SshHostOptions = {}): Promise<SshHost> {
  const folder = await mkdtemp(join(tmpdir(), 'headgate-ssh-host-'));
  const path = [...programs, dirname(process.execPath), process.env.PATH ?? ''].join(delimiter);
  const sshd = await startSshd({ environment: { ...environment, PATH: path, CANARY_FOLDER: folder } });
  const top = join(folder, `it's "the" $(touch ${NAMES[0]}) app; \`touch ${NAMES[1]}\``);
  const directory = join(top, 'Backend');
  const remote = join(folder, 'remote.git');
  const theirs = join(folder, 'theirs');
  const at = (place: string, ...args: string[]) =>
    execFileSync('git', ['-C', place, ...args], { encoding: 'utf8', stdio: 'pipe' }).trim();
  execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch=main', remote]);
  execFileSync('git', ['clone', '--quiet', remote, theirs], { stdio: 'pipe' });
  at(theirs, 'config', 'user.name', 'Ana');
  at(theirs, 'config', 'user.email', 'ana@example.com');
  at(theirs, 'checkout', '--quiet', '-B', 'main');
  const publish: SshHost['publish'] = async (tag, files = {}) => {
    for (const [name, content] of Object.entries({ 'Backend/version.txt': `${tag}\n`, ...files })) {
      await mkdir(dirname(join(theirs, name)), { recursive: true });
      await writeFile(join(theirs, name), content);
    }
    at(theirs, 'add', '--all');
    at(theirs, 'commit', '--quiet', '-m', tag);
    at(theirs, 'tag', '-a', tag, '-m', tag);
    at(theirs, 'push', '--quiet', 'origin', 'main', tag);
    return at(theirs, 'rev-parse', 'HEAD');
  };
  await publish('v1.0.0', {
    'Backend/server.js': SERVER,
    'Backend/package.json': JSON.stringify(PACKAGE),
    'Backend/package-lock.json': JSON.stringify({
      ...PACKAGE,
      lockfileVersion: 3,
      packages: { '': PACKAGE },
    }),
    '.gitignore': '.env\nbuilt.txt\npwned*\nnode_modules\n',
  });
  execFileSync('git', ['clone', '--quiet', remote, top], { stdio: 'pipe' });
  await writeFile(join(directory, '.env'), 'DB_CONNECTION_LIMIT=20\n');
  await publish('v1.0.1');
  const port = await findFreePort();
  const ssh = createSsh({ runChild, env: { HEADGATE_SSH_CONFIG: sshd.configure(sshd.sharing) } });
  return {
    ...{ sshd, ssh, folder, directory, top, remote, port, publish },
    config: { host: sshd.host, directory, url: `http://127.0.0.1:${port}` },
    git: (...args) => at(top, ...args),
    commitOf: (tag) => at(theirs, 'rev-parse', `${tag}^{commit}`),
    answer: async () => JSON.parse(await (await fetch(`http://127.0.0.1:${port}/`)).text()),
    record: async () => JSON.parse(await readFile(join(top, '.git', 'headgate-release.json'), 'utf8')),
    pwned: () =>
      [folder, top, directory, process.env.HOME ?? '/'].flatMap((place) =>
        NAMES.map((name) => join(place, name)).filter((file) => existsSync(file)),
      ),
    async close() {
      await sshd.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
