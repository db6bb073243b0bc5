/**
 * The composition root: the only place that knows every adapter and every tool. One process polls two queues:
 * workflows and short activities on `headgate`, what measures for minutes on `headgate-long`, so that an undo
 * never waits for a slot behind monitors.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { NativeConnection, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import { createBudgetActivities } from './activities/budget.js';
import { systemClock } from './activities/clock.js';
import { createDeployActivities } from './activities/deploy.js';
import { createEvidenceActivities } from './activities/evidence.js';
import { createExamineActivities } from './activities/examine.js';
import { createGateActivities } from './activities/gates.js';
import { createLoadTestActivities } from './activities/load-test.js';
import { createLockActivities } from './activities/lock.js';
import { createMonitorActivities } from './activities/monitor.js';
import { createNotifyActivities } from './activities/notify.js';
import { createPlanFileActivities } from './activities/plan-files.js';
import { createReportActivities } from './activities/report.js';
import { createSampler } from './activities/sampler.js';
import { createSecretActivities } from './activities/secret.js';
import { createWindowActivities } from './activities/window.js';
import { createNotifiers } from './adapters/notifiers/registry.js';
import { createProbes } from './adapters/probes/registry.js';
import { createTargets } from './adapters/targets/registry.js';
import type { HeadgateActivities } from './contract/activities.js';
import { LONG_TASK_QUEUE, TASK_QUEUE } from './contract/messages.js';
import { ArtifactStore } from './platform/artifacts.js';
import { runChild } from './platform/children.js';
import { connectTemporal, loadTemporalOptions, type TemporalConnection } from './platform/connection.js';
import { ErrorMappingInterceptor } from './platform/failures.js';
import { createLogger } from './platform/logging.js';
import { Redactor } from './platform/redaction.js';
import { References } from './platform/references.js';
import { type Capability, loadSettings, type Settings } from './platform/settings.js';
import { resolveTool } from './platform/tool-resolver.js';
import { createK6, K6_EXIT } from './tools/k6.js';
import { secretTexts } from './tools/secret-texts.js';
import { createSecretStore } from './tools/secrets-manager.js';

export interface WorkerRunOptions {
  /** What `worker --enable` names, on top of HEADGATE_ENABLE. */
  enabled: Capability[];
  /** Written when the worker polls, removed when it has stopped. */
  pidFile?: string;
  onReady?: () => void;
}

/** A monitor's sampler waits most of its time. */
const LONG_SLOTS = 1_000;

/** Polls until SIGINT or SIGTERM, then lets running activities end or hand over. */
export async function runWorker({ enabled, pidFile, onReady }: WorkerRunOptions): Promise<void> {
  const loaded = loadSettings();
  const settings = { ...loaded, enabled: [...new Set([...loaded.enabled, ...enabled])] };
  const redactor = new Redactor();
  Runtime.install({ logger: createLogger({ redactor }), shutdownSignals: [] });
  const temporal = await connectTemporal();
  const { connectionOptions, namespace } = loadTemporalOptions();
  const connection = await NativeConnection.connect(connectionOptions);
  try {
    const activities = createActivities(settings, redactor, temporal);
    const workers = await createWorkers({ connection, namespace }, activities, redactor);
    const stop = () => workers.forEach(stopWorker);
    process.once('SIGINT', stop).once('SIGTERM', stop);
    const running = Promise.all(workers.map((worker) => worker.run()));
    if (pidFile) await writeFile(pidFile, `${process.pid}\n`);
    onReady?.();
    await running;
  } finally {
    if (pidFile) await rm(pidFile, { force: true });
    await connection.close();
    await temporal.connection.close();
  }
}

function stopWorker(worker: Worker): void {
  if (worker.getState() === 'RUNNING') worker.shutdown();
}

async function createWorkers(
  where: Pick<WorkerOptions, 'connection' | 'namespace'>,
  activities: HeadgateActivities,
  redactor: Redactor,
): Promise<Worker[]> {
  const common = {
    ...where,
    activities: { ...activities },
    dataConverter: { payloadConverterPath: pathOf('./workflows/payload-converter.cjs') },
    // A cancel reaches an activity with its heartbeats, and those are held back for as long as this.
    maxHeartbeatThrottleInterval: '1s',
    defaultHeartbeatThrottleInterval: '1s',
    shutdownGraceTime: '5s',
    interceptors: { activity: [() => ({ inbound: new ErrorMappingInterceptor(redactor) })] },
  } satisfies Partial<WorkerOptions>;
  const code = await readFile(pathOf('../workflow-bundle.js'), 'utf8');
  return [
    await Worker.create({ ...common, taskQueue: TASK_QUEUE, workflowBundle: { code } }),
    await Worker.create({
      ...common,
      taskQueue: LONG_TASK_QUEUE,
      maxConcurrentActivityTaskExecutions: LONG_SLOTS,
    }),
  ];
}

function createActivities(
  settings: Settings,
  redactor: Redactor,
  { client }: TemporalConnection,
): HeadgateActivities {
  const secrets = createSecretStore();
  const artifacts = new ArtifactStore(settings.home, redactor);
  const references = new References({
    allowed: settings.allowedReferences,
    env: process.env,
    readSecret: (id, key, region) => secrets.readKey(id, key, region),
    redactor,
  });
  const commandsEnabled = settings.enabled.includes('command');
  const probes = createProbes({ artifacts, references, runChild, commandsEnabled, now: Date.now, secrets });
  const sampler = createSampler({ probes, references, redactor, now: Date.now });
  const findK6 = () => resolveTool('k6');
  return {
    ...createPlanFileActivities(),
    ...createWindowActivities({ now: Date.now }),
    ...createLockActivities({ client }),
    ...createSecretActivities({ secrets, texts: secretTexts, references }),
    ...createDeployActivities({ targets: createTargets({ runChild, commandsEnabled }), references }),
    ...createBudgetActivities({ sampler }),
    ...createGateActivities({ sampler, clock: systemClock }),
    ...createMonitorActivities({ sampler, clock: systemClock }),
    ...createLoadTestActivities({
      k6: createK6({ findK6 }),
      exitMeanings: K6_EXIT,
      artifacts,
      references,
      sampler,
      clock: systemClock,
    }),
    ...createEvidenceActivities({ artifacts }),
    ...createNotifyActivities({ notifiers: createNotifiers(), references, redactor }),
    ...createReportActivities({ artifacts }),
    ...createExamineActivities({ settings, env: process.env, findK6 }),
  };
}

function pathOf(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url));
}
