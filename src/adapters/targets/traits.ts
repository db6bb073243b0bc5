/** What the plan file has to know of a target besides its options. Types only. */
import type { DeployStrategy, Json } from '../../plan/resolved.js';

export interface TargetTraits {
  strategies: readonly DeployStrategy[];
  /** Can it hold a release beside the live one, so that `beforePromotion` has something to judge? */
  staged(use: { strategy: string; has: (key: string) => boolean }): boolean;
  /**
   * What a `logs` probe without a source reads: options of that probe, with `${release:id}` where it matters which
   * release is meant. Undefined when the target tells no log. `config` may be faulty.
   */
  log(config: { [key: string]: Json }): { [key: string]: Json } | undefined;
}
