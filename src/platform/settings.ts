/** What the worker's own environment decides. A plan can never widen it. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

const CAPABILITIES = ['run', 'command'] as const;

/** What runs arbitrary programs and is therefore off unless the worker turns it on. */
export type Capability = (typeof CAPABILITIES)[number];

export interface Settings {
  /** Absolute path: artifacts and cache. */
  home: string;
  /** A bucket for the artifacts instead of the home; `prefix` has no slashes at its ends. */
  artifacts?: { bucket: string; prefix: string };
  portBase: number;
  /** Names that `${env:…}` and `${secret:…}` may use: `NAME`, a secret's `ID`, or one key of it, `ID#key`. */
  allowedReferences: string[];
  /** Addresses of repositories that files of plans may come from, those that end with "/" or ":" with all below; empty: any. */
  allowedSources: string[];
  enabled: Capability[];
  /** Absolute path: who may sign approvals (`ssh-keygen`, ALLOWED SIGNERS). */
  allowedSigners?: string;
  /** Where people open the Temporal UI, without a slash at its end; notices link to it. */
  temporalUi?: string;
  /** Paths that `HEADGATE_TOOL_*` gives. */
  tools: { terraform?: string; k6?: string; temporal?: string };
}

/**
 * Reads `HEADGATE_HOME`, `HEADGATE_ARTIFACTS`, `HEADGATE_PORT_BASE`, `HEADGATE_ALLOWED_REFERENCES`,
 * `HEADGATE_ALLOWED_SOURCES`, `HEADGATE_ENABLE` (what `worker --enable` sets; lists by commas), `HEADGATE_ALLOWED_SIGNERS`,
 * `HEADGATE_TEMPORAL_UI` and `HEADGATE_TOOL_*`.
 * @throws Error that names the variable, what it holds and what it may hold
 */
export function loadSettings(env: NodeJS.ProcessEnv = process.env): Settings {
  return {
    home: resolve(env.HEADGATE_HOME || join(homedir(), '.headgate')),
    artifacts: readBucket(env.HEADGATE_ARTIFACTS),
    portBase: readPortBase(env.HEADGATE_PORT_BASE),
    allowedReferences: readList(env.HEADGATE_ALLOWED_REFERENCES),
    allowedSources: readList(env.HEADGATE_ALLOWED_SOURCES),
    enabled: readList(env.HEADGATE_ENABLE).map(readCapability),
    allowedSigners: env.HEADGATE_ALLOWED_SIGNERS ? resolve(env.HEADGATE_ALLOWED_SIGNERS) : undefined,
    temporalUi: readAddress(env.HEADGATE_TEMPORAL_UI),
    tools: {
      terraform: env.HEADGATE_TOOL_TERRAFORM || undefined,
      k6: env.HEADGATE_TOOL_K6 || undefined,
      temporal: env.HEADGATE_TOOL_TEMPORAL || undefined,
    },
  };
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
const BUCKET = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/;

function readBucket(text: string | undefined): Settings['artifacts'] {
  if (!text) return undefined;
  const [, bucket, path = ''] = BUCKET.exec(text) ?? [];
  const prefix = path.replace(/^\/+|\/+$/g, '');
  if (bucket !== undefined && !/\/\/|[\s\p{Cc}]/u.test(prefix)) return { bucket, prefix };
  throw new Error(
    `HEADGATE_ARTIFACTS is "${text}"; expected s3://bucket or s3://bucket/prefix. Left out, artifacts lie in HEADGATE_HOME.`,
  );
}

/** The sandbox takes eleven ports from the base on. */
const HIGHEST_PORT_BASE = 65_535 - 10;

function readPortBase(text: string | undefined): number {
  if (!text) return 7300;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 1 && port <= HIGHEST_PORT_BASE) return port;
  throw new Error(`HEADGATE_PORT_BASE is "${text}"; expected a whole number from 1 to ${HIGHEST_PORT_BASE}.`);
}

/** It goes to whoever is told, so a password has no place in it. */
function readAddress(text: string | undefined): string | undefined {
  if (!text) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url && !url.username && !url.password && !url.search && !url.hash;
  if (isPlain && /^https?:$/.test(url.protocol)) return url.href.replace(/\/+$/, '');
  throw new Error(
    'HEADGATE_TEMPORAL_UI is no address that can be handed on; expected http:// or https:// with a host, and no user, password, query or fragment, such as https://temporal.example.com.',
  );
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
