/** The connection budget measured at a real PostgreSQL: what is in force, not what somebody wrote down. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createBudgetActivities } from '../../src/activities/budget.js';
import { createSampler } from '../../src/activities/sampler.js';
import { createProbes } from '../../src/adapters/probes/registry.js';
import type { BudgetInput, BudgetResult } from '../../src/contract/activities.js';
import { ArtifactStore } from '../../src/platform/artifacts.js';
import { runChild } from '../../src/platform/children.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { createCloudWatch } from '../../src/tools/aws/cloudwatch.js';
import { createRds } from '../../src/tools/aws/rds.js';
import { type LocalServer, serve } from '../support/http-server.js';
import { noHosts } from '../support/no-hosts.js';
import { deployStep } from '../support/plans.js';
import { type PostgresServer, startPostgres } from '../support/postgres.js';
import { subjectOf } from '../support/subject.js';

describe('measureBudget', () => {
  let postgres: PostgresServer;
  let application: LocalServer;
  beforeAll(async () => {
    postgres = await startPostgres({ maxConnections: 60 });
    application = await serve((_request, response) => {
      const pool = { active: 1, total: 2, limit: 20, utilization: 10, idle: 1, waiting: 0, timeoutsTotal: 0 };
      response.end(JSON.stringify({ pool, config: {}, slowQueries: [] }));
    });
  });
  afterAll(async () => {
    await application?.close();
    await postgres?.stop();
  });

  async function measure(change: Partial<BudgetInput> = {}, otherConnections = 5): Promise<BudgetResult> {
    const redactor = new Redactor();
    const references = new References({
      allowed: ['DATABASE_URL'],
      env: { DATABASE_URL: postgres.url },
      readSecret: async () => '',
      redactor,
    });
    const probes = createProbes({
      ...noHosts,
      references,
      artifacts: new ArtifactStore('/nowhere', redactor),
      runChild,
      commandsEnabled: false,
      now: Date.now,
      secrets: { describe: async () => ({ currentVersionId: '', labels: {} }) },
      rds: createRds(),
      cloudwatch: createCloudWatch(),
    });
    const sampler = createSampler({ probes, references, redactor, now: Date.now });
    const deploy = deployStep('production');
    const url = `${application.url}/admin/metrics/database`;
    deploy.config.beforePromotion = [
      { name: 'pool', kind: 'poolMetrics', config: { url }, expect: [], timeoutMs: 2_000 },
    ];
    const { context, release } = subjectOf('/', application.url);
    const input: BudgetInput = {
      context,
      stage: 'production',
      budget: { poolLimitKey: 'POOL', otherConnections },
      deploy,
      newLimit: 30,
      release,
      databaseUrl: '${env:DATABASE_URL}',
      ...change,
    };
    const activities = createBudgetActivities({ sampler });
    return new MockActivityEnvironment().run(() => activities.measureBudget(input));
  }

  it('fits: the live pool as the release tells it, the new one as the plan says', async () => {
    const result = await measure();
    expect(result).toMatchObject({ used: 20 + 30 + 5 + 3, effectiveMaximum: 60 });
    expect(result.fault).toBeUndefined();
    expect(result.warnings).toEqual([expect.stringContaining('At the next deploy')]);
  });

  it('does not fit: a fault with the sum', async () => {
    const { fault } = await measure({ newLimit: 50 });
    expect(fault).toContain(
      '20 of live v1.0.1 + 50 of new v1.0.1 + 5 of other clients + 3 reserved = 78 connections',
    );
  });

  it('an immediate deploy has no two releases at once', async () => {
    const deploy = deployStep('production', 'immediate');
    expect((await measure({ newLimit: 50, deploy })).fault).toBeUndefined();
  });

  it('a database that nobody names, or that does not answer, is said and no fault', async () => {
    expect(await measure({ databaseUrl: undefined })).toMatchObject({
      warnings: [expect.stringContaining('was not measured')],
    });
    const unreachable = await measure({ databaseUrl: 'postgres://a:b@127.0.0.1:1/c' });
    expect([unreachable.fault, unreachable.warnings.length]).toEqual([undefined, 1]);
  });
});
