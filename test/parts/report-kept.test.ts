/** `report` of a run that Temporal has forgotten, or has only a memo of: from the report that a worker kept. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createReportActivities } from '../../src/activities/report.js';
import { report } from '../../src/cli/commands/report.js';
import type { Context } from '../../src/cli/context.js';
import { Output } from '../../src/cli/output.js';
import { ROLLOUT_WORKFLOW, rolloutWorkflowId } from '../../src/contract/messages.js';
import type { Progress } from '../../src/contract/progress.js';
import { ArtifactStore } from '../../src/platform/artifacts.js';
import { Redactor } from '../../src/platform/redaction.js';
import { progressAt } from '../support/progress.js';
import { never } from '../support/source.js';
import { startTemporal } from '../support/temporal.js';

const FORGOTTEN = '3f2b8a52-0d6f-4a53-8b59-0d5f35f7a4c1';

let temporal: TestWorkflowEnvironment;
let home: string;
let said: string[];

beforeAll(async () => {
  temporal = await startTemporal();
  process.env.TEMPORAL_ADDRESS = temporal.address;
});
afterAll(() => temporal.teardown());
beforeEach(async () => {
  said = [];
  home = await mkdtemp(join(tmpdir(), 'headgate-report-'));
  return () => rm(home, { recursive: true, force: true });
});

function contextWith(loadArtifacts: Context['loadArtifacts']): Context {
  const other = () => Promise.reject(new Error('not asked'));
  const output = new Output({
    ...{ json: false, terminal: false, color: false, columns: 120, rows: 50 },
    ...{ stdout: (text) => void said.push(text), stderr: (text) => void said.push(text) },
  });
  return {
    output,
    interrupted: never,
    loadSandbox: other,
    loadWorker: other,
    loadSources: other,
    loadArtifacts,
  };
}

const store = () => new ArtifactStore(home, new Redactor());

async function keep(whole: Progress): Promise<void> {
  const { application, version, runId, startedBy } = whole;
  const context = { application, version, runId, startedBy, directory: '' };
  await createReportActivities({ artifacts: store() }).writeReport({ context, progress: whole });
}

const reportOf = (rollout: string, loadArtifacts: Context['loadArtifacts'] = async () => store()) =>
  report(contextWith(loadArtifacts), rollout, { format: 'md' });

it('a run that the server has forgotten is told from what a worker kept', async () => {
  await keep(progressAt({ runId: FORGOTTEN, phase: 'closed', outcome: 'rolledBack' }));
  expect(await reportOf(`shop/${FORGOTTEN}`)).toBe(0);
  expect(said.join('')).toContain('# shop v1.0.1: rolledBack');
});

it('a run that nobody has kept is unknown', async () => {
  await expect(reportOf(`shop/${FORGOTTEN}`)).rejects.toMatchObject({ name: 'ClientError', code: 'unknown' });
  expect(said).toEqual([]);
});

it('where the artifacts cannot be read it is unknown too, and said why', async () => {
  const broken = async () => ({ read: () => Promise.reject(new Error('no such bucket')) });
  await expect(reportOf(`shop/${FORGOTTEN}`, broken)).rejects.toMatchObject({ code: 'unknown' });
  expect(said).toEqual(['The kept report cannot be read: no such bucket\n']);
});

it('of a run that left only a memo the kept report is told, else the memo', async () => {
  const shortened = progressAt({ application: 'memo', steps: [], warnings: ['of the memo'] });
  const handle = await temporal.client.workflow.start(ROLLOUT_WORKFLOW, {
    workflowId: rolloutWorkflowId('memo'),
    taskQueue: 'nobody',
    memo: { startedBy: 'ana', version: 'v1.0.1', planDigest: 'd', progress: shortened },
  });
  await handle.terminate();
  await reportOf('memo');
  expect(said.join('')).toContain('of the memo');
  const runId = handle.firstExecutionRunId;
  await keep(progressAt({ application: 'memo', runId, warnings: ['of the kept report'] }));
  said = [];
  await reportOf('memo');
  expect(said.join('')).toContain('of the kept report');
  expect(said.join('')).toContain('| staging/loadTest | loadTest |');
});
