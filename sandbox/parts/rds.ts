/**
 * Amazon RDS over the sandbox's PostgreSQL, which moto does not know: the AWS query protocol, for what a rollout asks
 * of an instance and its parameter group. Everything else is an unknown action.
 */
import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { LOOPBACK, listen } from '../ports.js';
import { type AwsRecord, openAwsRecord, readAll } from './aws-record.js';
import { RDS_ACTIONS } from './rds-actions.js';
import { AwsError, RdsInstance, type RdsInstanceOptions } from './rds-instance.js';
import { renderAnswer, renderError } from './rds-xml.js';

export interface RdsFrontOptions {
  /** 0: the system chooses. */
  port: number;
  /** Where calls are written down. */
  record: string;
  instances: RdsInstanceOptions[];
}

export interface RunningRds {
  endpoint: string;
  /** A reboot under way is waited for. */
  stop(): Promise<void>;
}

export async function startRds({ port, record: path, instances: all }: RdsFrontOptions): Promise<RunningRds> {
  const instances = await Promise.all(all.map((options) => RdsInstance.open(options)));
  const record = await openAwsRecord(path);
  const server = createServer((incoming, response) => {
    answer(incoming, response, instances, record).catch(() => response.destroy());
  });
  const own = await listen(server, port);
  return {
    endpoint: `http://${LOOPBACK}:${own}`,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await Promise.all(instances.map((instance) => instance.settled()));
      await record.close();
    },
  };
}

async function answer(
  incoming: IncomingMessage,
  response: ServerResponse,
  instances: RdsInstance[],
  record: AwsRecord,
): Promise<void> {
  const body = await readAll(incoming);
  const requestId = randomUUID();
  const { status, text } = await carryOut(instances, new URLSearchParams(body.toString()), requestId);
  record.note(incoming, body, status);
  response.writeHead(status, { 'content-type': 'text/xml', 'x-amzn-requestid': requestId });
  response.end(text);
}

async function carryOut(
  instances: RdsInstance[],
  input: URLSearchParams,
  requestId: string,
): Promise<{ status: number; text: string }> {
  try {
    const name = input.get('Action') ?? '';
    const action = Object.hasOwn(RDS_ACTIONS, name) ? RDS_ACTIONS[name] : undefined;
    if (!action) {
      const known = Object.keys(RDS_ACTIONS).join(', ');
      throw new AwsError('InvalidAction', `The sandbox has no action "${name}"; it has: ${known}.`);
    }
    return { status: 200, text: renderAnswer(name, await action(instances, input), requestId) };
  } catch (error) {
    const found = error instanceof AwsError ? error : internal(error);
    return { status: found.status, text: renderError(found, requestId) };
  }
}

function internal(error: unknown): AwsError {
  return new AwsError('InternalFailure', error instanceof Error ? error.message : String(error), 500);
}
