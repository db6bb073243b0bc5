/** One sample of a probe that a test is about. */
import type { Sample } from '../../src/adapters/probes/probe.js';
import type { CheckedProbe } from '../../src/adapters/probes/registry.js';
import type { Subject } from '../../src/contract/activities.js';
import type { Json } from '../../src/plan/resolved.js';
import { subjectOf } from './subject.js';

export function takeSample(
  probe: CheckedProbe,
  config: { [key: string]: Json },
  { subject = subjectOf('/'), timeoutMs = 10_000 }: { subject?: Subject; timeoutMs?: number } = {},
): Promise<Sample> {
  return probe.sample({ config, subject, expect: [], timeoutMs, signal: new AbortController().signal });
}
