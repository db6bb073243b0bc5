/**
 * Recorded closed histories, a folder for each released shape of the workflow, replayed against the code as it is.
 *
 * In Temporal's own wire format: the SDK's JSON form needs one copy of protobufjs in the tree, and there are two.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import proto from '@temporalio/proto';

const FOLDER = fileURLToPath(new URL('../histories/', import.meta.url));
const { History } = proto.temporal.api.history.v1;

export type History = proto.temporal.api.history.v1.IHistory;

export async function readHistories(): Promise<{ name: string; history: History }[]> {
  const all = await readdir(FOLDER, { recursive: true });
  const files = all.filter((file) => file.endsWith('.binpb')).sort();
  return Promise.all(
    files.map(async (file) => ({
      name: file.replace('.binpb', ''),
      history: History.decode(await readFile(`${FOLDER}${file}`)),
    })),
  );
}

/** `name` is `0.2/promoted`: the version whose workflow made it, and how it went. */
export async function writeHistory(name: string, history: History): Promise<void> {
  const path = `${FOLDER}${name}.binpb`;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, History.encode(history).finish());
}

/** What a history holds somewhere. */
export interface Payload {
  event: string;
  text: string;
  bytes: number;
}

/** Every payload and every text of the history, with the event that holds it. */
export function payloadsOf(history: History): Payload[] {
  return (history.events ?? []).flatMap((event) => {
    const signal = event.workflowExecutionSignaledEventAttributes?.signalName;
    const name = `event ${String(event.eventId)}${signal ? `, signal ${signal}` : ''}`;
    const found: Payload[] = [];
    collect(event, name, found);
    return found;
  });
}

function collect(value: unknown, event: string, found: Payload[]): void {
  if (typeof value === 'string') {
    found.push({ event, text: value, bytes: Buffer.byteLength(value) });
  } else if (value instanceof Uint8Array) {
    const bytes = Buffer.from(value);
    found.push({ event, text: bytes.toString('utf8'), bytes: bytes.length });
  } else if (typeof value === 'object' && value !== null) {
    for (const each of Object.values(value)) collect(each, event, found);
  }
}
