/** A real terraform for one test file, in a folder of its own. */
import { cpSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { systemClock } from '../../src/activities/clock.js';
import { createInfraActivities } from '../../src/activities/infra/index.js';
import type { InfraFound, InfraHeartbeat, InfraInput } from '../../src/contract/activities.js';
import type { InfraStepConfig } from '../../src/plan/resolved.js';
import { ArtifactStore } from '../../src/platform/artifacts.js';
import { processFacts } from '../../src/platform/process-facts.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { findOnPath } from '../../src/platform/tool-resolver.js';
import { createTerraform } from '../../src/tools/terraform/index.js';
import { findInfraTool } from '../../src/tools/terraform/program.js';
import { waitFor } from './processes.js';

type Activities = ReturnType<typeof createInfraActivities>;

const FIXTURES = new URL('../fixtures/terraform/', import.meta.url).pathname;
export const SECRET = 'canary-of-the-infrastructure';

let terraform: Promise<{ path: string }> | undefined;

/** Asked for once: it runs the program to learn its version. */
function findTerraform(): Promise<{ path: string }> {
  terraform ??= findInfraTool('terraform');
  return terraform;
}

export interface Attempt {
  attempt?: number;
  lockWaitMs?: number;
}

/** A plan's folder with a configuration in `infra`, a home, and what provisioners have written. */
export class InfraWorld {
  readonly folder: string;
  readonly beats: InfraHeartbeat[] = [];
  /** Another worker has another one. */
  home: string;
  findTool = (tool: 'terraform' | 'tofu') => (tool === 'terraform' ? findTerraform() : findInfraTool(tool));

  static async create(fixture: string): Promise<InfraWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'headgate-infra-'));
    cpSync(join(FIXTURES, fixture), join(folder, 'infra'), { recursive: true });
    await mkdir(join(folder, 'home'));
    return new InfraWorld(folder);
  }

  private constructor(folder: string) {
    this.folder = folder;
    this.home = this.file('home');
  }

  file(...names: string[]): string {
    return join(this.folder, ...names);
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  input(config: Partial<InfraStepConfig> = {}): InfraInput {
    return {
      context: {
        application: 'booking',
        version: 'v1.0.1',
        runId: 'run-1',
        directory: this.folder,
        startedBy: 'ana',
      },
      step: {
        kind: 'infra',
        id: 'infra',
        stage: 'production',
        name: 'production/infra',
        onRollback: 'revert',
        config: {
          tool: 'terraform',
          directory: 'infra',
          backendConfig: { path: this.file('state.json') },
          varFiles: [],
          targets: [],
          allow: ['terraform_data.runner', 'terraform_data.beside'],
          abortGraceMs: 10_000,
          ...config,
          vars: { log: this.file('log'), ...config.vars },
        },
      },
    };
  }

  activities({ lockWaitMs }: Attempt = {}): Activities {
    const redactor = new Redactor();
    const references = new References({
      allowed: ['SECRET', 'STATE'],
      env: { SECRET, STATE: this.file('state.json') },
      readSecret: async () => '',
      redactor,
    });
    const { home } = this;
    const terraform = createTerraform({
      findTool: (tool) => this.findTool(tool),
      env: process.env,
      home,
      redact: (text) => redactor.redact(text),
      processes: processFacts,
      lockWaitMs,
    });
    const artifacts = new ArtifactStore(home, redactor);
    return createInfraActivities({ terraform, artifacts, references, clock: systemClock });
  }

  /** One attempt of an activity, which can be cancelled. */
  begin<T>(work: (activities: Activities) => Promise<T>, options: Attempt = {}) {
    const environment = new MockActivityEnvironment({ attempt: options.attempt ?? 1 });
    environment.on('heartbeat', (beat: InfraHeartbeat) => this.beats.push(beat));
    const result: Promise<T> = environment.run(() => work(this.activities(options)));
    result.catch(() => undefined);
    return { result, cancel: () => environment.cancel() };
  }

  look(config?: Partial<InfraStepConfig>, options?: Attempt) {
    return this.begin((activities) => activities.lookInfra(this.input(config)), options).result;
  }

  apply(base: InfraFound, config?: Partial<InfraStepConfig>, options?: Attempt) {
    return this.beginApply(base, config, options).result;
  }

  beginApply(base: InfraFound, config?: Partial<InfraStepConfig>, options?: Attempt) {
    return this.begin((activities) => activities.applyInfra({ ...this.input(config), base }), options);
  }

  verify(config?: Partial<InfraStepConfig>) {
    return this.begin((activities) => activities.verifyInfra(this.input(config))).result;
  }

  undo(base: InfraFound, config?: Partial<InfraStepConfig>, options?: Attempt) {
    return this.begin((activities) => activities.undoInfra({ ...this.input(config), base }), options).result;
  }

  /** As it was before the rollout: looked at and applied. */
  async prepare(config: Partial<InfraStepConfig>): Promise<void> {
    const { found } = await this.look(config);
    await this.apply(found, config);
    await rm(join(this.home, 'artifacts'), { recursive: true, force: true });
    this.beats.length = 0;
  }

  async replaceInConfiguration(from: string, to: string): Promise<void> {
    const file = this.file('infra', 'main.tf');
    const text = await readFile(file, 'utf8');
    if (!text.includes(from)) throw new Error(`no "${from}" in the configuration`);
    await writeFile(file, text.replace(from, to));
  }

  /** Stands for tofu, where there is none: the same command line, written down and handed on. */
  async pretendTofu(): Promise<void> {
    await this.#writeProgram('tofu', `echo "$@" >> ${this.file('tofu.log')}`);
    const env = { PATH: this.folder };
    this.findTool = (tool) => findInfraTool(tool, env);
  }

  /** The real one, except for what `branch` of a shell's `case` takes over by its verb. */
  async pretendTerraform(branch: string): Promise<void> {
    const path = await this.#writeProgram('terraform', `case "$1" in ${branch} esac`);
    this.findTool = async () => ({ path });
  }

  async #writeProgram(name: string, first: string): Promise<string> {
    const { path } = await findTerraform();
    await writeFile(this.file(name), `#!/bin/sh\n${first}\nexec ${path} "$@"\n`, { mode: 0o755 });
    return this.file(name);
  }

  async waitForBeat(fact: (beat: InfraHeartbeat) => boolean): Promise<void> {
    await waitFor(() => this.beats.some(fact), 'a heartbeat that says so', 20_000);
  }

  async log(): Promise<string[]> {
    const text = await readFile(this.file('log'), 'utf8').catch(() => '');
    return text.split('\n').filter((line) => line !== '');
  }

  /** Provisioners stay where they are until `release`. */
  async hold(): Promise<void> {
    await writeFile(this.file('log.hold'), '');
  }

  async release(): Promise<void> {
    await rm(this.file('log.hold'), { force: true });
  }

  async waitForLog(line: string): Promise<void> {
    await waitFor(async () => (await this.log()).includes(line), `"${line}" in the log`, 20_000);
  }

  /** Files below the folder that hold `text`. */
  async grep(text: string): Promise<string[]> {
    const entries = await readdir(this.folder, { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    const found = await Promise.all(
      files.map(async (file) => ((await readFile(file)).includes(text) ? [file] : [])),
    );
    return found.flat();
  }

  /** Everything that was kept for people, as one text. */
  async artifacts(): Promise<Record<string, string>> {
    const folder = join(this.home, 'artifacts', 'booking', 'run-1');
    const names = await readdir(folder).catch(() => []);
    const entries = names.map(async (name) => [name, await readFile(join(folder, name), 'utf8')] as const);
    return Object.fromEntries(await Promise.all(entries));
  }

  /** Processes of this world: terraform and what its provisioners have started, by what they are called with. */
  async processes(): Promise<{ pid: number; command: string }[]> {
    const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
    const found = await Promise.all(
      pids.map(async (pid) => {
        const [command, environment] = await Promise.all(
          ['cmdline', 'environ'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')),
        );
        return { pid, command: command ?? '', environment: environment ?? '' };
      }),
    );
    return found.filter(
      ({ pid, command, environment }) =>
        pid !== process.pid &&
        (command.includes(this.folder) || environment.includes(`TF_DATA_DIR=${this.folder}`)),
    );
  }

  async terraformPid(): Promise<number> {
    const found = (await this.processes()).find(({ command }) => /\0apply\0/.test(command));
    if (!found) throw new Error('no terraform apply is running');
    return found.pid;
  }
}

/** For `describe.skipIf`: true, and said aloud, when terraform is missing. In CI a missing part is a failure. */
export async function terraformIsMissing(): Promise<boolean> {
  if (process.env.HEADGATE_TOOL_TERRAFORM || (await findOnPath('terraform'))) return false;
  const how =
    'terraform is missing: run "npm test", which installs it, put it into PATH or set HEADGATE_TOOL_TERRAFORM.';
  if (process.env.CI) throw new Error(how);
  console.warn(`SKIPPED, ${how}`);
  return true;
}
