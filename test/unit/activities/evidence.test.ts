/** What an approval is bound to: the same evidence has the same digest, anything else another one. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEvidenceActivities, digestEvidence } from '../../../src/activities/evidence.js';
import type { EvidenceInput, Look } from '../../../src/contract/activities.js';
import { ArtifactStore } from '../../../src/platform/artifacts.js';
import { Redactor } from '../../../src/platform/redaction.js';
import { subjectOf } from '../../support/subject.js';

const look: Look = {
  found: {},
  changes: ['set POOL'],
  warnings: ['it rotates'],
  effect: 'idempotent',
  digest: 'a',
};
const input: EvidenceInput = {
  context: subjectOf('/').context,
  gate: 'production/approval',
  approval: { timeoutMs: 1, approvals: 1, notInitiator: false, covers: ['production/settings'] },
  planDigest: 'p',
  overrides: { wait: '1m' },
  looks: [{ step: 'production/settings', look }],
  results: ['staging/loadTest: 1841 requests'],
  compensations: ['back to version 1'],
};

describe('evidence', () => {
  let home: string;
  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'headgate-evidence-'));
  });
  afterAll(() => rm(home, { recursive: true, force: true }));
  const activities = () => createEvidenceActivities({ artifacts: new ArtifactStore(home, new Redactor()) });

  it('is eight digits over everything that was found', () => {
    const digest = digestEvidence(input);
    expect(digest).toMatch(/^[0-9a-f]{8}$/);
    expect(digestEvidence(structuredClone(input))).toBe(digest);
    const changes: Partial<EvidenceInput>[] = [
      { context: { ...input.context, runId: 'run-2' } },
      { context: { ...input.context, version: 'v2' } },
      { gate: 'staging/approval' },
      { approval: { ...input.approval, covers: [] } },
      { planDigest: 'q' },
      { overrides: { wait: '2m' } },
      { looks: [{ step: 'production/settings', look: { ...look, digest: 'b' } }] },
      { results: [] },
      { compensations: [] },
    ];
    const digests = changes.map((change) => digestEvidence({ ...input, ...change }));
    expect(new Set([digest, ...digests]).size).toBe(changes.length + 1);
  });

  it('shows who changes what, and keeps all of it beside the report', async () => {
    const evidence = await activities().composeEvidence(input);
    expect(evidence).toMatchObject({
      digest: digestEvidence(input),
      changes: ['production/settings: set POOL'],
      warnings: ['production/settings: it rotates'],
    });
    const kept = await readFile(join(home, 'artifacts/booking/run-1', evidence.artifact ?? ''), 'utf8');
    expect(JSON.parse(kept)).toMatchObject({ digest: evidence.digest, bound: { planDigest: 'p' } });
  });

  it('fits through the boundary however much there is, and the artifact has all that it was given', async () => {
    const many = {
      ...look,
      changes: Array.from({ length: 5_000 }, (_, index) => `change ${index} ${'x'.repeat(80)}`),
    };
    const evidence = await activities().composeEvidence({
      ...input,
      looks: [{ step: 'production/settings', look: many }],
    });
    expect(JSON.stringify(evidence).length).toBeLessThan(16 * 1024);
    expect(evidence.changes.at(-1)).toMatch(/^… and \d+ more$/);
    const kept = await readFile(join(home, 'artifacts/booking/run-1', evidence.artifact ?? ''), 'utf8');
    expect(kept).toContain('change 4999');
  });
});
