/** How each fault is done, to real parts. */
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Health } from './control.js';
import { MALFORMED } from './malformed.js';
import { handleOf, type Scene } from './scene.js';
import type { Fault, FaultName } from './schedule.js';
import type { WorkerProcess } from './workers.js';

export interface Strike {
  scene: Scene;
  fault: Fault;
  /** Who came to the fact, where a worker did. */
  worker: string | undefined;
  /** Then, or when the run is over. */
  later: (ms: number, work: () => unknown) => void;
  /** It has struck when this is met, and not before. */
  when: (what: 'health' | 'program') => void;
  /** Goes on beside the run, which ends after it. */
  carryOn: (work: Promise<unknown>) => void;
}

type Strikes = Partial<Record<FaultName, (strike: Strike) => Promise<void>>>;

/** Longer than a file that nobody can write is tried by one attempt. */
const LONG_MS = 8_000;

export const STRIKES: Strikes = {
  'worker killed': async (strike) => {
    const { workers } = strike.scene.lane;
    await workers.kill(victimOf(strike));
    replace(strike);
  },

  'worker stopped (SIGTERM)': async (strike) => {
    strike.carryOn(strike.scene.lane.workers.stop(victimOf(strike)));
    replace(strike);
  },

  'Temporal server killed': ({ scene }) => scene.lane.server.kill(scene.schedule.awayMs),

  'PostgreSQL restarted': ({ scene }) => scene.lane.rds.restart(),

  'PostgreSQL cut off': async ({ scene, fault, later }) => {
    const { database } = scene.lane;
    await database.setFault('refuse');
    database.cutAll();
    later(fault.forMs, () => database.setFault(undefined));
  },

  'health endpoint flaps': async (strike) => sicken(strike, 'ill'),
  'health endpoint answers nonsense': async (strike) => {
    const ways: Health[] = ['text', 'cut short', 'cut', 'late'];
    sicken(strike, ways[strike.fault.times % ways.length] ?? 'text');
  },

  'program fails': async ({ scene, fault, when }) => {
    when('program');
    scene.lane.control.failing = fault.times;
  },

  abort: async ({ scene, fault }) => {
    const answer = { by: 'ana', reason: 'chaos' };
    if (fault.same) await scene.lane.headgate.send(scene.ground.application, 'abort', answer);
    else await handleOf(scene).signal('abort', answer);
  },

  cancel: async ({ scene }) => void (await handleOf(scene).cancel()),

  'hold and resume': async ({ scene }) => {
    await scene.lane.headgate.send(scene.ground.application, 'hold', { by: 'ana' });
  },

  'malformed answers': async ({ scene }) => {
    const handle = handleOf(scene);
    for (const { name, input } of MALFORMED) await handle.signal(name, input);
  },

  'secret changed by a colleague': (strike) => meddle(strike, 'secret'),
  'file changed by a colleague': (strike) => meddle(strike, 'config'),
  'infrastructure changed by a colleague': (strike) => meddle(strike, 'infra'),
  'branch pushed to by a colleague': (strike) => meddle(strike, 'git'),
  'release deployed by a colleague': (strike) => meddle(strike, 'deploy'),

  'old release restarts by itself': async ({ scene, fault }) => {
    const deploy = scene.world.deploys.get(`${fault.stage}/deploy`);
    await deploy?.restartOld();
  },

  'file cannot be written': async ({ scene, fault, later }) => {
    const config = scene.world.configs.get(`${fault.stage}/config`);
    await config?.bar();
    later(fault.same ? LONG_MS : fault.forMs, () => config?.unbar());
  },

  'artifacts cannot be written': async ({ scene, fault, later }) => {
    const folder = join(scene.lane.home, 'artifacts');
    const away = `${folder}.away`;
    const wasThere = await rename(folder, away).then(
      () => true,
      () => false,
    );
    await writeFile(folder, 'not a folder\n');
    later(fault.forMs, async () => {
      await rm(folder, { force: true });
      if (wasThere) await rename(away, folder);
    });
  },

  'worker of another build beside': async ({ scene, fault, carryOn }) => {
    const { workers } = scene.lane;
    const before = workers.living();
    await workers.start(scene.builds.other);
    // As a deployment of workers goes on: the old ones leave.
    if (fault.same) carryOn(Promise.all(before.map((worker) => workers.stop(worker))));
  },
};

function victimOf({ scene, worker }: Strike): WorkerProcess {
  const living = scene.lane.workers.living();
  const victim = living.find(({ name }) => name === worker) ?? living[0];
  if (!victim) throw new Error('there was no worker');
  return victim;
}

function replace({ scene, carryOn }: Strike): void {
  carryOn(sleep(scene.schedule.awayMs).then(() => scene.lane.workers.start(scene.builds.ours)));
}

function sicken({ scene, fault, when, later }: Strike, health: Health): void {
  const { control } = scene.lane;
  when('health');
  control.health = health;
  later(fault.forMs, () => {
    control.health = 'well';
  });
}

async function meddle({ scene, fault }: Strike, kind: string): Promise<void> {
  const item = scene.world.items.get(`${fault.stage}/${kind}`);
  if (!item?.meddle) throw new Error(`nobody can change the ${kind} of ${fault.stage}`);
  await item.meddle(fault.same);
}
