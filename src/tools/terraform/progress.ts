/** What an apply is doing, from its events. */
import type { Applied, TerraformCall } from './index.js';
import type { TerraformEvent } from './output.js';
import type { PlannedChange } from './plan.js';

interface Recorder {
  provisioning(address: string, isUnderWay: boolean): void;
}

export class ApplyProgress {
  readonly #onProgress: TerraformCall['onProgress'];
  readonly #recorder: Recorder;
  readonly #total: number;
  readonly #resources = new Set<string>();
  #done = 0;
  applied: Applied = { added: 0, changed: 0, destroyed: 0 };

  constructor(changes: PlannedChange[], onProgress: TerraformCall['onProgress'], recorder: Recorder) {
    this.#onProgress = onProgress;
    this.#recorder = recorder;
    // A replacement is two operations.
    this.#total = changes
      .filter(({ kind }) => kind === 'resource')
      .reduce((sum, { action }) => sum + (action === 'replace' ? 2 : 1), 0);
  }

  take({ type, hook, changes }: TerraformEvent): void {
    const address = hook?.resource.addr;
    if (changes?.operation === 'apply') {
      this.applied = { added: changes.add, changed: changes.change, destroyed: changes.remove };
    }
    if (address === undefined) return;
    if (type === 'provision_start') this.#recorder.provisioning(address, true);
    if (type === 'apply_start') this.#resources.add(address);
    if (type === 'apply_complete' || type === 'apply_errored') {
      this.#recorder.provisioning(address, false);
      this.#resources.delete(address);
      if (type === 'apply_complete') this.#done += 1;
    }
    this.tell();
  }

  tell(): void {
    const resources = [...this.#resources];
    this.#onProgress({ doing: 'applying', resources, done: this.#done, total: this.#total });
  }
}
