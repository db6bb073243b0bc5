/** What keeps the application running on a host. */
import { invalid } from '../../../../platform/failures.js';

export interface ServiceState {
  /** All that should run does. */
  up: boolean;
  /** It has been given up: waiting brings nothing. */
  failed: boolean;
  /** For people: `pm2 says shop is online`. Without figures, so that the same state reads the same. */
  says: string;
  /** How often it was started again by itself, since whenever. */
  restarts: number;
}

export interface Service {
  /** Shows more, on the host. */
  command: string;
  /** @throws ApplicationFailure `Invalid` when it is not known there, or may not be asked */
  state(): Promise<ServiceState>;
  /** With its configuration read anew. Ends on the host also when nobody waits for it any more. */
  restart(): Promise<void>;
  /** The newest lines. */
  log(): Promise<string>;
}

export const RESTART_MS = 5 * 60_000;

/** @throws ApplicationFailure `Invalid` for what the program there would take for something else than a name */
export function requireName(key: string, name: string, pattern: RegExp, fix: string): void {
  if (!pattern.test(name)) throw invalid(`"${name}" can be no ${key} of the ssh target. ${fix}`);
}
