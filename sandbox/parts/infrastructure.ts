/** The story's terraform, applied once as if it had been there before: a rollout finds a state that it can change. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runChild } from '../../src/platform/children.js';
import { packageRoot } from '../place.js';

const FOLDER = 'examples/connection-pool-fix/infrastructure/sandbox';
const TIMEOUT_MS = 60_000;

export interface InfrastructureOptions {
  /** The program. */
  terraform: string;
  /** Folder of the state. */
  state: string;
  /** For what terraform keeps of the backend; nobody needs it afterwards. */
  scratch: string;
  vars: Record<string, string>;
}

/** @throws Error with what terraform said */
export async function applyInfrastructure(options: InfrastructureOptions): Promise<void> {
  await mkdir(options.state, { recursive: true, mode: 0o700 });
  const vars = Object.entries(options.vars).flatMap(([name, value]) => ['-var', `${name}=${value}`]);
  const path = join(options.state, 'terraform.tfstate');
  await run(options, ['init', '-input=false', '-no-color', `-backend-config=path=${path}`]);
  await run(options, ['apply', '-input=false', '-no-color', '-auto-approve', ...vars]);
}

async function run({ terraform, scratch }: InfrastructureOptions, args: string[]): Promise<void> {
  const { exitCode, stdout, stderr } = await runChild({
    file: terraform,
    args: [`-chdir=${join(packageRoot(), FOLDER)}`, ...args],
    env: { TF_DATA_DIR: join(scratch, 'terraform'), TF_IN_AUTOMATION: '1', CHECKPOINT_DISABLE: '1' },
    timeoutMs: TIMEOUT_MS,
  });
  if (exitCode === 0) return;
  throw new Error(`terraform ${args[0]} of the sandbox failed: ${(stderr || stdout).trim().slice(-500)}`);
}
