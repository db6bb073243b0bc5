/** The log of one container, from the line that was read last on. */
import { setImmediate } from 'node:timers/promises';
import type { Cluster } from '../../../tools/kubernetes/client.js';
import { statusOfError } from '../../../tools/kubernetes/errors.js';
import type { Pod } from '../../../tools/kubernetes/kinds.js';
import { type LogLine, LogUnread } from './source.js';

/**
 * After the line that was read last: how often the container had been restarted, the line's time as the kubelet writes
 * it (empty before the first line), and how many lines of that very time were read.
 */
export type Place = readonly [restarts: number, time: string, same: number];

export interface PodPart {
  uid: string;
  lines: LogLine[];
  /** Absent when the pod has gone and everything has been read. */
  place?: Place;
  gap?: string;
}

export interface ContainerQuery {
  container?: string;
  /** The process before as well, where it has been restarted. */
  previous?: boolean;
  sinceMs?: number;
}

const MOST_LINES = 1_000;
const MOST_TIMES = 256;
const OUT_OF_ORDER_MS = 2_000;

interface Boundary {
  time: string;
  /** So many lines of that time are still to come. */
  left: number;
  isLive: boolean;
}

/** Its name and how often it was restarted; undefined when it has not begun yet. @throws LogUnread when it is not clear which is meant */
export function startedContainer(
  pod: Pod,
  wanted: string | undefined,
): { name: string; restarts: number } | undefined {
  const containers = pod.spec?.containers ?? [];
  const name = wanted ?? (containers.length === 1 ? containers[0]?.name : undefined);
  if (name === undefined || !containers.some((container) => container.name === name)) {
    const names = containers.map((container) => container.name).join(', ');
    throw new LogUnread(
      'error',
      `${nameOf(pod)} has the containers ${names}: name one of them in "container"`,
    );
  }
  const status = pod.status?.containerStatuses?.find((each) => each.name === name);
  const { state, lastState } = status ?? {};
  if (!status || !(state?.running || state?.terminated || lastState?.terminated)) return undefined;
  return { name, restarts: status.restartCount };
}

/** Everything from the place on that is there now, of the process before too where it was restarted meanwhile. */
export async function* readPod(
  cluster: Cluster,
  pod: Pod,
  query: ContainerQuery,
  place: Place | undefined,
): AsyncGenerator<PodPart> {
  const container = startedContainer(pod, query.container);
  if (!container) return;
  const { name, restarts } = container;
  const isLater = place !== undefined && place[0] < restarts;
  const before = place === undefined ? query.previous === true && restarts > 0 : isLater;
  if (before) {
    const lost =
      isLater && place[0] < restarts - 1 ? `${nameOf(pod)} was restarted more than once` : undefined;
    const reading = new ContainerLog(cluster, pod, name, lost ? undefined : place, restarts - 1);
    yield* readBefore(reading, pod, { sinceMs: query.sinceMs, lost, isLater });
  }
  const reading = new ContainerLog(cluster, pod, name, isLater ? undefined : place, restarts);
  yield* reading.parts({ sinceMs: query.sinceMs });
}

/** The node keeps the log of one process before the one that runs, and not for ever. */
async function* readBefore(
  reading: ContainerLog,
  pod: Pod,
  { isLater, ...options }: { sinceMs?: number; lost?: string; isLater: boolean },
): AsyncGenerator<PodPart> {
  try {
    yield* reading.parts({ ...options, previous: true });
  } catch (error) {
    if (![400, 404].includes(statusOfError(error) ?? 0)) throw error;
    const gap = `the log of the process of ${nameOf(pod)} before it was restarted is gone`;
    if (!isLater) throw new LogUnread('inconclusive', gap);
    yield { uid: uidOf(pod), lines: [], place: reading.place, gap };
  }
}

/** Reads one process of a container, and knows where it is. */
export class ContainerLog {
  readonly #cluster: Cluster;
  readonly #pod: Pod;
  readonly #container: string;
  readonly #restarts: number;
  #time: string;
  #same: number;
  /** How often each of the latest times was read: stdout and stderr come nearly in order, not quite. */
  readonly #times = new Map<string, number>();

  constructor(cluster: Cluster, pod: Pod, container: string, place: Place | undefined, restarts: number) {
    this.#cluster = cluster;
    this.#pod = pod;
    this.#container = container;
    this.#restarts = restarts;
    this.#time = place?.[1] ?? '';
    this.#same = place?.[2] ?? 0;
  }

  get place(): Place {
    return [this.#restarts, this.#time, this.#same];
  }

  /** Ends with the log, or when `until` is aborted. */
  async *parts(
    options: { previous?: boolean; follow?: boolean; sinceMs?: number; lost?: string },
    until?: AbortSignal,
  ): AsyncGenerator<PodPart> {
    const { previous, follow, sinceMs } = options;
    const { namespace = '', name = '' } = this.#pod.metadata ?? {};
    const sinceTime = this.#time ? `${this.#time.slice(0, 19)}Z` : timeOf(sinceMs);
    const query = { container: this.#container, timestamps: true, previous, follow, sinceTime };
    const boundary = { time: this.#time, left: this.#same, isLive: follow === true };
    let gap = options.lost;
    for await (const lines of inBunches(this.#cluster.log(namespace, name, query, until))) {
      const fresh = boundary.left > 0 ? this.#skip(lines, boundary) : { lines };
      gap ??= fresh.gap;
      const read = fresh.lines.map((line) => this.#read(line));
      if (read.length > 0 || gap !== undefined) yield this.#part(read, gap);
      gap = undefined;
    }
    if (boundary.left === 0 || follow) return yield this.#part([], gap);
    // All that is there has come later.
    this.#same = 0;
    this.#times.clear();
    yield* this.parts({ ...options, lost: this.#rotated() });
  }

  #part(lines: LogLine[], gap: string | undefined): PodPart {
    return { uid: uidOf(this.#pod), lines, place: this.place, ...(gap === undefined ? {} : { gap }) };
  }

  /**
   * Lines after the one that was read last. That it is not there any more shows at the end; of a log that goes on, by
   * a line which is later by far.
   */
  #skip(lines: string[], boundary: Boundary): { lines: string[]; gap?: string } {
    for (const [index, line] of lines.entries()) {
      const time = line.slice(0, line.indexOf(' '));
      this.#note(time);
      if (time === boundary.time) boundary.left -= 1;
      if (boundary.left === 0) return { lines: lines.slice(index + 1) };
      if (!boundary.isLive || !(Date.parse(time) > Date.parse(boundary.time) + OUT_OF_ORDER_MS)) continue;
      boundary.left = 0;
      return { lines: lines.slice(index), gap: this.#rotated() };
    }
    return { lines: [] };
  }

  #note(time: string): number {
    const same = (this.#times.get(time) ?? 0) + 1;
    this.#times.set(time, same);
    const oldest = this.#times.size > MOST_TIMES ? this.#times.keys().next().value : undefined;
    if (oldest !== undefined) this.#times.delete(oldest);
    return same;
  }

  #rotated(): string {
    return `the log of ${nameOf(this.#pod)} no longer has the line that was read last`;
  }

  #read(line: string): LogLine {
    const end = line.indexOf(' ');
    const time = end < 0 ? line : line.slice(0, end);
    const atMs = Date.parse(time);
    if (!Number.isFinite(atMs)) return { text: line };
    this.#same = this.#note(time);
    this.#time = time;
    return { text: end < 0 ? '' : line.slice(end + 1), atMs };
  }
}

function timeOf(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : new Date(ms).toISOString();
}

/** Shortened: it stands in cursors. */
export function uidOf({ metadata }: Pod): string {
  return (metadata?.uid ?? '').slice(0, 8);
}

function nameOf(pod: Pod): string {
  return `pod ${pod.metadata?.namespace}/${pod.metadata?.name}`;
}

/** As many as are there at once: each bunch is judged, and not each line. */
async function* inBunches(lines: AsyncGenerator<string>): AsyncGenerator<string[]> {
  let next = lines.next();
  for (;;) {
    const first = await next;
    if (first.done) return;
    const bunch = [first.value];
    next = lines.next();
    const pause = setImmediate(undefined);
    while (bunch.length < MOST_LINES) {
      const more = await Promise.race([next, pause]);
      if (more === undefined || more.done) break;
      bunch.push(more.value);
      next = lines.next();
    }
    yield bunch;
  }
}
