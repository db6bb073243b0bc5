/** A folder of programs that stand for systemctl, sudo, journalctl, docker and id on a host: see their file. */
import { mkdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface HostPrograms {
  /** For the front of PATH. */
  bin: string;
  /** What a session has to find in its environment. */
  environment: Record<string, string>;
  /** What the service runs with, and how often it was started by us. */
  running: () => Promise<{ starts: number; env?: string }>;
}

/** @param folder their state; a file in it that is named by a fault brings that fault about */
export async function openHostPrograms(folder: string): Promise<HostPrograms> {
  const bin = join(folder, 'bin');
  await mkdir(bin, { recursive: true });
  const program = fileURLToPath(new URL('../fixtures/host-programs.mjs', import.meta.url));
  for (const name of ['systemctl', 'sudo', 'journalctl', 'docker', 'id']) {
    await symlink(program, join(bin, name));
  }
  return {
    bin,
    environment: { HOST_STATE: folder, HOST_ENV_FILE: '.env' },
    running: async () =>
      JSON.parse(await readFile(join(folder, 'state.json'), 'utf8').catch(() => '{"starts":0}')),
  };
}
