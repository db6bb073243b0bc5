/**
 * The composition root: the only place that knows every adapter and every tool. One process polls two queues:
 * workflows and short activities on `headgate`, what measures for minutes on `headgate-long`, so that an undo
 * never waits for a slot behind monitors.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NativeConnection, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import { createBudgetActivities } from './activities/budget.js';
import { systemClock } from './activities/clock.js';
import type { ConfigDeps } from './activities/config/files.js';
import { createConfigActivities } from './activities/config/index.js';
import { createDeployActivities } from './activities/deploy/index.js';
import { createDiagnosticsActivities } from './activities/diagnostics/index.js';
import { createEvidenceActivities } from './activities/evidence.js';
import { createExamineActivities, type ExaminedTool } from './activities/examine.js';
import { createFenceReader } from './activities/fences.js';
import { createGateActivities } from './activities/gates.js';
import { createGitActivities } from './activities/git/index.js';
import { createIdentityActivities } from './activities/identity.js';
import { createInfraActivities } from './activities/infra/index.js';
import { createLoadTestActivities } from './activities/load-test/index.js';
import { createLockActivities } from './activities/lock.js';
import { createMonitorActivities } from './activities/monitor/index.js';
import { createNotifyActivities } from './activities/notify.js';
import { createPlanFileActivities } from './activities/plan-files.js';
import { createRebootActivities } from './activities/reboot/index.js';
import { createReportActivities } from './activities/report.js';
import { createRunActivities } from './activities/run/index.js';
import { createSampler } from './activities/sampler.js';
import { createSecretActivities } from './activities/secret/index.js';
import { createWindowActivities } from './activities/window.js';
import { createNotifiers } from './adapters/notifiers/registry.js';
import { createProbes } from './adapters/probes/registry.js';
import { createTargets } from './adapters/targets/registry.js';
import type { HeadgateActivities } from './contract/activities.js';
import { LONG_TASK_QUEUE, TASK_QUEUE } from './contract/messages.js';
import { runChild } from './platform/children.js';
import {
  connectTemporal,
  describeFailure,
  loadTemporalOptions,
  type TemporalConnection,
} from './platform/connection.js';
import { ErrorMappingInterceptor } from './platform/failures.js';
import { createLogger } from './platform/logging.js';
import { writePidFile } from './platform/pid-file.js';
import { processFacts } from './platform/process-facts.js';
import { Redactor } from './platform/redaction.js';
import { References } from './platform/references.js';
import { type Capability, loadSettings, type Settings } from './platform/settings.js';
import { SizeInterceptor } from './platform/size-interceptor.js';
import { SourceInterceptor } from './platform/source-interceptor.js';
import type { Sources } from './platform/sources.js';
import { verifySignature } from './platform/ssh-signatures.js';
import { findOnPath, locateTool, resolveTool, type ToolName } from './platform/tool-resolver.js';
import { createArtifactStore } from './tools/aws/artifact-store.js';
import { createCloudWatch } from './tools/aws/cloudwatch.js';
import { createRds } from './tools/aws/rds.js';
import { secretTexts } from './tools/aws/secret-texts.js';
import { createSecretStore } from './tools/aws/secrets-manager.js';
import { createLocalFiles } from './tools/dotenv/files.js';
import { dotenvTexts } from './tools/dotenv/index.js';
import { createSshFiles } from './tools/dotenv/ssh-files.js';
import { createGit } from './tools/git/index.js';
import { createSources } from './tools/git/sources.js';
import { createK6, K6_EXIT } from './tools/k6.js';
import { createKubernetes } from './tools/kubernetes/client.js';
import { createImageResolver } from './tools/registry/index.js';
import { createSsh } from './tools/ssh/index.js';
import { createTerraform } from './tools/terraform/index.js';
import { findInfraTool } from './tools/terraform/program.js';

export interface WorkerRunOptions {
  /** What `worker --enable` names, on top of HEADGATE_ENABLE. */
  enabled: Capability[];
  /** Written when the worker polls, removed when it has stopped. */
  pidFile?: string;
  onReady?: () => void;
  /** Tests watch and interrupt activities by it. */
  decorate?: (activities: HeadgateActivities) => HeadgateActivities;
}

/** A monitor's sampler waits most of its time. */
const LONG_SLOTS = 1_000;

/** Polls until SIGINT or SIGTERM, then lets running activities end or hand over. */
export async function runWorker({ enabled, pidFile, onReady, decorate }: WorkerRunOptions): Promise<void> {
  const loaded = loadSettings();
  const settings = { ...loaded, enabled: [...new Set([...loaded.enabled, ...enabled])] };
  const redactor = new Redactor();
  Runtime.install({ logger: createLogger({ redactor }), shutdownSignals: [] });
  const options = loadTemporalOptions();
  for (const secret of options.secrets) redactor.add(secret);
  const { connectionOptions, namespace } = options;
  const temporal = await connectTemporal();
  const connection = await NativeConnection.connect(connectionOptions).catch(async (error: unknown) => {
    await temporal.connection.close();
    throw describeFailure(error, options);
  });
  try {
    const created = createActivities(settings, redactor, temporal);
    const activities = decorate?.(created) ?? created;
    const workers = await createWorkers({ connection, namespace }, activities, {
      redactor,
      sources: createSources({ env: process.env, home: settings.home, allowed: settings.allowedSources }),
    });
    const stop = () => workers.forEach(stopWorker);
    process.once('SIGINT', stop).once('SIGTERM', stop);
    const running = Promise.all(workers.map((worker) => worker.run()));
    if (pidFile) await writePidFile(pidFile);
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
  { redactor, sources }: { redactor: Redactor; sources: Sources },
): Promise<Worker[]> {
  const common = {
    ...where,
    activities: { ...activities },
    dataConverter: { payloadConverterPath: pathOf('./workflows/payload-converter.cjs') },
    // A cancel reaches an activity with its heartbeats, and those are held back for as long as this.
    maxHeartbeatThrottleInterval: '1s',
    defaultHeartbeatThrottleInterval: '1s',
    shutdownGraceTime: '5s',
    interceptors: {
      activity: [
        () => ({ inbound: new ErrorMappingInterceptor(redactor) }),
        () => ({ inbound: new SizeInterceptor() }),
        () => ({ inbound: new SourceInterceptor(sources) }),
      ],
    },
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
  const artifacts = createArtifactStore(settings, redactor);
  const references = new References({
    allowed: settings.allowedReferences,
    env: process.env,
    readSecret: (id, key, region) => secrets.readKey(id, key, region),
    redactor,
  });
  const commandsEnabled = settings.enabled.includes('command');
  const rds = createRds();
  const { env } = process;
  const ssh = createSsh({ runChild, env });
  const kubernetes = createKubernetes(env);
  const probes = createProbes({
    env,
    ssh,
    kubernetes,
    artifacts,
    references,
    runChild,
    commandsEnabled,
    now: Date.now,
    secrets,
    rds,
    cloudwatch: createCloudWatch(),
  });
  const sampler = createSampler({ probes, references, redactor, now: Date.now });
  const targets = createTargets({ runChild, env, commandsEnabled, kubernetes, ssh });
  const sftp = { runChild, env, scratch: join(settings.home, 'cache', 'sftp') };
  const config: ConfigDeps = {
    openHost: (place, signal) =>
      place.kind === 'local' ? createLocalFiles() : createSshFiles(sftp, place, signal),
    texts: dotenvTexts,
    references,
  };
  const fences = createFenceReader({ deploy: { targets, references }, secrets, config, rds, redactor });
  return {
    ...createPlanFileActivities(),
    ...createWindowActivities({ now: Date.now }),
    ...createLockActivities({ client }),
    ...createIdentityActivities({ allowedSigners: settings.allowedSigners, verifySignature }),
    ...createConfigActivities(config),
    ...createSecretActivities({ secrets, texts: secretTexts, references }),
    ...createInfraActivities({
      terraform: createTerraform({
        findTool: findInfraTool,
        env,
        home: settings.home,
        redact: (text) => redactor.redact(text),
        processes: processFacts,
      }),
      artifacts,
      references,
      clock: systemClock,
    }),
    ...createRebootActivities({ rds, sampler, clock: systemClock }),
    ...createGitActivities({ git: createGit({ env }), references }),
    ...createRunActivities({
      runChild,
      runEnabled: settings.enabled.includes('run'),
      references,
      artifacts,
      redactor,
    }),
    ...createDeployActivities({
      targets,
      references,
      resolveImage: createImageResolver({ runChild, env }).resolve,
    }),
    ...createDiagnosticsActivities({ targets, references, sampler, artifacts, redactor, now: Date.now }),
    ...createBudgetActivities({ sampler }),
    ...createGateActivities({ sampler, clock: systemClock }),
    ...createMonitorActivities({ sampler, clock: systemClock, fences }),
    ...createLoadTestActivities({
      k6: createK6({ findK6: () => resolveTool('k6') }),
      exitMeanings: K6_EXIT,
      artifacts,
      references,
      sampler,
      clock: systemClock,
    }),
    ...createEvidenceActivities({ artifacts }),
    ...createNotifyActivities({
      notifiers: createNotifiers(),
      references,
      redactor,
      temporalUi: settings.temporalUi,
    }),
    ...createReportActivities({ artifacts }),
    ...createExamineActivities({ settings, env, tools: toolsToExamine(env), artifacts }),
  };
}

function toolsToExamine(env: NodeJS.ProcessEnv): ExaminedTool[] {
  const installed = async (name: ToolName) => {
    const tool = await locateTool(name);
    if (tool) return tool;
    throw new Error('not there yet: it is downloaded, or built with go, when a step needs it');
  };
  const onPath = async (name: string) => {
    const path = await findOnPath(name, env);
    if (path) return { path, source: 'path' };
    throw new Error(`no ${name} in the worker's PATH`);
  };
  return [
    {
      name: 'k6',
      neededBy: 'loadTest steps',
      fix: 'install k6, or name its path in HEADGATE_TOOL_K6 of the worker',
      find: () => installed('k6'),
    },
    {
      name: 'terraform',
      neededBy: 'infra steps',
      fix: 'install terraform, or name its path in HEADGATE_TOOL_TERRAFORM of the worker',
      find: () => installed('terraform'),
    },
    { name: 'git', neededBy: 'git steps', fix: 'install git', find: () => onPath('git') },
    {
      name: 'ssh',
      neededBy: 'deploys to ssh targets',
      fix: "install OpenSSH's client",
      find: () => onPath('ssh'),
    },
    {
      name: 'docker',
      neededBy: 'deploys to dockerStack targets',
      fix: 'install the docker command line',
      find: () => onPath('docker'),
    },
    {
      name: 'sftp',
      neededBy: 'config steps over ssh',
      fix: "install OpenSSH's client",
      find: () => onPath('sftp'),
    },
  ];
}

function pathOf(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url));
}
