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
import type { RunningProcess } from './part.js';
import { startAws } from './parts/aws.js';
import { type PartContext, STAGES, type StageName } from './parts/context.js';
import { startControl } from './parts/control.js';
import { databaseUrl, startPostgres } from './parts/postgres.js';
import { findPostgresBinaries, findPostgresUser } from './parts/postgres-binaries.js';
import { type Fault, ReleaseError, Releases } from './parts/releases.js';
import { createSecrets, secretIdOf } from './parts/secrets.js';
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

interface Part {
  name: string;
  stop(): Promise<void>;
}

class Supervisor {
  readonly #settings = loadSettings();
  readonly #ports = portsFrom(this.#settings.portBase);
  readonly #places = placesOf(this.#settings.home);
  readonly #state: SandboxState;
  readonly #passwords = { staging: secretText(), production: secretText() };
  readonly #adminToken = secretText();
  readonly #webhookSecret = secretText();
  readonly #aws = {
    endpoint: `http://${LOOPBACK}:${this.#ports.aws}`,
    region: 'us-east-1',
    accessKeyId: 'sandbox',
    secretAccessKey: secretText(),
  };
  readonly #context: PartContext = {
    places: this.#places,
    ports: this.#ports,
    env: { HEADGATE_HOME: this.#settings.home },
    log: (line) => process.stdout.write(`${new Date().toISOString()} ${line}\n`),
    onDeath: (message) => this.#onDeath(message),
  };
  /** In the order in which they were started; stopped in reverse. */
  readonly #parts: Part[] = [];
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
      addresses: this.#addresses(),
      parts: [],
      env: this.#environment(),
    };
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
    await Promise.all([
      this.#startProcess('temporal', () => startTemporal(this.#context, required('HEADGATE_TOOL_TEMPORAL'))),
      this.#startAws(),
      this.#startDatabases(),
      this.#startPart('sink', () => startSink(this.#ports.sink)),
    ]);
    await createSecrets(this.#aws);
    const [staging, production] = await Promise.all(STAGES.map((stage) => this.#startReleases(stage)));
    if (!staging || !production) throw new Error('no releases');
    const releases = { staging, production };
    await this.#startPart('traffic', async () => startTraffic(this.#state.addresses.production ?? ''));
    await this.#startPart('control', () =>
      startControl(this.#ports.control, { releases, setFault: (name) => this.#setFault(name, production) }),
    );
  }

  /** Secrets and databases are new: a rollout of before could not go on, and its locks would refuse the next one. */
  async #forgetEarlierWorld(): Promise<void> {
    const { folder, logs } = this.#places;
    for (const name of await readdir(logs)) {
      if (name !== 'supervisor.log') await rm(join(logs, name), { force: true });
    }
    for (const name of await readdir(folder)) {
      if (name.startsWith('temporal.db')) await rm(join(folder, name), { force: true });
    }
  }

  async #startAws(): Promise<void> {
    await this.#startPart('aws', async () => {
      const aws = await startAws(this.#context, required('HEADGATE_TOOL_MOTO'));
      this.#note('aws', aws.process);
      return aws;
    });
  }

  async #startDatabases(): Promise<void> {
    const user = await findPostgresUser();
    const binaries = await findPostgresBinaries(this.#scratch, user);
    const ports = { staging: this.#ports.postgresStaging, production: this.#ports.postgresProduction };
    await Promise.all(
      STAGES.map((stage) =>
        this.#startProcess(`postgres-${stage}`, () =>
          startPostgres(this.#context, {
            stage,
            port: ports[stage],
            scratch: this.#scratch,
            binaries,
            user,
            password: this.#passwords[stage],
          }),
        ),
      ),
    );
  }

  async #startReleases(stage: StageName): Promise<Releases> {
    const gate = new Switch();
    await gate.start(this.#ports[stage]);
    this.#parts.push({ name: `switch-${stage}`, stop: () => gate.stop() });
    const releases = new Releases(this.#context, {
      stage,
      switch: gate,
      address: this.#state.addresses[stage] ?? '',
      env: this.#applicationEnvironment(stage),
      takeFault: () => {
        const fault = this.#fault;
        if (fault === undefined || FAULT_STAGE[fault] !== stage) return undefined;
        this.#fault = undefined;
        return fault;
      },
    });
    this.#parts.push({ name: `releases-${stage}`, stop: () => releases.stop() });
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

  async #startProcess(name: string, start: () => Promise<RunningProcess>): Promise<void> {
    await this.#startPart(name, async () => {
      const running = await start();
      this.#note(name, running);
      return running;
    });
  }

  #note(name: string, { pid, log, readyMs }: RunningProcess): void {
    this.#state.parts.push({ name, status: 'up', pid, log, readyMs });
  }

  async #startPart(name: string, start: () => Promise<Omit<Part, 'name'>>): Promise<void> {
    if (this.#stopping) return;
    const part = await start();
    this.#parts.push({ name, stop: () => part.stop() });
    if (!this.#state.parts.some((known) => known.name === name)) {
      this.#state.parts.push({ name, status: 'up' });
    }
    this.#context.log(`${name} is up`);
    await this.#publish();
  }

  async #stopAll(phase: 'stopping' | 'failed'): Promise<void> {
    this.#state.phase = phase;
    await this.#publish();
    const stages = this.#parts.splice(0).reverse();
    // Applications let go of their databases first.
    for (const part of stages) {
      await part.stop().catch((error: unknown) => this.#context.log(`${part.name}: ${String(error)}`));
    }
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

  #addresses(): Record<string, string> {
    const at = (port: number) => `http://${LOOPBACK}:${port}`;
    const { temporal, temporalUi, aws, staging, production, sink, control } = this.#ports;
    return {
      temporal: `${LOOPBACK}:${temporal}`,
      temporalUi: at(temporalUi),
      aws: at(aws),
      postgresStaging: `${LOOPBACK}:${this.#ports.postgresStaging}`,
      postgresProduction: `${LOOPBACK}:${this.#ports.postgresProduction}`,
      staging: at(staging),
      production: at(production),
      sink: at(sink),
      control: at(control),
    };
  }

  /** What a worker and a client need; `sandbox.env` holds it. */
  #environment(): Record<string, string> {
    const { postgresStaging, postgresProduction, temporal, sink } = this.#ports;
    const databases = {
      STAGING_DATABASE_URL: databaseUrl({ port: postgresStaging, password: this.#passwords.staging }),
      PROD_DATABASE_URL: databaseUrl({ port: postgresProduction, password: this.#passwords.production }),
    };
    const references = {
      ...databases,
      ADMIN_TOKEN: this.#adminToken,
      WEBHOOK_SECRET: this.#webhookSecret,
      SINK_URL: `http://${LOOPBACK}:${sink}/notices`,
      SANDBOX_LOGS: this.#places.logs,
    };
    return {
      TEMPORAL_ADDRESS: `${LOOPBACK}:${temporal}`,
      ...this.#awsEnvironment(),
      ...references,
      HEADGATE_ALLOWED_REFERENCES: Object.keys(references).join(','),
      HEADGATE_HOME: this.#settings.home,
      HEADGATE_PORT_BASE: String(this.#settings.portBase),
    };
  }

  #awsEnvironment(): Record<string, string> {
    return {
      AWS_ENDPOINT_URL: this.#aws.endpoint,
      AWS_REGION: this.#aws.region,
      AWS_ACCESS_KEY_ID: this.#aws.accessKeyId,
      AWS_SECRET_ACCESS_KEY: this.#aws.secretAccessKey,
    };
  }

  #applicationEnvironment(stage: StageName): Record<string, string> {
    const port = stage === 'staging' ? this.#ports.postgresStaging : this.#ports.postgresProduction;
    return {
      ...this.#awsEnvironment(),
      DATABASE_URL: databaseUrl({ port, password: this.#passwords[stage] }),
      ADMIN_TOKEN: this.#adminToken,
      WEBHOOK_SECRET: this.#webhookSecret,
      SECRET_ID: secretIdOf(stage),
    };
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
