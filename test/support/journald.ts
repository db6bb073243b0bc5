/**
 * A real journald with a journal of its own (a journal namespace), and a `journalctl` that reads that one. Entries are
 * those of a unit, as systemd itself would write them about it.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { waitFor } from './processes.js';

const SERVER = '/lib/systemd/systemd-journald';
const FOLDERS = ['/var/log/journal', '/run/log/journal'];

const SEND = `
import socket, sys
to = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
to.connect(sys.argv[1])
for text in sys.argv[3:]:
    data = text.encode()
    to.send(b"MESSAGE\\n" + len(data).to_bytes(8, "little") + data + b"\\nOBJECT_SYSTEMD_UNIT=" + sys.argv[2].encode() + b"\\n")
`;

export interface Journald {
  /** Folder with the \`journalctl\` that reads it. */
  bin: string;
  say(unit: string, ...messages: string[]): Promise<void>;
  /** Drops everything that has been written so far. */
  forget(): Promise<void>;
  stop(): Promise<void>;
}

/** For `describe.skipIf`: true, and said aloud, where none can run. */
export function journaldIsMissing(): boolean {
  if (process.getuid?.() === 0 && existsSync(SERVER)) return false;
  console.warn('SKIPPED, journald runs only as root and where systemd is installed.');
  return true;
}

export async function startJournald(): Promise<Journald> {
  const namespace = `headgate${process.pid}`;
  const socket = `/run/systemd/journal.${namespace}/socket`;
  const bin = await mkdtemp(join(tmpdir(), 'headgate-journal-'));
  const program = `#!/bin/sh\nPATH=/usr/bin:/bin exec journalctl --namespace=${namespace} "$@"\n`;
  await writeFile(join(bin, 'journalctl'), program, { mode: 0o755 });
  const server: ChildProcess = spawn(SERVER, [namespace], { stdio: 'ignore' });
  await waitFor(async () => existsSync(socket), 'the socket of journald', 10_000);
  const run = promisify(execFile);
  return {
    bin,
    say: async (unit, ...messages) => void (await run('python3', ['-c', SEND, socket, unit, ...messages])),
    async forget() {
      await run(join(bin, 'journalctl'), ['--rotate', '--vacuum-size=1']);
    },
    async stop() {
      const ended = new Promise((resolve) => server.once('exit', resolve));
      server.kill('SIGTERM');
      await ended;
      await Promise.all(
        [bin, `/run/systemd/journal.${namespace}`].map((path) => rm(path, { recursive: true, force: true })),
      );
      for (const folder of FOLDERS) {
        const names = await readdir(folder).catch(() => []);
        const ours = names.filter((name) => name.endsWith(`.${namespace}`));
        await Promise.all(ours.map((name) => rm(join(folder, name), { recursive: true })));
      }
    },
  };
}
