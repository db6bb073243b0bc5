/**
 * The one process that owns the sandbox: it starts every part, says in the state file what is there, and stops all
 * of it when it is told to, when its owner has died, or when a part could not be started. Its parts run under
 * guardians: nothing of them outlives it, however it ends.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadSettings } from '../src/platform/settings.js';
import { applyFirstInfrastructure, publishFigures, startDatabases } from './databases.js';
import { addressesOf, applicationEnvironment, environmentOf, type SandboxKeys } from './environment.js';
import { Inventory } from './inventory.js';
import { startAws } from './parts/aws.js';
import type { PartContext, StageName } from './parts/context.js';
import { startControl } from './parts/control.js';
import { writeEnvFile } from './parts/env-file.js';
import { startMetrics } from './parts/metrics.js';
import { type Fault, ReleaseError, Releases } from './parts/releases.js';
import { makeRepository } from './parts/repository.js';
import { createSecret } from './parts/secrets.js';
import { startSink } from './parts/sink.js';
import { Switch } from './parts/switch.js';
import { startTemporal } from './parts/temporal.js';
import { startTraffic } from './parts/traffic.js';
import { placesOf } from './place.js';
import { LOOPBACK, portsFrom } from './ports.js';
import {
  isAlive,
  removeState,
  renderEnvironment,
  type SandboxState,
  writePrivate,
  writeState,
} from './state.js';

const BASE_VERSION = 'v1.0.0';
const OWNER_POLL_MS = 1_000;
const FAULT_STAGE: Record<Fault, StageName> = {
  load: 'staging',
  regression: 'production',
  flap: 'production',
};

class Supervisor {
  readonly #settings = loadSettings();
  readonly #ports = portsFrom(this.#settings.portBase);
  readonly #places = placesOf(this.#settings.home);
  readonly #state: SandboxState;
  readonly #keys: SandboxKeys = {
    passwords: { staging: secretText(), production: secretText() },
    adminToken: secretText(),
    webhookSecret: secretText(),
    aws: {
      endpoint: `http://${LOOPBACK}:${this.#ports.aws}`,
      region: 'us-east-1',
      accessKeyId: 'sandbox',
      secretAccessKey: secretText(),
    },
  };
  readonly #context: PartContext = {
    places: this.#places,
    ports: this.#ports,
    env: { HEADGATE_HOME: this.#settings.home },
    log: (line) => process.stdout.write(`${new Date().toISOString()} ${line}\n`),
    onDeath: (message) => this.#onDeath(message),
  };
  readonly #inventory: Inventory;
  #fault: Fault | undefined;
  #stopping: Promise<void> | undefined;
  #scratch = '';

  constructor() {
    this.#state = {
      id: process.env.HEADGATE_SANDBOX_ID ?? '',
      phase: 'starting',
      supervisorPid: process.pid,
      portBase: this.#settings.portBase,
      startedAt: new Date().toISOString(),
      addresses: addressesOf(this.#ports),
      parts: [],
      env: environmentOf({ ...this.#settings, ports: this.#ports, places: this.#places, keys: this.#keys }),
    };
    this.#inventory = new Inventory(this.#state, {
      publish: () => this.#publish(),
      log: this.#context.log,
    });
  }

  async run(): Promise<void> {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void this.stop());
    this.#watchOwner();
    try {
      await this.#publish();
      await this.#start();
      if (this.#stopping) return;
      await writePrivate(this.#places.environment, renderEnvironment(this.#state.env));
      this.#state.phase = 'up';
      await this.#publish();
    } catch (error) {
      this.#state.error = error instanceof Error ? error.message : String(error);
      this.#context.log(this.#state.error);
      await this.stop('failed');
    }
  }

  stop(phase: 'stopping' | 'failed' = 'stopping'): Promise<void> {
    this.#stopping ??= this.#stopAll(phase);
    return this.#stopping;
  }

  async #start(): Promise<void> {
    await mkdir(this.#places.logs, { recursive: true, mode: 0o700 });
    await this.#forgetEarlierWorld();
    this.#scratch = await makeScratch();
    const inventory = this.#inventory;
    const deps = { context: this.#context, inventory, keys: this.#keys, scratch: this.#scratch };
    // Each waits for what it needs and for nothing else: Temporal, the slowest, holds up nobody.
    const aws = inventory.start(
      'aws',
      () => startAws(this.#context, required('HEADGATE_TOOL_MOTO')),
      ({ process: { pid, log, readyMs } }) => ({ pid, log, readyMs }),
    );
    const databases = startDatabases(deps);
    const configured = Promise.all([
      databases,
      aws.then(() => createSecret(this.#keys.aws)),
      writeEnvFile(this.#places.stagingEnv),
    ]);
    const [staging, production] = await Promise.all([
      configured.then(() => this.#startReleases('staging')),
      configured.then(() => this.#startReleases('production')),
      Promise.all([aws, databases]).then((found) => publishFigures(deps, ...found)),
      databases.then(() => applyFirstInfrastructure(deps, required('HEADGATE_TOOL_TERRAFORM'))),
      inventory.startProcess('temporal', () =>
        startTemporal(this.#context, required('HEADGATE_TOOL_TEMPORAL')),
      ),
      inventory.start('sink', () => startSink(this.#ports.sink)),
      inventory.startProcess('metrics', () =>
        startMetrics(this.#context, {
          program: required('HEADGATE_TOOL_VICTORIA_METRICS'),
          scratch: this.#scratch,
        }),
      ),
      makeRepository(this.#places.repository),
    ]);
    const releases = { staging, production };
    const address = this.#state.addresses.production ?? '';
    await inventory.start('traffic', async () => startTraffic(address));
    await inventory.start('control', () =>
      startControl(this.#ports.control, { releases, setFault: (name) => this.#setFault(name, production) }),
    );
  }

  /** Secrets and databases are new: a rollout of before could not go on, and its locks would refuse the next one. */
  async #forgetEarlierWorld(): Promise<void> {
    const { folder, logs, terraform } = this.#places;
    await rm(terraform, { recursive: true, force: true });
    for (const name of await readdir(logs)) {
      if (name !== 'supervisor.log') await rm(join(logs, name), { force: true });
    }
    for (const name of await readdir(folder)) {
      if (name.startsWith('temporal.db')) await rm(join(folder, name), { force: true });
    }
  }

  async #startReleases(stage: StageName): Promise<Releases> {
    const gate = new Switch();
    await gate.start(this.#ports[stage]);
    this.#inventory.keep(`switch-${stage}`, gate);
    const releases = new Releases(this.#context, {
      stage,
      switch: gate,
      address: this.#state.addresses[stage] ?? '',
      env: applicationEnvironment(stage, {
        ports: this.#ports,
        places: this.#places,
        keys: this.#keys,
      }),
      takeFault: () => {
        const fault = this.#fault;
        if (fault === undefined || FAULT_STAGE[fault] !== stage) return undefined;
        this.#fault = undefined;
        return fault;
      },
    });
    this.#inventory.keep(`releases-${stage}`, releases);
    const startedAt = performance.now();
    await releases.startBaseline(BASE_VERSION);
    const [pid] = releases.pids();
    this.#state.parts.push({
      name: `application-${stage}`,
      status: 'up',
      readyMs: Math.round(performance.now() - startedAt),
      pid,
      log: releases.logOf(releases.status().live.id),
    });
    await this.#publish();
    return releases;
  }

  /** A release that a rollout has just promoted breaks now; else the next one that is prepared will. */
  #setFault(name: string, production: Releases): void {
    if (name === 'none') {
      this.#fault = undefined;
      return;
    }
    const fault = Object.keys(FAULT_STAGE).find((known): known is Fault => known === name);
    if (!fault) {
      const known = [...Object.keys(FAULT_STAGE), 'none'].join(', ');
      throw new ReleaseError(`There is no fault "${name}"; there are: ${known}.`);
    }
    if (fault === 'regression' && production.breakPromoted()) return;
    this.#fault = fault;
  }

  async #stopAll(phase: 'stopping' | 'failed'): Promise<void> {
    this.#state.phase = phase;
    await this.#publish();
    await this.#inventory.stopAll();
    if (this.#scratch) await rm(this.#scratch, { recursive: true, force: true, maxRetries: 3 });
    await rm(this.#places.environment, { force: true });
    if (phase === 'stopping') await removeState(this.#settings.home);
    process.exit(phase === 'failed' ? 1 : 0);
  }

  #onDeath(message: string): void {
    if (this.#stopping) return;
    this.#context.log(message);
    this.#state.error = message;
    void this.#publish();
  }

  /** A demo that was killed leaves nothing behind. */
  #watchOwner(): void {
    const owner = Number(process.env.HEADGATE_SANDBOX_OWNER);
    if (!owner) return;
    setInterval(() => {
      if (!isAlive(owner)) void this.stop();
    }, OWNER_POLL_MS).unref();
  }

  #publishing: Promise<void> = Promise.resolve();
  #publish(): Promise<void> {
    this.#publishing = this.#publishing.then(() => writeState(this.#settings.home, this.#state));
    return this.#publishing;
  }
}

function secretText(): string {
  return randomBytes(18).toString('hex');
}

/** Where PostgreSQL's own user can read too. */
async function makeScratch(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'headgate-sandbox-'));
  await chmod(folder, 0o755);
  return folder;
}

function required(name: string): string {
  const value = process.env[name];
  if (value) return value;
  throw new Error(`${name} is not set; the sandbox is started by "headgate sandbox up".`);
}

await new Supervisor().run();
