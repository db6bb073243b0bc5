/** Docker's own parsers for Compose files and Dockerfiles, built from test/fixtures/containers. No engine is needed. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const SOURCE = fileURLToPath(new URL('../fixtures/containers', import.meta.url));

/** As compose-go prints a project; only what is asked for here. */
export interface ComposeProject {
  services: Record<string, ComposeService>;
  volumes: Record<string, unknown>;
}

export interface ComposeService {
  image?: string;
  build?: { context: string; dockerfile: string };
  entrypoint?: string[] | null;
  command?: string[] | null;
  environment?: Record<string, string>;
  env_file?: { path: string; required: boolean }[];
  depends_on?: Record<string, { condition: string }>;
  ports?: { host_ip?: string; target: number; published?: string }[];
  volumes?: { type: string; source: string; target: string; read_only?: boolean }[];
  tmpfs?: string[];
  healthcheck?: { test: string[] };
  restart?: string;
}

/** As BuildKit reads it, in the order of the file. */
export interface Dockerfile {
  instructions: { name: string; flags: string[]; args: string[] }[];
  /** Of its linter. */
  warnings: string[];
}

/** Path of the built parsers; `undefined`, and said aloud, where Go is missing. In CI a missing part is a failure. */
export function buildParsers(): string | undefined {
  const path = join(mkdtempSync(join(tmpdir(), 'headgate-containers-')), 'containers');
  try {
    execFileSync('go', ['build', '-o', path, '.'], { cwd: SOURCE, stdio: ['ignore', 'ignore', 'pipe'] });
    return path;
  } catch (error) {
    const how = `Go cannot build the parsers of Docker: ${error instanceof Error ? error.message : String(error)}`;
    if (process.env.CI) throw new Error(how);
    console.warn(`SKIPPED, ${how}`);
    return undefined;
  }
}

/** @throws Error with what the parser says, when it does not accept the file */
export async function readCompose(
  parsers: string,
  file: string,
  env: Record<string, string>,
): Promise<ComposeProject> {
  const { stdout } = await run(parsers, ['compose', file], { env });
  return JSON.parse(stdout) as ComposeProject;
}

/** @throws Error with what the parser says, when it does not accept the file */
export async function readDockerfile(parsers: string, file: string): Promise<Dockerfile> {
  const { stdout } = await run(parsers, ['dockerfile', file]);
  return JSON.parse(stdout) as Dockerfile;
}
