/**
 * What on this machine is the worker's own: its credentials, its settings, what other rollouts have left. A plan names
 * paths, and the worker's user may read and write these; so that they are refused whoever has named them.
 */
import { realpath } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join, relative, resolve, sep } from 'node:path';
import { loadSettings } from './settings.js';

/** Of processes and devices (the worker's whole environment is a file there), and what containers are handed. */
const OF_THE_SYSTEM = ['/proc', '/sys', '/dev', '/run/secrets', '/var/run/secrets'];

/** What the programs that the worker runs log in with, and what decides what they run. Below the home of its user. */
const OF_THE_USER = [
  ...[
    '.aws',
    '.azure',
    '.config/gcloud',
    '.config/temporalio',
    '.docker',
    '.kube',
    '.terraform.d',
    '.terraformrc',
  ],
  ...['.ssh', '.gnupg', '.password-store', '.pgpass', '.netrc', '.vault-token', '.npmrc', '.pm2/dump.pm2'],
  ...['.gitconfig', '.git-credentials', '.config/git', '.config/gh'],
  ...[
    '.profile',
    '.bashrc',
    '.bash_profile',
    '.bash_login',
    '.zshenv',
    '.zprofile',
    '.zshrc',
    '.pam_environment',
  ],
];

/** The same, where the worker's environment names another place. */
const NAMED = [
  ...['AWS_SHARED_CREDENTIALS_FILE', 'AWS_CONFIG_FILE', 'AWS_WEB_IDENTITY_TOKEN_FILE'],
  ...['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE', 'GOOGLE_APPLICATION_CREDENTIALS', 'CLOUDSDK_CONFIG'],
  ...['TEMPORAL_CONFIG_FILE', 'TEMPORAL_TLS_CLIENT_KEY_PATH', 'TEMPORAL_TLS_CLIENT_CERT_PATH'],
  ...['KUBECONFIG', 'DOCKER_CONFIG', 'DOCKER_CERT_PATH', 'HEADGATE_SSH_CONFIG', 'PGPASSFILE'],
  ...['TF_CLI_CONFIG_FILE', 'GIT_CONFIG_GLOBAL', 'GNUPGHOME', 'HEADGATE_ALLOWED_SIGNERS'],
  ...['HEADGATE_TOOL_TERRAFORM', 'HEADGATE_TOOL_K6', 'HEADGATE_TOOL_TEMPORAL'],
];

/** Below `HEADGATE_HOME`. Checkouts of sources lie in its cache too, and are for plans. */
const OF_HEADGATE = ['artifacts', 'cache/terraform', 'cache/sftp', 'cache/tools'];

/** @param path absolute; what it leads to counts, and of what is not there yet its folder */
export async function isWorkersOwn(path: string, env: NodeJS.ProcessEnv = process.env): Promise<boolean> {
  const [real, places] = await Promise.all([follow(path), followOnce(placesOf(env))]);
  return places.some((place) => isInside(place, real));
}

const followed = new Map<string, Promise<string[]>>();

/** A log is looked at every second; where the worker keeps what is its own does not change. */
function followOnce(places: string[]): Promise<string[]> {
  const key = places.join('\n');
  const known = followed.get(key) ?? Promise.all(places.map(follow));
  followed.set(key, known);
  return known;
}

function placesOf(env: NodeJS.ProcessEnv): string[] {
  const { home } = loadSettings(env);
  const user = env.HOME || homedir();
  return [
    ...OF_THE_SYSTEM,
    ...OF_THE_USER.map((name) => join(user, name)),
    ...NAMED.flatMap((name) => (env[name] ?? '').split(delimiter)).filter((place) => place !== ''),
    ...OF_HEADGATE.map((name) => join(home, name)),
  ].map((place) => resolve(place));
}

async function follow(path: string): Promise<string> {
  return realpath(path).catch(async () => {
    const parent = resolve(path, '..');
    return parent === path ? path : join(await follow(parent), relative(parent, path));
  });
}

function isInside(place: string, path: string): boolean {
  const way = relative(place, path);
  return way !== '..' && !way.startsWith(`..${sep}`);
}
