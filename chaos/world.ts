/** What a run works on: the things of its steps, and the plan that names them. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Json, ResolvedPlan } from '../src/plan/resolved.js';
import { loadPlan } from '../src/platform/load-plan.js';
import { type ConfigItem, openConfig } from './items/config.js';
import { type DeployItem, openDeploy } from './items/deploy.js';
import { openGit } from './items/git.js';
import { openInfra } from './items/infra.js';
import type { Ground, Item } from './items/item.js';
import { openReboot } from './items/reboot.js';
import { openRun, type RunItem } from './items/run.js';
import { openSecret, type SecretItem } from './items/secret.js';
import type { DrawnStage, DrawnStep, Schedule } from './schedule.js';

export interface World {
  plan: ResolvedPlan;
  /** By step: `production/secret`. */
  items: Map<string, Item>;
  configs: Map<string, ConfigItem>;
  deploys: Map<string, DeployItem>;
  runs: Map<string, RunItem>;
}

type Probes = { [name: string]: Json };

export async function openWorld(
  ground: Ground,
  schedule: Schedule,
  gitEnv: NodeJS.ProcessEnv,
): Promise<World> {
  await mkdir(ground.planFolder, { recursive: true });
  const world = {
    items: new Map<string, Item>(),
    configs: new Map<string, ConfigItem>(),
    deploys: new Map<string, DeployItem>(),
    runs: new Map<string, RunItem>(),
  };
  const probes = commonProbes(ground);
  const stages: Json[] = [];
  for (const stage of schedule.stages) {
    const opened = new Stage(ground, world, stage, gitEnv, probes);
    stages.push({ name: stage.name, steps: await opened.steps(stage === schedule.stages.at(-1)) });
  }
  ground.control.gate = schedule.ending === 'fails' ? 503 : 200;
  const plan = await writePlan(ground, schedule, { probes, stages });
  return { plan, ...world };
}

function commonProbes({ control, application }: Ground): Probes {
  const bearer = '${env:CHAOS_TOKEN}';
  control.pages.set(`/health/${application}`, () => ({ ok: true, waiting: 0 }));
  return {
    health: {
      http: { url: `${control.url}/health/${application}`, bearer },
      expect: [
        { path: 'status', equals: 200 },
        { path: 'body.ok', equals: true },
      ],
      timeout: '2s',
    },
    gate: {
      http: { url: `${control.url}/gate/${application}`, bearer },
      expect: { path: 'status', equals: 200 },
      timeout: '2s',
    },
    database: {
      postgres: { url: '${env:DATABASE_URL}', query: 'select 1 as n' },
      expect: { path: 'rows.0.n', equals: 1 },
      timeout: '2s',
    },
  };
}

/** Kinds that change nothing. */
type GateStep = Extract<DrawnStep, { kind: 'check' | 'approval' | 'monitor' | 'loadTest' }>;

function isGate(step: DrawnStep): step is GateStep {
  return ['check', 'approval', 'monitor', 'loadTest'].includes(step.kind);
}

class Stage {
  #secret: SecretItem | undefined;
  #config: ConfigItem | undefined;

  constructor(
    private readonly ground: Ground,
    private readonly world: Omit<World, 'plan'>,
    private readonly stage: DrawnStage,
    private readonly gitEnv: NodeJS.ProcessEnv,
    private readonly probes: Probes,
  ) {}

  async steps(isLast: boolean): Promise<Json[]> {
    const steps: Json[] = [];
    for (const step of this.stage.steps) steps.push(await this.#open(step));
    if (isLast) steps.push({ id: 'gate', check: { probes: ['gate'], timeout: '1s', interval: '500ms' } });
    return steps;
  }

  async #open(step: DrawnStep): Promise<Json> {
    if (isGate(step)) return this.#openGate(step);
    const item = await this.#openItem(step);
    this.world.items.set(item.step, item);
    const config = { ...(item.config as { [key: string]: Json }) };
    if ('onRollback' in step && step.onRollback) config.onRollback = step.onRollback;
    return config;
  }

  async #openGate(step: GateStep): Promise<Json> {
    switch (step.kind) {
      case 'check':
        return { check: { probes: [step.probe], timeout: '8s', interval: '300ms' } };
      case 'approval':
        return { approval: { timeout: `${step.timeoutMs}ms` } };
      case 'monitor': {
        const { probes, forMs, intervalMs, onInconclusive } = step;
        return { monitor: { for: `${forMs}ms`, interval: `${intervalMs}ms`, probes, onInconclusive } };
      }
      case 'loadTest':
        return this.#loadTest();
    }
  }

  async #openItem(step: Exclude<DrawnStep, GateStep>): Promise<Item> {
    const { ground, world } = this;
    const { name } = this.stage;
    switch (step.kind) {
      case 'config':
        this.#config = await openConfig(ground, name);
        return remember(world.configs, this.#config);
      case 'secret':
        this.#secret = await openSecret(ground, name);
        return this.#secret;
      case 'infra':
        return openInfra(ground, name);
      case 'git':
        return openGit(ground, name, this.gitEnv);
      case 'reboot':
        return openReboot(ground, name);
      case 'run':
        return remember(world.runs, await openRun(ground, name, step.verified));
      case 'deploy':
        return this.#openDeploy(step.staged);
    }
  }

  async #openDeploy(staged: boolean): Promise<Item> {
    const [secret, config] = [this.#secret, this.#config];
    const startsFrom = [...(secret ? ['secret'] : []), ...(config ? ['config'] : [])];
    const readSources = async () => ({
      file: config ? await config.limit() : 0,
      secret: secret ? await secret.limit() : 0,
    });
    const item = await openDeploy(this.ground, this.stage.name, { staged, startsFrom, readSources });
    this.probes[`inForce-${this.stage.name}`] = {
      poolMetrics: { url: item.probe.url, bearer: '${env:CHAOS_TOKEN}' },
      expect: [
        { path: 'pool.limit', gte: 0 },
        { path: 'config.secret', gte: 0 },
      ],
      timeout: '2s',
    };
    return remember(this.world.deploys, item);
  }

  async #loadTest(): Promise<Json> {
    const { control, planFolder, application } = this.ground;
    await writeFile(join(planFolder, 'load.js'), SCRIPT);
    const env = { URL: `${control.url}/load/${application}` };
    return {
      loadTest: {
        script: 'load.js',
        env,
        timeout: '30s',
        expect: [{ metric: 'iterations', path: 'count', gt: 0 }],
      },
    };
  }
}

const SCRIPT = `import http from 'k6/http';
export const options = { vus: 2, duration: '1s' };
export default function () { http.get(__ENV.URL); }
`;

function remember<Kind extends Item>(known: Map<string, Kind>, item: Kind): Kind {
  known.set(item.step, item);
  return item;
}

async function writePlan(
  { planFolder, application }: Ground,
  { deadlineMs }: Schedule,
  { probes, stages }: { probes: Probes; stages: Json[] },
): Promise<ResolvedPlan> {
  const file = join(planFolder, 'rollout.yaml');
  const document = {
    apiVersion: 'headgate/v1',
    application,
    version: 'v1.0.1',
    ...(deadlineMs === undefined ? {} : { deadline: `${deadlineMs}ms` }),
    probes: usedOf(probes, stages),
    stages,
  };
  await writeFile(file, stringify(document));
  const { plan, ...faults } = await loadPlan(file, {});
  if (!plan) throw new Error(`the plan of ${application} is not right: ${JSON.stringify(faults, null, 1)}`);
  return plan;
}

/** A probe that nothing uses is worth a warning only, but also a line of every plan. */
function usedOf(probes: Probes, stages: Json[]): Probes {
  const text = JSON.stringify(stages);
  return Object.fromEntries(Object.entries(probes).filter(([name]) => text.includes(`"${name}"`)));
}
