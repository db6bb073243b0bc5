/** A call of a target as the deploy activity makes it. */
import type { TargetCall } from '../../src/adapters/targets/target.js';
import type { Json } from '../../src/plan/resolved.js';
import { subjectOf } from './subject.js';

type Config = { [key: string]: Json };

export interface RecordedCall extends TargetCall<Config> {
  /** What was said with `tell`, oldest first. */
  said: string[];
  /** What was kept, newest last; a next attempt recalls it. */
  kept: Json[];
}

/** `context.version` is v1.0.1. */
export function targetCall(
  directory: string,
  config: Config,
  change: Partial<TargetCall<Config>> = {},
): RecordedCall {
  const { context, stage } = subjectOf(directory);
  const said: string[] = [];
  const kept: Json[] = [];
  return {
    config,
    context,
    stage,
    step: `${stage}/deploy`,
    strategy: 'blueGreen',
    keep: (value) => void kept.push(value),
    tell: (line) => void said.push(line),
    signal: new AbortController().signal,
    said,
    kept,
    ...change,
  };
}
