/** Every call to the sandbox's AWS, a line each: who asked what of which secret, never a value. */
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { dirname } from 'node:path';

export interface AwsRecord {
  note(incoming: IncomingMessage, body: Buffer, status: number | undefined): void;
  close(): Promise<void>;
}

/** Several may write to the same file: a line is appended whole. */
export async function openAwsRecord(path: string): Promise<AwsRecord> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = createWriteStream(path, { flags: 'a', mode: 0o600 });
  return {
    note: (incoming, body, status) => {
      file.write(`${JSON.stringify(describeCall(incoming, body, status))}\n`);
    },
    close: () => new Promise((resolve) => file.end(resolve)),
  };
}

export async function readAll(incoming: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function describeCall(incoming: IncomingMessage, body: Buffer, status: number | undefined) {
  const target = incoming.headers['x-amz-target'] ?? /(?:^|&)Action=([A-Za-z]+)/.exec(body.toString())?.[1];
  return {
    at: new Date().toISOString(),
    target: target ?? `${incoming.method} ${incoming.url?.split('?')[0]}`,
    ...readSecret(body),
    status,
  };
}

/** Which secret, and which label is moved; never a value. */
function readSecret(body: Buffer): { secretId?: string; label?: string } {
  try {
    const input: { SecretId?: unknown; Name?: unknown; VersionStage?: unknown } = JSON.parse(body.toString());
    return { secretId: textOf(input.SecretId ?? input.Name), label: textOf(input.VersionStage) };
  } catch {
    return {};
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
