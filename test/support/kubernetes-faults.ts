/** A cluster in which something happens at a given moment. */
import type { Cluster, ConnectKubernetes } from '../../src/tools/kubernetes/client.js';

/** The worker died: nothing of it catches this. */
export class Killed extends Error {
  override readonly name = 'Killed';
}

/** Ends the work before or after its `nth` writing; `writes` counts those that were made. */
export function killedAt(
  connect: ConnectKubernetes,
  { nth, when }: { nth: number; when: 'before' | 'after' },
): { connect: ConnectKubernetes; writes: () => number } {
  let count = 0;
  const dying = async <T>(write: () => Promise<T>): Promise<T> => {
    count += 1;
    if (count === nth && when === 'before') throw new Killed();
    const written = await write();
    if (count === nth) throw new Killed();
    return written;
  };
  return {
    writes: () => count,
    connect: wrapped(connect, (cluster) => ({
      ...cluster,
      create: (...args) => dying(() => cluster.create(...args)),
      patch: (...args) => dying(() => cluster.patch(...args)),
    })),
  };
}

/** Something is done by somebody else right before our first patch of `kind`, when we have read already. */
export function beforePatch(
  connect: ConnectKubernetes,
  kind: string,
  happens: () => Promise<unknown>,
): ConnectKubernetes {
  let hasHappened = false;
  return wrapped(connect, (cluster) => ({
    ...cluster,
    async patch(which, ...args) {
      if (which === kind && !hasHappened) {
        hasHappened = true;
        await happens();
      }
      return cluster.patch(which, ...args);
    },
  }));
}

function wrapped(connect: ConnectKubernetes, wrap: (cluster: Cluster) => Cluster): ConnectKubernetes {
  return async (...args) => wrap(await connect(...args));
}
