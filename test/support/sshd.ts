/** A real SSH server for one test file, with keys, known hosts and client configuration of its own. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export interface Sshd {
  /** Alias in the client's configuration: it knows address, port, user and key. */
  host: string;
  port: number;
  folder: string;
  /** Path of the client's configuration, as HEADGATE_SSH_CONFIG takes it. */
  config: string;
  /** Private key of the client. */
  key: string;
  /** `address keytype key` */
  knownHost: string;
  /** Another configuration of the same client; `lines` come first and so count. `identity` is a key, or `none`. */
  configure(lines: string[], identity?: string): string;
  /** Lines for `configure`: all sessions share one connection, which ends 5 s after the last. */
  sharing: string[];
  /** Logins so far. */
  logins(): number;
  stop(): Promise<void>;
}

export interface SshdOptions {
  /** Default: the one that OpenSSH has built in. Empty: none. */
  subsystem?: string;
  /** What every session there finds in its environment. */
  environment?: Record<string, string>;
}

const PLACES = ['/usr/sbin/sshd', '/usr/local/sbin/sshd', '/usr/bin/sshd'];

/** For `describe.skipIf`: true, and said aloud, when there is no SSH server. In CI a missing part is a failure. */
export function sshdIsMissing(): boolean {
  if (findSshd()) return false;
  const how = 'sshd is missing: install it (Debian: apt-get install openssh-server openssh-client).';
  if (process.env.CI) throw new Error(how);
  console.warn(`SKIPPED, ${how}`);
  return true;
}

function findSshd(): string | undefined {
  return PLACES.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export async function startSshd(options: SshdOptions = {}): Promise<Sshd> {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-sshd-'));
  const port = await findFreePort();
  if (process.geteuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  for (const name of ['host', 'client']) createKey(join(folder, name));
  // Other users of the machine are logged in to as well, and the server reads it as them.
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, 'authorized'), readFileSync(join(folder, 'client.pub')), { mode: 0o644 });
  const { subsystem = 'internal-sftp', environment = {} } = options;
  const variables = Object.entries(environment).map(([key, value]) => `"${key}=${value}"`);
  const lines = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${join(folder, 'host')}`,
    `AuthorizedKeysFile ${join(folder, 'authorized')}`,
    `PidFile ${join(folder, 'pid')}`,
    'UsePAM no',
    'StrictModes no',
    'PasswordAuthentication no',
    'PermitRootLogin yes',
    'MaxStartups 100',
    ...(subsystem ? [`Subsystem sftp ${subsystem}`] : []),
    ...(variables.length > 0 ? [`SetEnv ${variables.join(' ')}`] : []),
  ];
  writeFileSync(join(folder, 'sshd_config'), `${lines.join('\n')}\n`);
  let logins = 0;
  const server = spawn(findSshd() ?? 'sshd', ['-D', '-e', '-f', join(folder, 'sshd_config')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await untilListening(server, (line) => {
    if (line.startsWith('Accepted publickey')) logins += 1;
  });
  return {
    ...createClient(folder, port),
    port,
    folder,
    logins: () => logins,
    async stop() {
      const ended = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGTERM');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function createClient(folder: string, port: number) {
  const host = 'staging-server';
  const [type, key] = readFileSync(join(folder, 'host.pub'), 'utf8').split(' ');
  const knownHost = `[127.0.0.1]:${port} ${type} ${key}`;
  writeFileSync(join(folder, 'known_hosts'), `${knownHost}\n`);
  let count = 0;
  const configure = (lines: string[], identity = join(folder, 'client')) => {
    const path = join(folder, `ssh_config-${count++}`);
    const own = [
      ...lines,
      'HostName 127.0.0.1',
      `Port ${port}`,
      `User ${userInfo().username}`,
      `IdentityFile ${identity}`,
      'IdentitiesOnly yes',
      `UserKnownHostsFile ${join(folder, 'known_hosts')}`,
      'GlobalKnownHostsFile /dev/null',
    ];
    writeFileSync(path, `Host ${host}\n${own.map((line) => `  ${line}\n`).join('')}`, { mode: 0o600 });
    return path;
  };
  const sharing = ['ControlMaster auto', `ControlPath ${join(folder, 'mux')}`, 'ControlPersist 5'];
  return { host, sharing, knownHost, key: join(folder, 'client'), configure, config: configure([]) };
}

/** An ed25519 key without a passphrase, at `path` and `path.pub`. */
export function createKey(path: string): void {
  if (!existsSync(path)) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path]);
}

function untilListening(server: ChildProcess, onLine: (line: string) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    server.once('error', reject);
    server.once('exit', (code) => reject(new Error(`sshd ended with ${code} before it listened: ${said}`)));
    if (!server.stderr) return reject(new Error('sshd has no stderr.'));
    createInterface({ input: server.stderr }).on('line', (line) => {
      said = line;
      onLine(line);
      if (line.startsWith('Server listening on')) resolve();
    });
  });
}

/** Nobody listens there now. */
export function findFreePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
