/** What every command is given, and how it ends. */
import type { Progress } from '../contract/progress.js';
import type { ArtifactStore } from '../platform/artifacts.js';
import type { Sources } from '../platform/sources.js';
import type { Output } from './output.js';

export const EXIT = {
  promoted: 0,
  rolledBack: 1,
  usage: 2,
  rollbackIncomplete: 3,
  infrastructure: 4,
  refused: 5,
  interrupted: 130,
} as const;

/** Ends a command; `message` is for people. */
export class CommandError extends Error {
  override readonly name = 'CommandError';

  constructor(
    readonly exitCode: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export function usage(message: string): CommandError {
  return new CommandError(EXIT.usage, 'usage', message);
}

/** commander's collector for `--var name=value`. The last one of a name counts, so that a script may add to what it always gives. */
export function collectVariable(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw usage(`--var takes name=value; "${text}" is none.`);
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** The sandbox, as far as commands need it; `main.ts` alone may load the real one. */
export interface Sandbox {
  startSandbox(options: {
    log: (line: string) => void;
    signal?: AbortSignal;
    owned?: boolean;
    anyPorts?: boolean;
  }): Promise<SandboxView>;
  /** `undefined` when there is none. */
  describeSandbox(): Promise<SandboxView | undefined>;
  /** @returns false when there was none */
  stopSandbox(): Promise<boolean>;
  setFault(name: string): Promise<void>;
}

export interface SandboxView {
  phase: string;
  error?: string;
  supervisorPid: number;
  addresses: Record<string, string>;
  parts: { name: string; status: string; pid?: number; readyMs?: number; log?: string }[];
  env: Record<string, string>;
  environmentFile: string;
  logFolder: string;
  already?: boolean;
}

export interface WorkerModule {
  runWorker: (options: {
    enabled: ('run' | 'command')[];
    pidFile?: string;
    onReady?: () => void;
  }) => Promise<void>;
}

export interface Context {
  output: Output;
  /** Aborted by SIGINT or SIGTERM. */
  interrupted: AbortSignal;
  loadSandbox: () => Promise<Sandbox>;
  loadWorker: () => Promise<WorkerModule>;
  loadSources: () => Promise<Sources>;
  loadArtifacts: () => Promise<Pick<ArtifactStore, 'read'>>;
}

/** The exit code that an outcome stands for; a rollout that was ended from outside was not taken back. */
export function exitCodeOf(temporalStatus: string, progress: Progress | undefined): number {
  if (progress?.outcome) return EXIT[progress.outcome];
  return temporalStatus === 'RUNNING' ? 0 : EXIT.rollbackIncomplete;
}
