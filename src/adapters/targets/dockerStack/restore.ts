/** The way back to what was recorded. By what a service is and was, never by "the one before": done twice, it stays. */
import { conflict } from '../../../platform/failures.js';
import type { CallDocker } from './docker.js';
import type { ServiceRecord, StackRecord } from './record.js';
import { IMAGE_LABEL, readStack, type Service, type Stack } from './stack.js';

export interface Restored {
  /** Full names of the services that were changed for it. */
  changed: Set<string>;
  /** What only a person can put right, by the name of the service. */
  left: Map<string, { found: string; expected: string; command: string }>;
}

export async function restoreServices(
  docker: CallDocker,
  now: Stack,
  record: StackRecord,
  service: string | undefined,
): Promise<Restored> {
  const changed = new Set<string>();
  const left: Restored['left'] = new Map();
  for (const [name, then] of Object.entries(record)) {
    const found = now.services.find((one) => one.name === name);
    if (!found) {
      const command = 'docker stack deploy, with the stack file of the version of before';
      left.set(name, { found: 'no such service', expected: then.image, command });
    } else if (found.digest !== then.digest) {
      await bringBack(docker, found, then);
      changed.add(name);
    }
  }
  const after = await readStack(docker, now.name, service);
  for (const { name, digest, image } of after.services) {
    const then = record[name];
    if (!then)
      left.set(name, { found: image, expected: 'no such service', command: `docker service rm ${name}` });
    else if (digest !== then.digest) left.set(name, differing(name, image, then));
  }
  return { changed, left };
}

async function bringBack(docker: CallDocker, found: Service, then: ServiceRecord): Promise<void> {
  const { name } = found;
  if (found.previousDigest === then.digest) {
    await docker(['service', 'rollback', '--detach', name]);
    return;
  }
  // It was changed more than once since. What was recorded of it is its image.
  const image = ['--image', then.image, '--label-add', `${IMAGE_LABEL}=${then.imageLabel}`];
  await docker(['service', 'update', '--detach', '--with-registry-auth', ...image, name]);
}

function differing(name: string, image: string, then: ServiceRecord) {
  return {
    found: `${image}, and other settings than were recorded`,
    expected: then.image,
    command: `docker stack deploy, with the stack file of the version of before; see docker service inspect ${name}`,
  };
}

/** @throws ApplicationFailure `Conflict` when something is left for a person */
export function refuseLeft({ left }: Restored): void {
  const [first, ...others] = left;
  if (!first) return;
  const [name, { found, expected, command }] = first;
  const more = others.length === 0 ? '' : ` (and so of ${others.map(([other]) => other).join(', ')})`;
  throw conflict({ item: `service ${name}${more}`, found, expected, command });
}
