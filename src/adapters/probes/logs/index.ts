/** Lines of a log that match a pattern: of a file, or of what a command prints. */
import { resolve } from 'node:path';
import type { NoSample } from '../endpoint.js';
import type { Probe, Sample, SampleRequest } from '../probe.js';
import { type ProgramDeps, runProgram } from '../program.js';
import { FileCounters } from './file-counter.js';
import { LineCounter, type LogCount } from './line-counter.js';
import { rateRatio } from './rate.js';
import type { Config } from './schema.js';

export interface LogsProbeDeps extends ProgramDeps {
  now: () => number;
}

/**
 * Sample: `{ count, lines, newest }`, and with `comparedTo: before` also `rateRatio`. `count` is of matching lines
 * since the rollout started, as far as lines carry a time; without times all lines count. `lines` are three of them.
 */
export function createLogsProbe(deps: LogsProbeDeps): Probe<Config> {
  const files = new FileCounters();
  return {
    kind: 'logs',
    writes: () => false,
    inForcePaths: () => [],
    async sample(request) {
      request.signal.throwIfAborted();
      const pattern = compile(request.config.pattern);
      if (!pattern)
        return { kind: 'error', message: `pattern: /${request.config.pattern}/ is no regular expression` };
      const count = await countLines(request, pattern, deps, files);
      return 'kind' in count ? count : describeCount(count, request, deps.now());
    },
  };
}

function compile(pattern: string): RegExp | undefined {
  try {
    return new RegExp(pattern);
  } catch {
    return undefined;
  }
}

async function countLines(
  request: SampleRequest<Config>,
  pattern: RegExp,
  deps: LogsProbeDeps,
  files: FileCounters,
): Promise<LogCount | NoSample> {
  const { config, subject, signal } = request;
  const sinceMs = startOf(request);
  if (config.file !== undefined) {
    const path = resolve(subject.context.directory, config.file);
    return files.count(path, pattern, sinceMs, signal);
  }
  if (config.command === undefined) {
    return {
      kind: 'error',
      message:
        'there is no log to read: give "file" or "command" (this version cannot ask a target for its log)',
    };
  }
  return countOutput(request, config.command, new LineCounter(pattern, sinceMs), deps);
}

async function countOutput(
  { subject, timeoutMs, signal }: SampleRequest<Config>,
  argv: string[],
  counter: LineCounter,
  deps: LogsProbeDeps,
): Promise<LogCount | NoSample> {
  const onLine = (line: string) => counter.take(line);
  const ended = await runProgram({ argv, subject, timeoutMs, signal, onLine }, deps);
  return ended.kind === 'done' ? counter.result() : ended;
}

function startOf({ subject }: SampleRequest<Config>): number | undefined {
  const { startedAt } = subject.context;
  const startedAtMs = startedAt === undefined ? Number.NaN : Date.parse(startedAt);
  return Number.isFinite(startedAtMs) ? startedAtMs : undefined;
}

function describeCount(count: LogCount, request: SampleRequest<Config>, nowMs: number): Sample {
  const base = { count: count.since, lines: count.lines, newest: count.newest ?? null };
  if (request.config.comparedTo === undefined) return { kind: 'sample', value: base };
  const ratio = rateRatio(count, startOf(request), nowMs);
  return ratio.kind === 'ratio' ? { kind: 'sample', value: { ...base, rateRatio: ratio.value } } : ratio;
}
