/** The log of a service of docker compose. Its lines bear their time, so that only what is new is asked for. */
import { createHash } from 'node:crypto';
import type { Json } from '../../../plan/resolved.js';
import { isObject } from '../endpoint.js';
import { type Host, linesOf } from './host.js';
import { type LogLine, type LogSource, LogUnread } from './source.js';

/** Containers are read one after the other, and clocks are coarse: lines of these last moments are asked for again. */
const OVERLAP_MS = 2_000;

export function createComposeSource(host: Host, service: string, directory: string | undefined): LogSource {
  return {
    async *batches({ cursor, sinceMs, signal }) {
      const place = { signal, directory };
      const overlap = new Overlap(cursor);
      const fromMs = overlap.fromMs ?? sinceMs;
      const since = fromMs === undefined ? [] : ['--since', new Date(fromMs).toISOString()];
      const argv = ['docker', 'compose', 'logs', '--no-color', '--no-log-prefix', '--timestamps', ...since];
      for await (const lines of linesOf(host, [...argv, '--', service], place)) {
        yield { lines: lines.flatMap((line) => overlap.take(line)), cursor: null, caughtUp: false };
      }
      if (overlap.isEmpty) await requireContainer(host, service, place);
      yield { lines: [], cursor: overlap.cursor(), caughtUp: true };
    },
  };
}

/** What has never been started says nothing: that is no evidence. */
async function requireContainer(
  host: Host,
  service: string,
  place: { signal: AbortSignal; directory?: string },
): Promise<void> {
  const { stdout } = await host.run(['docker', 'compose', 'ps', '--all', '--quiet', '--', service], place);
  if (stdout.trim() !== '') return;
  throw new LogUnread(
    'inconclusive',
    `docker compose on ${host.name} has no container of service ${service}`,
  );
}

/** Lines of the last moments, by their digests: what comes again is left out as often as it was seen. */
class Overlap {
  readonly fromMs: number | undefined;
  readonly #seen = new Map<string, number>();
  readonly #again = new Map<string, { atMs: number; times: number }>();
  #newestMs: number | undefined;

  constructor(cursor: Json | undefined) {
    if (!isObject(cursor) || typeof cursor.newestMs !== 'number' || !isObject(cursor.seen)) return;
    this.#newestMs = cursor.newestMs;
    this.fromMs = cursor.newestMs - OVERLAP_MS;
    for (const [digest, times] of Object.entries(cursor.seen)) this.#seen.set(digest, Number(times));
  }

  get isEmpty(): boolean {
    return this.#newestMs === undefined;
  }

  /** None when it has been seen before. */
  take(line: string): LogLine[] {
    const [, time = '', text = line] = /^(\S+) (.*)$/.exec(line) ?? [];
    const parsed = Date.parse(time);
    const atMs = Number.isFinite(parsed) ? parsed : (this.#newestMs ?? 0);
    const digest = createHash('sha256').update(line).digest('base64').slice(0, 12);
    this.#newestMs = Math.max(this.#newestMs ?? atMs, atMs);
    const again = this.#again.get(digest);
    this.#again.set(digest, { atMs, times: (again?.times ?? 0) + 1 });
    const left = this.#seen.get(digest) ?? 0;
    if (left > 0) this.#seen.set(digest, left - 1);
    if (this.#again.size % 10_000 === 0) this.#forget();
    return left > 0 ? [] : [{ text, atMs }];
  }

  cursor(): Json {
    if (this.#newestMs === undefined) return null;
    this.#forget();
    const seen = [...this.#again].map(([digest, { times }]) => [digest, times] as const);
    return { newestMs: this.#newestMs, seen: Object.fromEntries(seen) };
  }

  #forget(): void {
    const fromMs = (this.#newestMs ?? 0) - OVERLAP_MS;
    for (const [digest, { atMs }] of this.#again) if (atMs < fromMs) this.#again.delete(digest);
  }
}
