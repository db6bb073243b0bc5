/** What the worker's user has logged in to registries with: `config.json` of Docker, and the helpers that it names. */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { runChild } from '../../platform/children.js';
import { credentialKeyOf } from './image-name.js';

export interface CredentialDeps {
  runChild: typeof runChild;
  /** The worker's: `DOCKER_CONFIG`, and what its helpers log in with. */
  env: NodeJS.ProcessEnv;
}

/** A name and a password, or a token that is exchanged for another. */
export type Credential = { user: string; password: string } | { identityToken: string };

const configSchema = z.object({
  auths: z
    .record(z.string(), z.object({ auth: z.string().optional(), identitytoken: z.string().optional() }))
    .optional(),
  credsStore: z.string().optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
});
type DockerConfig = z.infer<typeof configSchema>;

const helperSchema = z.object({ Username: z.string(), Secret: z.string() });

const HELPER_MS = 4_000;
/** A helper is the worker's own, and logs in with what the worker has. */
const HELPER_ENVIRONMENT =
  /^(DOCKER_|AWS_|GOOGLE_|CLOUDSDK_|AZURE_|XDG_|DBUS_SESSION_BUS_ADDRESS$|GNUPGHOME$|PASSWORD_STORE_)/;

/**
 * Undefined when nobody has logged in there.
 * @throws Error that names the file or the helper, and never what is in it
 */
export async function readCredential(
  deps: CredentialDeps,
  registry: string,
  signal: AbortSignal,
): Promise<Credential | undefined> {
  const config = await readConfig(deps.env);
  const key = credentialKeyOf(registry);
  const helper = config.credHelpers?.[key] ?? config.credHelpers?.[registry] ?? config.credsStore;
  if (helper !== undefined) return askHelper(deps, helper, key, signal);
  const entry = Object.entries(config.auths ?? {}).find(
    ([name]) => name === key || hostOf(name) === registry,
  );
  if (!entry) return undefined;
  const [, { auth, identitytoken }] = entry;
  if (identitytoken) return { identityToken: identitytoken };
  const text = Buffer.from(auth ?? '', 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 1 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** `https://registry.example.com/v2/` is as good a name as the host. */
function hostOf(name: string): string {
  return name.replace(/^https?:\/\//, '').replace(/\/.*$/, '');
}

async function readConfig(env: NodeJS.ProcessEnv): Promise<DockerConfig> {
  const file = join(env.DOCKER_CONFIG || join(env.HOME ?? homedir(), '.docker'), 'config.json');
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return {};
  try {
    return configSchema.parse(JSON.parse(text));
  } catch {
    throw new Error(`${file} of the worker is not Docker's configuration: log in again (docker login)`);
  }
}

async function askHelper(
  { runChild, env }: CredentialDeps,
  helper: string,
  key: string,
  signal: AbortSignal,
): Promise<Credential | undefined> {
  const file = `docker-credential-${helper}`;
  const passed = Object.entries(env).filter(([name]) => HELPER_ENVIRONMENT.test(name));
  const { exitCode, stdout } = await runChild({
    file,
    args: ['get'],
    env: Object.fromEntries(passed.map(([name, value = '']) => [name, value])),
    stdin: { text: key },
    signal,
    timeoutMs: HELPER_MS,
  });
  if (exitCode !== 0) {
    // It says so on stdout, which holds the secret when all is well.
    if (stdout.includes('credentials not found')) return undefined;
    throw new Error(`${file} of the worker gave no login for ${key} (exit ${exitCode})`);
  }
  try {
    const { Username, Secret } = helperSchema.parse(JSON.parse(stdout));
    return Username === '<token>' ? { identityToken: Secret } : { user: Username, password: Secret };
  } catch {
    throw new Error(`${file} of the worker printed something else than a login`);
  }
}
