/** Artifacts in a folder of this machine. Files are 0600, folders 0700. */
import { randomUUID } from 'node:crypto';
import { chmod, copyFile, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ArtifactContent, ArtifactPlace } from './artifacts.js';

export function createFolderPlace(folder: string): ArtifactPlace {
  return {
    address: folder,
    isRemote: false,
    async put(key, { body }) {
      const path = join(folder, key);
      const temporary = `${path}.${randomUUID()}.part`;
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      try {
        await fill(temporary, body);
        await rename(temporary, path);
      } finally {
        await rm(temporary, { force: true });
      }
    },
    async read(key) {
      try {
        return await readFile(join(folder, key));
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
        throw error;
      }
    },
    async examine() {
      const trial = join(folder, `.examine-${randomUUID()}`);
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeFile(trial, '', { mode: 0o600 });
      await rm(trial);
    },
  };
}

async function fill(path: string, body: ArtifactContent['body']): Promise<void> {
  if (typeof body === 'string') {
    // It may lie on another disk, so that it cannot be moved.
    await copyFile(body, path);
    await chmod(path, 0o600);
  }
  const file = await open(path, typeof body === 'string' ? 'r+' : 'wx', 0o600);
  try {
    if (typeof body !== 'string') await file.writeFile(body);
    await file.sync();
  } finally {
    await file.close();
  }
}
