/**
 * Recorded closed histories: every released shape of the workflow, replayed against the code as it is.
 *
 * In Temporal's own wire format: the SDK's JSON form needs one copy of protobufjs in the tree, and there are two.
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import proto from '@temporalio/proto';

const FOLDER = fileURLToPath(new URL('../histories/', import.meta.url));
const { History } = proto.temporal.api.history.v1;

export type History = proto.temporal.api.history.v1.IHistory;

export async function readHistories(): Promise<{ name: string; history: History }[]> {
  const files = (await readdir(FOLDER)).filter((file) => file.endsWith('.binpb')).sort();
  return Promise.all(
    files.map(async (file) => ({
      name: file.replace('.binpb', ''),
      history: History.decode(await readFile(`${FOLDER}${file}`)),
    })),
  );
}

export async function writeHistory(name: string, history: History): Promise<void> {
  await writeFile(`${FOLDER}${name}.binpb`, History.encode(history).finish());
}
