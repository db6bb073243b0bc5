/** What the worker's own environment decides. A plan can never widen it. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

const CAPABILITIES = ['run', 'command'] as const;

/** What runs arbitrary programs and is therefore off unless the worker turns it on. */
export type Capability = (typeof CAPABILITIES)[number];

export interface Settings {
  /** Absolute path: artifacts and cache. */
  home: string;
  portBase: number;
  /** Names that `${env:…}` and `${secret:…}` may use: `NAME`, a secret's `ID`, or one key of it, `ID#key`. */
  allowedReferences: string[];
  enabled: Capability[];
  /** Paths that `HEADGATE_TOOL_*` gives. */
  tools: { terraform?: string; k6?: string; temporal?: string };
}

/**
 * Reads `HEADGATE_HOME`, `HEADGATE_PORT_BASE`, `HEADGATE_ALLOWED_REFERENCES`, `HEADGATE_ENABLE` (what
 * `worker --enable` sets; both lists by commas) and `HEADGATE_TOOL_*`.
 * @throws Error that names the variable, what it holds and what it may hold
 */
export function loadSettings(env: NodeJS.ProcessEnv = process.env): Settings {
  return {
    home: resolve(env.HEADGATE_HOME || join(homedir(), '.headgate')),
    portBase: readPortBase(env.HEADGATE_PORT_BASE),
    allowedReferences: readList(env.HEADGATE_ALLOWED_REFERENCES),
    enabled: readList(env.HEADGATE_ENABLE).map(readCapability),
    tools: {
      terraform: env.HEADGATE_TOOL_TERRAFORM || undefined,
      k6: env.HEADGATE_TOOL_K6 || undefined,
      temporal: env.HEADGATE_TOOL_TEMPORAL || undefined,
    },
  };
}

/** The sandbox takes eleven ports from the base on. */
const HIGHEST_PORT_BASE = 65_535 - 10;

function readPortBase(text: string | undefined): number {
  if (!text) return 7300;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= HIGHEST_PORT_BASE) return port;
  throw new Error(`HEADGATE_PORT_BASE is "${text}"; expected a whole number from 1 to ${HIGHEST_PORT_BASE}.`);
}

function readList(text: string | undefined): string[] {
  const names = (text ?? '').split(',').map((name) => name.trim());
  return [...new Set(names.filter((name) => name !== ''))];
}

function readCapability(name: string): Capability {
  const capability = CAPABILITIES.find((known) => known === name);
  if (capability) return capability;
  throw new Error(
    `"${name}" cannot be enabled on a worker; expected one or more of: ${CAPABILITIES.join(', ')}.`,
  );
}
