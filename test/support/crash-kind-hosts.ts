/** `deploy` to a host by SSH and to a stack of Docker Swarm, killed while something is under way there. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import type { Json } from '../../src/plan/resolved.js';
import { runChild } from '../../src/platform/children.js';
import { heldAt, type Subject, type World } from './crash-kind.js';
import { program, whenHeld } from './crash-place.js';
import { dockerIsMissing } from './docker.js';
import { type DockerEngine, startDockerEngine } from './docker-engine.js';
import { openHostPrograms } from './host-programs.js';
import { waitFor } from './processes.js';
import { startSshHost } from './ssh-host.js';
import { sshdIsMissing } from './sshd.js';

const FACT_TIMEOUT_MS = 60_000;
const healthy: Json = { http: { url: '${release:url}/probe' }, expect: { path: 'status', equals: 200 } };

interface HostSeen {
  /** Commit that stands there. */
  head: string;
  /** As it was deployed; undefined before anything was. */
  record?: { version: string; phase: string };
}

export const sshDeploy: Subject<World<HostSeen>> = {
  name: 'deploy by ssh',
  missing: sshdIsMissing() ? 'no SSH server' : undefined,
  acts: ['promoteRelease'],
  async open(place) {
    const programs = await openHostPrograms(join(place.folder, 'host'));
    const host = await startSshHost({ programs: [programs.bin], environment: programs.environment });
    const ssh: Json = {
      host: host.sshd.host,
      directory: host.directory,
      systemd: 'booking',
      build: program('crash-program.mjs', place.folder, 'build', 'act'),
      url: place.server.url,
    };
    return {
      probes: { healthy },
      steps: [{ deploy: { ssh, strategy: 'immediate', afterPromotion: ['healthy'] } }],
      env: { HEADGATE_SSH_CONFIG: host.sshd.config },
      read: async () => ({
        head: host.git('rev-parse', 'HEAD'),
        record: await host.record().catch(() => undefined),
      }),
      expectPromoted(_before, { head, record }) {
        expect(head).toBe(host.commitOf('v1.0.1'));
        expect(record).toMatchObject({ version: 'v1.0.1', phase: 'up' });
      },
      expectRestored(before, { head, record }) {
        expect(head).toBe(before.head);
        expect(record).toMatchObject({ version: 'v1.0.0', phase: 'up' });
      },
      close: () => host.close(),
    };
  },
  during: [heldAt('the build is under way', 'before build act')],
  undo: [
    {
      name: 'the commit of before is built',
      async arm({ world, place, kill }) {
        const isUp = async () => (await world.read()).record?.phase === 'up';
        await waitFor(isUp, 'the new release', FACT_TIMEOUT_MS);
        await whenHeld(place, 'before build act', kill);
      },
    },
  ],
};

type StackSeen = ReturnType<DockerEngine['services']>;

interface StackWorld extends World<StackSeen> {
  engine: DockerEngine;
}

export const stackDeploy: Subject<StackWorld> = {
  name: 'deploy of a stack',
  missing: dockerIsMissing() ? 'no docker command line' : undefined,
  acts: ['promoteRelease'],
  async open(place) {
    const engine = await startDockerEngine();
    // Beside the plan.
    const file = join(place.folder, 'plan', 'docker-stack.yml');
    await mkdir(dirname(file), { recursive: true });
    const service = { image: 'registry.example.com/booking:${HEADGATE_VERSION}', deploy: { replicas: 2 } };
    await writeFile(file, JSON.stringify({ services: { backend: service } }));
    const env = { DOCKER_HOST: engine.host, DOCKER_CONFIG: join(place.folder, '.docker') };
    const first = ['stack', 'deploy', '--compose-file', file, '--detach', 'booking'];
    await runChild({ file: 'docker', args: first, env: { ...env, HEADGATE_VERSION: 'v1.0.0' } });
    const dockerStack: Json = { file: 'docker-stack.yml', stack: 'booking', url: place.server.url };
    return {
      ...{ engine, env, probes: { healthy } },
      steps: [{ deploy: { dockerStack, strategy: 'rolling', afterPromotion: ['healthy'] } }],
      read: async () => engine.services(),
      expectPromoted(_before, after) {
        expect(after).toMatchObject([{ image: expect.stringContaining(':v1.0.1@') }]);
        expect(engine.faults).toEqual([]);
      },
      expectRestored(before, after) {
        expect(after).toEqual(before);
        expect(engine.faults).toEqual([]);
      },
      close: () => engine.close(),
    };
  },
  during: [changed('swarm has been told', 1)],
  undo: [changed('swarm has been told to go back', 2)],
};

/** Kills when a service has been updated so often. */
function changed(name: string, times: number) {
  return {
    name,
    async arm({ world, kill }: { world: StackWorld; kill: () => Promise<void> }) {
      const updates = () => world.engine.writes.filter((write) => write.endsWith('/update')).length;
      await waitFor(() => updates() >= times, name, FACT_TIMEOUT_MS);
      await kill();
    },
  };
}
