/** Real Temporal servers for tests: the dev server, and the time-skipping one where it was built. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@temporalio/client';
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import type { HeadgateActivities } from '../../src/contract/activities.js';
import { LONG_TASK_QUEUE, SEARCH_ATTRIBUTES, TASK_QUEUE } from '../../src/contract/messages.js';
import { loadSettings } from '../../src/platform/settings.js';

/** Without these the dev server throttles every hop to 50 ms and rounds short timers up to a second. */
export const UNTHROTTLED = [
  'history.transferProcessorMaxPollRPS=2000',
  'history.timerProcessorMaxPollRPS=2000',
  'history.timerProcessorMaxTimeShift="1ms"',
].flatMap((value) => ['--dynamic-config-value', value]);

export const BUNDLE = new URL('../../dist/workflow-bundle.js', import.meta.url);
export const CONVERTER = fileURLToPath(
  new URL('../../dist/src/workflows/payload-converter.cjs', import.meta.url),
);

/** Path of the Temporal CLI: the environment's, PATH's, or what the tool resolver has cached. */
export function findTemporal(): string | undefined {
  const { home, tools } = loadSettings();
  const onPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'temporal'));
  const cached = join(home, 'cache', 'tools', 'temporal-1.5.1', 'temporal');
  return [tools.temporal, ...onPath, cached].find((path) => path !== undefined && existsSync(path));
}

/** @param namespaces besides `default` */
export async function startTemporal(namespaces: string[] = []): Promise<TestWorkflowEnvironment> {
  const path = findTemporal();
  if (!path) throw new Error('no temporal CLI: put it on PATH, or run `npm test`, which resolves it');
  quiet();
  return TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path },
      searchAttributes: Object.values(SEARCH_ATTRIBUTES).map((name) =>
        defineSearchAttributeKey(name, SearchAttributeType.KEYWORD),
      ),
      // It warns of every memo above 2 KB.
      log: { format: 'pretty', level: 'error' },
      extraArgs: [...UNTHROTTLED, ...namespaces.flatMap((name) => ['--namespace', name])],
    },
  });
}

/** Start script of the time-skipping server, where one was built. */
export function findTimeSkipping(): string | undefined {
  const path = process.env.HEADGATE_TEST_TIMESKIP;
  return path && existsSync(path) ? path : undefined;
}

export async function startTimeSkipping(path: string): Promise<TestWorkflowEnvironment> {
  quiet();
  return TestWorkflowEnvironment.createTimeSkipping({
    server: { executable: { type: 'existing-path', path } },
  });
}

/** Client without the environment's own time unlocking: only `env.sleep` moves the clock. */
export function plainClient(env: TestWorkflowEnvironment): Client {
  return new Client({ connection: env.connection, namespace: env.namespace });
}

/** Workers of `queues` with the built workflow bundle, until `stop` is called. */
export async function startWorkers(
  env: TestWorkflowEnvironment,
  activities: HeadgateActivities,
  queues = [TASK_QUEUE, LONG_TASK_QUEUE],
): Promise<{ stop: () => Promise<void> }> {
  const code = await readFile(BUNDLE, 'utf8');
  const common = {
    connection: env.nativeConnection,
    namespace: env.namespace,
    dataConverter: { payloadConverterPath: CONVERTER },
    activities: { ...activities },
  };
  const workers = await Promise.all(
    queues.map((taskQueue) =>
      Worker.create({
        ...common,
        taskQueue,
        ...(taskQueue === TASK_QUEUE ? { workflowBundle: { code } } : {}),
        maxHeartbeatThrottleInterval: '1s',
        shutdownGraceTime: '1s',
      }),
    ),
  );
  const running = Promise.all(workers.map((worker) => worker.run()));
  return {
    stop: async () => {
      for (const worker of workers) worker.shutdown();
      await running;
    },
  };
}

let installed = false;

/** Errors only: a worker's log is not what a suite or a benchmark is read for. */
export function quiet(): void {
  if (installed) return;
  installed = true;
  Runtime.install({ logger: new DefaultLogger('ERROR') });
}
