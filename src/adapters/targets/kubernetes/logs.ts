/** What the pods of a release have written last. */
import type { Release } from '../../../contract/activities.js';
import { statusOfError } from '../../../tools/kubernetes/errors.js';
import type { Pod } from '../../../tools/kubernetes/kinds.js';
import { podsOfRelease } from '../../../tools/kubernetes/releases.js';
import { LONGEST_LOG_BYTES, type LogOf } from '../target.js';
import type { Place } from './place.js';

/** The API tells the newest lines by their number only. */
const MOST_LINES = 20_000;

/** Several pods one after the other, each line with the name of its pod; undefined when there is nothing to tell. */
export async function readLogs(place: Place, release: Release, which: LogOf): Promise<string | undefined> {
  const { cluster, call } = place;
  const pods = await podsOfRelease(cluster, call.config.namespace, release.id);
  const share = Math.floor(LONGEST_LOG_BYTES / Math.max(1, pods.length));
  const logs: string[] = [];
  for (const pod of pods) {
    const prefix = pods.length > 1 ? `${pod.metadata?.name}: ` : '';
    logs.push((await newestLines(place, pod, which, { prefix, longestBytes: share })).join(''));
  }
  return logs.join('') || undefined;
}

async function newestLines(
  { cluster, call }: Place,
  pod: Pod,
  which: LogOf,
  { prefix, longestBytes }: { prefix: string; longestBytes: number },
): Promise<string[]> {
  const { namespace, container } = call.config;
  const only = pod.spec?.containers[0]?.name;
  const lines: string[] = [];
  let bytes = 0;
  try {
    const query = { container: container ?? only, previous: which === 'previous', tailLines: MOST_LINES };
    for await (const line of cluster.log(namespace, pod.metadata?.name ?? '', query)) {
      const text = `${prefix}${line}\n`;
      lines.push(text);
      bytes += Buffer.byteLength(text);
      while (bytes > longestBytes) bytes -= Buffer.byteLength(lines.shift() ?? '');
    }
  } catch (error) {
    // There was no process before this one, it has not started yet, or it has gone meanwhile.
    if (![400, 404].includes(statusOfError(error) ?? 0)) throw error;
  }
  return lines;
}
