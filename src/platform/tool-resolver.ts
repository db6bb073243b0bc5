/** Finds the programs that Headgate drives, and installs what it may: environment, PATH, cache, download, `go install`. */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, rename, rm, stat } from 'node:fs/promises';
import { delimiter, dirname, join, resolve } from 'node:path';
import { runChild } from './children.js';
import { withInstallLock } from './install-lock.js';
import { loadSettings } from './settings.js';
import { downloadTool, goInstallTool } from './tool-install.js';
import { TOOL_RELEASES, type ToolName, type ToolReleases } from './tool-releases.js';

export type { ToolName } from './tool-releases.js';

export interface ResolveToolOptions {
  env?: NodeJS.ProcessEnv;
  /** Default `$HEADGATE_HOME/cache/tools`. */
  cacheDir?: string;
  /** One line of progress each; only while something takes time. */
  log?: (line: string) => void;
  signal?: AbortSignal;
  releases?: ToolReleases;
  /** Until a download server has to answer; default 5 s. */
  answerTimeoutMs?: number;
}

export interface ResolvedTool {
  /** Absolute. */
  path: string;
  /** What the tool says of itself; for what we installed, the release's number. */
  version: string;
  source: 'environment' | 'path' | 'cache' | 'download' | 'go install';
}

/** Says what is missing, what was tried and why each failed, and what to do. */
export class ToolMissingError extends Error {
  override readonly name = 'ToolMissingError';
}

/**
 * In this order: `HEADGATE_TOOL_<NAME>`, PATH (any version), the cache, the official download with a pinned
 * checksum, `go install`. What is installed appears whole or not at all; callers at the same time share one install.
 * @throws ToolMissingError when every way failed, or the environment names something that cannot be run
 */
export async function resolveTool(name: ToolName, options: ResolveToolOptions = {}): Promise<ResolvedTool> {
  const env = options.env ?? process.env;
  const there = await locateTool(name, options);
  if (there) return there;
  const { folder, cached, version } = cacheOf(name, options);
  await mkdir(dirname(folder), { recursive: true, mode: 0o700 });
  return withInstallLock(folder, name, options, async () => {
    if (await isExecutable(cached)) return { path: cached, version, source: 'cache' };
    const source = await install(name, folder, { ...options, env });
    return { path: cached, version, source };
  });
}

/**
 * As `resolveTool`, without installing anything: `undefined` when it is not there yet.
 * @throws ToolMissingError when the environment names something that cannot be run
 */
export async function locateTool(
  name: ToolName,
  options: ResolveToolOptions = {},
): Promise<ResolvedTool | undefined> {
  const env = options.env ?? process.env;
  const named = await findNamed(name, env);
  if (named) return named;
  const onPath = await findOnPath(name, env);
  if (onPath) return { path: onPath, version: await askVersion(onPath), source: 'path' };
  const { cached, version } = cacheOf(name, options);
  return (await isExecutable(cached)) ? { path: cached, version, source: 'cache' } : undefined;
}

function cacheOf(
  name: ToolName,
  { env = process.env, releases = TOOL_RELEASES, cacheDir }: ResolveToolOptions,
): { folder: string; cached: string; version: string } {
  const { version } = releases[name];
  const folder = join(cacheDir ?? join(loadSettings(env).home, 'cache', 'tools'), `${name}-${version}`);
  return { folder, cached: join(folder, name), version };
}

async function findNamed(name: ToolName, env: NodeJS.ProcessEnv): Promise<ResolvedTool | undefined> {
  const variable = variableOf(name);
  const value = env[variable];
  if (!value) return undefined;
  const path = resolve(value);
  if (await isExecutable(path)) return { path, version: await askVersion(path), source: 'environment' };
  throw new ToolMissingError(
    `${variable} is "${value}", but there is no program there that may be run. Correct it to the path of ${name}, or unset it to have ${name} looked for on PATH.`,
  );
}

/** Path of a program on PATH; `undefined` when there is none. */
export async function findOnPath(
  name: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string | undefined> {
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const folder of folders) {
    const path = resolve(folder, name);
    if (await isExecutable(path)) return path;
  }
  return undefined;
}

async function install(
  name: ToolName,
  folder: string,
  options: ResolveToolOptions & { env: NodeJS.ProcessEnv },
): Promise<'download' | 'go install'> {
  const release = (options.releases ?? TOOL_RELEASES)[name];
  const { env, signal, answerTimeoutMs = 5_000, log = () => {} } = options;
  const tried = [
    `${variableOf(name)}: not set`,
    `PATH: no ${name} in it`,
    `cache: nothing at ${join(folder, name)}`,
  ];
  const ways = { download: downloadTool, 'go install': goInstallTool } as const;
  for (const way of ['download', 'go install'] as const) {
    const temporary = `${folder}.${randomUUID()}.part`;
    try {
      await mkdir(temporary, { recursive: true, mode: 0o700 });
      await ways[way]({ name, release, into: temporary, env, log, signal, answerTimeoutMs });
      await rm(folder, { recursive: true, force: true });
      await rename(temporary, folder);
      return way;
    } catch (error) {
      signal?.throwIfAborted();
      const why = error instanceof Error ? error.message : String(error);
      log(`${name}: ${way} did not work: ${why}`);
      tried.push(`${way}: ${why}`);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  }
  throw new ToolMissingError(
    [
      `${name} is missing. Tried:`,
      ...tried.map((line) => `  ${line}`),
      `Install ${name} ${release.version} (${release.page}) and put it into PATH, or set ${variableOf(name)} to its path.`,
    ].join('\n'),
  );
}

function variableOf(name: ToolName): string {
  return `HEADGATE_TOOL_${name.toUpperCase().replaceAll('-', '_')}`;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

/** The first version number that the tool prints, else its first line: every tool words it differently. */
async function askVersion(path: string): Promise<string> {
  const { stdout, stderr } = await runChild({ file: path, args: ['version'], timeoutMs: 20_000 }).then(
    (asked) =>
      asked.exitCode === 0 ? asked : runChild({ file: path, args: ['--version'], timeoutMs: 20_000 }),
  );
  const text = `${stdout}\n${stderr}`.trim();
  return /\d+\.\d+\.\d+[\w.-]*/.exec(text)?.[0] ?? text.split('\n')[0] ?? 'unknown';
}
