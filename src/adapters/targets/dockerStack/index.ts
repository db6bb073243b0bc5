/**
 * A stack of Docker Swarm, by the docker command line. Opaque: `docker stack deploy` tells swarm what is wanted, and
 * swarm carries it out; this follows it to its end.
 */
import { join } from 'node:path';
import type { Release } from '../../../contract/activities.js';
import { conflict, invalid } from '../../../platform/failures.js';
import { LONGEST_LOG_BYTES, type Target, type TargetCall } from '../target.js';
import { wholeLines } from '../whole-lines.js';
import { type ConvergenceTiming, followStack, TIMING, whatIsMissing } from './convergence.js';
import { type CallDocker, createCallDocker, type DockerDeps } from './docker.js';
import { readRecord, writeRecord } from './record.js';
import { refuseLeft, restoreServices } from './restore.js';
import { type Config, traits } from './schema.js';
import { readStack, type Stack, versionOf } from './stack.js';

export interface DockerStackTargetDeps extends DockerDeps {
  /** When a change counts as done; tests are quicker. */
  convergenceTiming?: ConvergenceTiming;
}

const LOG_LINES = 20_000;

export function createDockerStackTarget(deps: DockerStackTargetDeps): Target<Config> {
  const timing = deps.convergenceTiming ?? TIMING;
  const dockerOf = ({ signal }: TargetCall<Config>) => createCallDocker(deps, signal);
  const read = (docker: CallDocker, { config }: TargetCall<Config>) =>
    readStack(docker, config.stack, config.service);
  const follow = (docker: CallDocker, call: TargetCall<Config>, changed: string[], goesBack = false) => {
    const { stack, service } = call.config;
    const { signal } = call;
    const tell = (line: string) => call.tell(line);
    return followStack({ docker, stack, service, changed: new Set(changed), goesBack, signal, tell }, timing);
  };
  return {
    kind: 'dockerStack',
    staged: traits.staged,
    effect: () => 'detectable',
    files: ({ file }) => [file],
    async status(call) {
      const stack = await read(dockerOf(call), call);
      const unsettled = stack.services.map(whatIsMissing).find((line) => line !== undefined);
      return {
        live: {
          id: stack.id,
          version: versionOf(stack.main),
          url: call.config.url,
          unscaled: stack.unscaled,
        },
        candidate: null,
        scale: stack.main.scale,
        ...(unsettled === undefined ? {} : { unsettled }),
      };
    },
    prepare: async () => {
      throw invalid('The dockerStack target is opaque: it holds no release beside the live one.');
    },
    async promote(call, release) {
      const docker = dockerOf(call);
      const before = await read(docker, call);
      if (!wasDeployed(call, release)) {
        await prepareWayBack(docker, call, before, release);
        await deploy(docker, call, release.version);
        call.keep({ deployed: release.version });
      }
      const { services } = await read(docker, call);
      const after = await follow(
        docker,
        call,
        services.map(({ name }) => name),
      );
      refuseOther(after, call, release.version);
    },
    async restore(call, release) {
      const docker = dockerOf(call);
      const now = await read(docker, call);
      const record = await readRecord(docker, call.config.stack, release.id);
      if (!record) {
        if (now.id === release.id) return;
        throw noRecord(now, release);
      }
      const restored = await restoreServices(docker, now, record, call.config.service);
      await follow(docker, call, [...restored.changed], true);
      refuseLeft(restored);
    },
    async retire() {},
    async restart(call) {
      const docker = dockerOf(call);
      const { main } = await read(docker, call);
      await docker(['service', 'update', '--detach', '--force', '--with-registry-auth', main.name]);
      await follow(docker, call, [main.name]);
    },
    async logs(call, _release, which) {
      if (which === 'previous') return undefined;
      const docker = dockerOf(call);
      const { main } = await read(docker, call);
      const argv = ['service', 'logs', '--raw', '--timestamps', '--tail', String(LOG_LINES), main.name];
      const { stdout } = await docker(argv, { outputLimitBytes: LONGEST_LOG_BYTES });
      return wholeLines(stdout);
    },
  };
}

function wasDeployed({ recalled }: TargetCall<Config>, { version }: Release): boolean {
  return (
    recalled !== null &&
    typeof recalled === 'object' &&
    'deployed' in recalled &&
    recalled.deployed === version
  );
}

/**
 * Swarm keeps one specification of before, and a second deploy would put the failed one in its place: what an attempt
 * that was killed has changed is taken back first. `release` is what was looked at, under the version that is to come.
 */
async function prepareWayBack(
  docker: CallDocker,
  call: TargetCall<Config>,
  before: Stack,
  release: Release,
): Promise<void> {
  const { config } = call;
  if (before.id === release.id) {
    await writeRecord(docker, before);
    return;
  }
  const record = await readRecord(docker, config.stack, release.id);
  if (!record) return;
  call.tell(`${config.stack}: an earlier attempt was not ended; back to the start of it first`);
  await restoreServices(docker, before, record, config.service);
}

async function deploy(docker: CallDocker, call: TargetCall<Config>, version: string): Promise<void> {
  const { config, context, image } = call;
  call.tell(`docker stack deploy ${config.stack} (${version})`);
  const file = join(context.directory, config.file);
  const options = ['--compose-file', file, '--with-registry-auth', '--detach'];
  await docker(['stack', 'deploy', ...options, config.stack], {
    cwd: context.directory,
    env: {
      ...config.env,
      HEADGATE_VERSION: version,
      ...(image === undefined ? {} : { HEADGATE_IMAGE: image }),
    },
  });
}

function refuseOther({ main, name }: Stack, { config }: TargetCall<Config>, version: string): void {
  if (versionOf(main) === version) return;
  throw invalid(
    `Stack ${name} was deployed, and ${main.name} runs ${main.image}, not ${version}. Let ${config.file} take the version: image: …:\${HEADGATE_VERSION}, or \${HEADGATE_IMAGE} and "image" in the step.`,
  );
}

function noRecord({ name, main }: Stack, { id, version }: Release) {
  return conflict({
    item: `stack ${name}`,
    found: main.image,
    expected: `${version} (${id}), of which the swarm has no record`,
    command: 'docker stack deploy, with the stack file of the version of before',
  });
}
