/** Where things are: in this package, and in the sandbox's folder under HEADGATE_HOME. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folder that holds package.json, from the sources as well as from `dist`. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`No package.json above ${fileURLToPath(import.meta.url)}.`);
    folder = parent;
  }
  return folder;
}

/** A built program of ours: child processes run under a bare `node`, also when we run from the sources. */
export function builtProgram(name: string): string {
  const path = join(packageRoot(), 'dist', name);
  if (existsSync(path)) return path;
  throw new Error(`${path} is not there. Run "npm run build" first.`);
}

export interface SandboxPlaces {
  folder: string;
  state: string;
  environment: string;
  logs: string;
  data: string;
  awsRequests: string;
  /** State of the story's infrastructure. */
  terraform: string;
  /** Remote and checkout of the application. */
  repository: string;
  stagingEnv: string;
}

export function placesOf(home: string): SandboxPlaces {
  const folder = join(home, 'sandbox');
  return {
    folder,
    state: join(folder, 'state.json'),
    environment: join(folder, 'sandbox.env'),
    logs: join(folder, 'logs'),
    data: join(folder, 'data'),
    awsRequests: join(folder, 'logs', 'aws-requests.ndjson'),
    terraform: join(folder, 'terraform'),
    repository: join(folder, 'repository'),
    stagingEnv: join(folder, 'staging', '.env'),
  };
}
