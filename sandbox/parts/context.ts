/** What every part is started with. */
import type { SandboxPlaces } from '../place.js';
import type { SandboxPorts } from '../ports.js';

export interface PartContext {
  places: SandboxPlaces;
  ports: SandboxPorts;
  /** Every process carries it, so that what belongs to a sandbox can be told. */
  env: Record<string, string>;
  log: (line: string) => void;
  onDeath: (message: string) => void;
}

export const STAGES = ['staging', 'production'] as const;
export type StageName = (typeof STAGES)[number];
