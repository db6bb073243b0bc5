/** One HTTP request: its status, its body, how long it took. */
import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Subject } from '../../../contract/activities.js';
import type { Json } from '../../../plan/resolved.js';
import type { HttpResponse } from '../../../platform/http.js';
import { parseEvidence } from '../../../platform/json.js';
import { PlanFileError, resolvePlanFile } from '../../../platform/plan-files.js';
import type { References } from '../../../platform/references.js';
import { callEndpoint, type NoSample, parseJson } from '../endpoint.js';
import type { Probe, Sample, SampleRequest } from '../probe.js';
import type { Config } from './schema.js';

export interface HttpProbeDeps {
  references: Pick<References, 'resolveText'>;
}

const READING = ['GET', 'HEAD', 'OPTIONS'];
const LONGEST_BODY_FILE = 1024 * 1024;

/**
 * Sample: `{ status, headers, durationMs, body }`. `body` is the parsed JSON, else the text; without one, or
 * when it is longer than 1 MiB, it is absent.
 */
export function createHttpProbe({ references }: HttpProbeDeps): Probe<Config> {
  return {
    kind: 'http',
    writes: ({ method = 'GET' }) => !READING.includes(method.toUpperCase()),
    inForcePaths: () => [],
    async sample(request) {
      const body = await composeBody(request, references);
      if (isNoSample(body)) return body;
      return send(request, body);
    },
  };
}

async function send(
  { config, subject, timeoutMs, signal }: SampleRequest<Config>,
  body: Body,
): Promise<Sample> {
  const reply = await callEndpoint({
    method: config.method ?? 'GET',
    url: config.url,
    headers: { ...contentType(body), ...config.headers, ...sign(config, body) },
    body: body.bytes,
    bearer: config.bearer,
    subject,
    timeoutMs,
    signal,
  });
  return 'kind' in reply ? reply : { kind: 'sample', value: describeReply(reply) };
}

function describeReply({ status, headers, body, truncated, durationMs }: HttpResponse): Json {
  const base = { status, headers, durationMs };
  if (truncated || body === '') return base;
  return { ...base, body: parseEvidence(body) ?? body };
}

interface Body {
  bytes?: Buffer;
  json: boolean;
}

function isNoSample(body: Body | NoSample): body is NoSample {
  return 'kind' in body;
}

/** What is signed is what is sent, byte for byte. */
async function composeBody(
  { config, subject }: SampleRequest<Config>,
  references: HttpProbeDeps['references'],
): Promise<Body | NoSample> {
  const { body, bodyFile } = config;
  if (bodyFile !== undefined) return readBodyFile(bodyFile, subject, references);
  if (body === undefined) return { json: false };
  if (typeof body === 'string') return { bytes: Buffer.from(body), json: parseJson(body) !== undefined };
  return { bytes: Buffer.from(JSON.stringify(body)), json: true };
}

async function readBodyFile(
  file: string,
  subject: Subject,
  references: HttpProbeDeps['references'],
): Promise<Body | NoSample> {
  let text: string;
  try {
    text = await readFile(await resolvePlanFile(subject.context.directory, file), 'utf8');
  } catch (error) {
    const why = error instanceof PlanFileError ? error.message : `${file} cannot be read as a file`;
    return { kind: 'error', message: `bodyFile: ${why}` };
  }
  if (text.length > LONGEST_BODY_FILE) {
    return { kind: 'error', message: `bodyFile: ${file} is longer than 1 MiB, which no probe sends` };
  }
  return { bytes: Buffer.from(await references.resolveText(text, subject)), json: file.endsWith('.json') };
}

function contentType({ bytes, json }: Body): Record<string, string> {
  if (!bytes) return {};
  return { 'content-type': json ? 'application/json' : 'text/plain; charset=utf-8' };
}

function sign({ hmac }: Config, { bytes = Buffer.alloc(0) }: Body): Record<string, string> {
  if (!hmac) return {};
  return { [hmac.header]: `sha256=${createHmac('sha256', hmac.key).update(bytes).digest('hex')}` };
}
