/** Lines of a log that match a pattern. */
import { resolve } from 'node:path';
import type { ConnectKubernetes } from '../../../tools/kubernetes/client.js';
import type { Ssh } from '../../../tools/ssh/index.js';
import type { NoSample } from '../endpoint.js';
import type { Followed, FollowRequest, Probe, Sample, SampleRequest } from '../probe.js';
import { type ProgramDeps, runProgram } from '../program.js';
import { createComposeSource } from './compose-source.js';
import { type Counting, followCount, LogCounts } from './counting.js';
import { createFileSource } from './file-source.js';
import { createHost } from './host.js';
import { createJournalSource } from './journal-source.js';
import { LineCounter, type LogCount } from './line-counter.js';
import { createPm2Source } from './pm2-source.js';
import { createPodSource } from './pod-source.js';
import { rateRatio } from './rate.js';
import type { Config } from './schema.js';
import { type LogLine, type LogSource, LogUnread } from './source.js';

export interface LogsProbeDeps extends ProgramDeps {
  now: () => number;
  /** Of the worker: `PM2_HOME` says where pm2 keeps its processes. */
  env: NodeJS.ProcessEnv;
  ssh: Ssh;
  kubernetes: ConnectKubernetes;
}

type Request = Omit<SampleRequest<Config>, 'timeoutMs'>;

const HOUR_MS = 60 * 60_000;

/**
 * Sample: `{ count, lines, newest }`, and with `comparedTo: before` also `rateRatio`. `count` is of matching lines
 * since the rollout started, as far as lines carry a time; without times all lines count. `lines` are three of them.
 */
export function createLogsProbe(deps: LogsProbeDeps): Probe<Config> {
  const counts = new LogCounts();
  return {
    kind: 'logs',
    writes: () => false,
    inForcePaths: () => [],
    async sample(request) {
      request.signal.throwIfAborted();
      const pattern = compile(request.config.pattern);
      if (!pattern) return noPattern(request.config);
      const { command } = request.config;
      const count =
        command === undefined
          ? await countSource(request, pattern, deps, counts)
          : await countOutput(request, command, new LineCounter(pattern, startOf(request)), deps);
      return 'kind' in count ? count : describeCount(count, request, deps.now());
    },
    following: {
      wanted: ({ follow }) => follow === true,
      follow: (request) => follow(request, deps),
    },
  };
}

async function* follow(request: FollowRequest<Config>, deps: LogsProbeDeps): AsyncGenerator<Followed> {
  request.signal.throwIfAborted();
  const pattern = compile(request.config.pattern);
  if (!pattern) return yield { sample: noPattern(request.config) };
  let { cursor } = request;
  try {
    for await (const found of followCount(countingOf(request, pattern, deps), cursor)) {
      cursor = found.cursor;
      const sample = describeCount(found.count, request, deps.now());
      yield { sample, cursor, ...(found.gap === undefined ? {} : { gap: found.gap }) };
    }
    yield { sample: { kind: 'error', message: 'the log has come to an end' }, cursor };
  } catch (error) {
    request.signal.throwIfAborted();
    yield { sample: explain(error), cursor };
  }
}

async function countSource(
  request: SampleRequest<Config>,
  pattern: RegExp,
  deps: LogsProbeDeps,
  counts: LogCounts,
): Promise<LogCount | NoSample> {
  const { timeoutMs, signal } = request;
  const late = AbortSignal.timeout(timeoutMs);
  const end = AbortSignal.any([signal, late]);
  try {
    return await counts.countNow(countingOf({ ...request, signal: end }, pattern, deps));
  } catch (error) {
    signal.throwIfAborted();
    if (late.aborted) return { kind: 'error', message: `the log was not read within ${timeoutMs} ms` };
    return explain(error);
  }
}

/** What a source throws is why there is nothing to count. */
function explain(error: unknown): NoSample {
  const message = error instanceof Error ? error.message : String(error);
  return { kind: error instanceof LogUnread ? error.kind : 'error', message };
}

function countingOf(request: Request, pattern: RegExp, deps: LogsProbeDeps): Counting {
  const { pattern: _text, comparedTo, follow: _follow, ...source } = request.config;
  const sinceMs = startOf(request);
  const back = comparedTo === undefined ? 0 : HOUR_MS;
  return {
    source: sourceOf(request, deps),
    key: JSON.stringify([request.subject.context.directory, source]),
    pattern,
    sinceMs,
    fromMs: sinceMs === undefined ? undefined : sinceMs - back,
    signal: request.signal,
  };
}

function sourceOf({ config, subject }: Request, deps: LogsProbeDeps): LogSource {
  const { file, kubernetes, pm2, journald, compose, directory, ssh } = config;
  const host = createHost(deps, ssh, subject.context.directory);
  if (file !== undefined) return createFileSource(resolve(subject.context.directory, file));
  if (kubernetes !== undefined) return createPodSource(deps.kubernetes, kubernetes);
  if (pm2 !== undefined) return createPm2Source(host, pm2);
  if (journald !== undefined) return createJournalSource(host, journald);
  if (compose !== undefined) return createComposeSource(host, compose, directory);
  throw new LogUnread('error', 'there is no log to read: name a source, or let the deploy target tell one');
}

function compile(pattern: string): RegExp | undefined {
  try {
    return new RegExp(pattern);
  } catch {
    return undefined;
  }
}

function noPattern({ pattern }: Config): NoSample {
  return { kind: 'error', message: `pattern: /${pattern}/ is no regular expression` };
}

async function countOutput(
  { subject, timeoutMs, signal }: SampleRequest<Config>,
  argv: string[],
  counter: LineCounter,
  deps: LogsProbeDeps,
): Promise<LogCount | NoSample> {
  const lines = new Bunches(counter);
  const onLine = (text: string) => lines.push(text);
  const ended = await runProgram({ argv, subject, timeoutMs, signal, onLine }, deps);
  if (ended.kind !== 'done') return ended;
  return lines.end() ?? counter.result();
}

const BUNCH = 500;

/** To bound the time of each line by itself would take longer than to match it. */
class Bunches {
  readonly #counter: LineCounter;
  #lines: LogLine[] = [];
  #failed: NoSample | undefined;

  constructor(counter: LineCounter) {
    this.#counter = counter;
  }

  push(text: string): void {
    this.#lines.push({ text });
    if (this.#lines.length >= BUNCH) this.#take();
  }

  /** Why there is no count; undefined when there is one. */
  end(): NoSample | undefined {
    this.#take();
    return this.#failed;
  }

  #take(): void {
    const lines = this.#lines.splice(0);
    if (this.#failed) return;
    try {
      this.#counter.take(lines);
    } catch (error) {
      this.#failed = explain(error);
    }
  }
}

function startOf({ subject }: Request): number | undefined {
  const { startedAt } = subject.context;
  const startedAtMs = startedAt === undefined ? Number.NaN : Date.parse(startedAt);
  return Number.isFinite(startedAtMs) ? startedAtMs : undefined;
}

function describeCount(count: LogCount, request: Request, nowMs: number): Sample {
  const base = { count: count.since, lines: count.lines, newest: count.newest ?? null };
  if (request.config.comparedTo === undefined) return { kind: 'sample', value: base };
  const ratio = rateRatio(count, startOf(request), nowMs);
  return ratio.kind === 'ratio' ? { kind: 'sample', value: { ...base, rateRatio: ratio.value } } : ratio;
}
