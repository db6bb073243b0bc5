/** Says that something has happened to a file. */
import { type FSWatcher, watch } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, dirname } from 'node:path';

/** The system may have missed something: a file on a network, a link that leads elsewhere now. */
const LOOK_AGAIN_MS = 1_000;
/** Where the system tells nothing. */
const LOOK_MS = 200;

export class FileChanges {
  readonly #watcher: FSWatcher | undefined;
  #changed = false;
  #wake = () => {};

  private constructor(folder: string, name: string) {
    this.#watcher = this.#watch(folder, name);
  }

  /** The folder is watched and not the file, because another may take its place. */
  static async of(path: string): Promise<FileChanges> {
    const real = await realpath(path).catch(() => path);
    return new FileChanges(dirname(real), basename(real));
  }

  /** Until the file has changed since the last call, or it is time to look anyway. Rejects with the signal's reason. */
  async wait(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!this.#changed) await this.#untilWoken(signal);
    this.#changed = false;
    signal.throwIfAborted();
  }

  close(): void {
    this.#watcher?.close();
  }

  #untilWoken(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#wake = () => {};
        resolve();
      };
      const timer = setTimeout(done, this.#watcher ? LOOK_AGAIN_MS : LOOK_MS);
      signal.addEventListener('abort', done, { once: true });
      this.#wake = done;
    });
  }

  #watch(folder: string, name: string): FSWatcher | undefined {
    try {
      const watcher = watch(folder, { persistent: false }, (_event, changed) => {
        if (changed !== null && changed !== name) return;
        this.#changed = true;
        this.#wake();
      });
      // The folder itself has gone; looking now and then goes on.
      watcher.on('error', () => {});
      return watcher;
    } catch {
      return undefined;
    }
  }
}
