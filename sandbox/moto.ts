/** The AWS API emulator: found, or installed into a Python environment of its own in the cache. */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ChildStartError, runChild } from '../src/platform/children.js';
import { withInstallLock } from '../src/platform/install-lock.js';
import { loadSettings } from '../src/platform/settings.js';
import { packageRoot } from './place.js';

const INSTALL_TIMEOUT_MS = 10 * 60_000;

export interface EnsureMotoOptions {
  env?: NodeJS.ProcessEnv;
  log?: (line: string) => void;
  signal?: AbortSignal;
}

/**
 * Path of `moto_server`: `HEADGATE_TOOL_MOTO`, else the one in `$HEADGATE_HOME/cache`, which is installed there by
 * pip when it is missing.
 * @throws Error that says what is missing (Python 3, its venv module, the packages) and how to get it
 */
export async function ensureMoto(options: EnsureMotoOptions = {}): Promise<string> {
  const { env = process.env } = options;
  if (env.HEADGATE_TOOL_MOTO) return requireNamed(resolve(env.HEADGATE_TOOL_MOTO));
  const requirements = join(packageRoot(), 'sandbox', 'moto-requirements.txt');
  const text = await readFile(requirements, 'utf8');
  const version = /^moto==(.+)$/m.exec(text)?.[1] ?? 'unknown';
  // Other pins beside the same moto are another environment.
  const pins = createHash('sha256').update(text).digest('hex').slice(0, 8);
  const folder = join(loadSettings(env).home, 'cache', `moto-${version}-${pins}`);
  const program = join(folder, 'bin', 'moto_server');
  const complete = join(folder, 'complete');
  if (await exists(complete)) return program;
  await mkdir(dirname(folder), { recursive: true, mode: 0o700 });
  return withInstallLock(folder, 'moto', options, async () => {
    if (await exists(complete)) return program;
    await install(folder, requirements, version, options);
    await writeFile(complete, text);
    return program;
  });
}

async function requireNamed(path: string): Promise<string> {
  if (await canRun(path)) return path;
  throw new Error(
    `HEADGATE_TOOL_MOTO is "${path}", but there is no program there that may be run. Correct it to the path of moto_server, or unset it to have moto installed.`,
  );
}

async function install(
  folder: string,
  requirements: string,
  version: string,
  { env = process.env, log = () => {}, signal }: EnsureMotoOptions,
): Promise<void> {
  log(`installing moto ${version} into ${folder}, about half a minute the first time`);
  const run = (file: string, args: string[]) =>
    runChild({ file, args, env: pythonEnvironment(env), signal, timeoutMs: INSTALL_TIMEOUT_MS });
  // A Python environment cannot be moved, so it is made in its place, and a file says when it is complete.
  await rm(folder, { recursive: true, force: true });
  try {
    const made = await run('python3', ['-m', 'venv', folder]);
    if (made.exitCode !== 0) throw new Error(explainVenv(made.stdout + made.stderr));
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', requirements];
    const installed = await run(join(folder, 'bin', 'python'), pip);
    if (installed.exitCode !== 0) {
      throw new Error(`pip could not install ${requirements}: ${installed.stderr.trim().slice(-500)}`);
    }
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    signal?.throwIfAborted();
    throw error instanceof ChildStartError ? new Error(EXPLAIN_PYTHON) : error;
  }
}

const ELSE_HINT = 'or set HEADGATE_TOOL_MOTO to the path of an installed moto_server';
const EXPLAIN_PYTHON = `The sandbox's AWS needs Python 3, and there is no python3 on PATH. Install it (Debian: apt-get install python3 python3-venv; macOS: brew install python3), ${ELSE_HINT}.`;

function explainVenv(output: string): string {
  const hint = /ensurepip|venv/.test(output)
    ? 'Python has no venv module. Install it (Debian: apt-get install python3-venv)'
    : 'python3 -m venv failed';
  return `The sandbox's AWS needs a Python environment: ${hint}, ${ELSE_HINT}. It said: ${output.trim().slice(-300)}`;
}

/** pip's own settings, the proxies and the certificates. */
function pythonEnvironment(env: NodeJS.ProcessEnv): Record<string, string> {
  const wanted = Object.entries(env).flatMap(([key, value]) =>
    value !== undefined && /^PIP_|^PYENV_|^(https?|no)_proxy$|^SSL_CERT_|^REQUESTS_CA_BUNDLE$/i.test(key)
      ? [[key, value] as const]
      : [],
  );
  return { ...Object.fromEntries(wanted), PATH: env.PATH ?? '' };
}

function canRun(path: string): Promise<boolean> {
  return may(path, constants.X_OK);
}

function exists(path: string): Promise<boolean> {
  return may(path, constants.F_OK);
}

async function may(path: string, mode: number): Promise<boolean> {
  return access(path, mode).then(
    () => true,
    () => false,
  );
}
