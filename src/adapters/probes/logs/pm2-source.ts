/** The log of a process of pm2: the files that pm2 itself names, each read on from where it was left. */
import { createHash } from 'node:crypto';
import type { Json } from '../../../plan/resolved.js';
import { isObject, parseJson } from '../endpoint.js';
import { Merge } from '../merge.js';
import { createFileSource } from './file-source.js';
import { type Host, linesOf } from './host.js';
import { type LogBatch, type LogFrom, type LogSource, LogUnread } from './source.js';

/** The whole environment of every process stands in the list. */
const LIST_BYTES = 8 * 1024 * 1024;

export function createPm2Source(host: Host, name: string): LogSource {
  return {
    async *batches(from) {
      const paths = await findPaths(host, name, from.signal);
      const sourceOf = host.isWorker ? createFileSource : (path: string) => createRemoteFile(host, path);
      yield* mergeFiles(new Map(paths.map((path) => [path, sourceOf(path)])), from);
    },
  };
}

async function findPaths(host: Host, name: string, signal: AbortSignal): Promise<string[]> {
  const { stdout } = await host.run(['pm2', 'jlist'], { signal, outputLimitBytes: LIST_BYTES });
  // Its daemon may have something to say before.
  const listed = stdout.split('\n').map(parseJson).findLast(Array.isArray);
  if (!listed) {
    throw new LogUnread('error', `pm2 jlist on ${host.name} printed something else than its list`);
  }
  const processes = listed.filter(isObject);
  const named = processes.filter((process) => process.name === name);
  const paths = named.flatMap(({ pm2_env: env }) =>
    isObject(env) ? [env.pm_out_log_path, env.pm_err_log_path] : [],
  );
  const files = [...new Set(paths)].flatMap((path) =>
    typeof path === 'string' && path !== '' && path !== '/dev/null' ? [path] : [],
  );
  if (files.length > 0) return files;
  const others = [
    ...new Set(processes.flatMap(({ name: other }) => (typeof other === 'string' ? [other] : []))),
  ];
  throw new LogUnread(
    'inconclusive',
    named.length > 0
      ? `pm2 on ${host.name} keeps no log of ${name}`
      : `pm2 on ${host.name} has no process "${name}"; it has: ${others.join(', ') || 'none'}`,
  );
}

/** One cursor for all of them, by path. */
async function* mergeFiles(files: Map<string, LogSource>, from: LogFrom): AsyncGenerator<LogBatch> {
  const left = new AbortController();
  const signal = AbortSignal.any([from.signal, left.signal]);
  const known = isObject(from.cursor) ? from.cursor : {};
  const cursors: { [path: string]: Json } = {};
  const behind = new Set(files.keys());
  const merge = new Merge<{ path: string; batch: LogBatch }>();
  for (const [path, source] of files)
    merge.add(named(path, source.batches({ ...from, signal, cursor: known[path] })));
  try {
    for await (const { path, batch } of merge) {
      cursors[path] = batch.cursor;
      if (batch.caughtUp) behind.delete(path);
      yield { ...batch, cursor: { ...cursors }, caughtUp: behind.size === 0 };
    }
  } finally {
    left.abort();
  }
}

async function* named(path: string, batches: AsyncIterable<LogBatch>) {
  for await (const batch of batches) yield { path, batch };
}

/**
 * Over SSH a file is read from the last line that is known on, that one included: when it is another now, the file has
 * been emptied or replaced.
 */
function createRemoteFile(host: Host, path: string): LogSource {
  return {
    async *batches({ cursor, signal }) {
      const known = isObject(cursor) && typeof cursor.line === 'number' ? cursor : undefined;
      let line = known ? Number(known.line) : 0;
      let digest = known?.digest ?? null;
      let isBoundary = line > 0;
      const argv = ['tail', '-n', `+${Math.max(line, 1)}`, '--', path];
      for await (const lines of linesOf(host, argv, { signal })) {
        const gap =
          isBoundary && digestOf(lines[0] ?? '') !== digest ? `${path} has been replaced` : undefined;
        const fresh = isBoundary && gap === undefined ? lines.slice(1) : lines;
        isBoundary = false;
        line += fresh.length;
        digest = digestOf(lines.at(-1) ?? '');
        yield {
          lines: fresh.map((text) => ({ text })),
          cursor: { line, digest },
          caughtUp: false,
          ...(gap === undefined ? {} : { gap }),
        };
      }
      const isShorter = isBoundary ? { gap: `${path} has been emptied` } : {};
      yield { lines: [], cursor: { line, digest }, caughtUp: true, ...isShorter };
    },
  };
}

function digestOf(line: string): string {
  return createHash('sha256').update(line).digest('hex').slice(0, 16);
}
