/** History is replayable: a change of the workflow that an open rollout could not survive fails here. */
import { readFile } from 'node:fs/promises';
import { Worker } from '@temporalio/worker';
import { expect, test } from 'vitest';
import { type History, readHistories } from '../support/histories.js';
import { BUNDLE, CONVERTER } from '../support/temporal.js';

async function replayErrors(histories: { name: string; history: History }[]): Promise<string[]> {
  const code = await readFile(BUNDLE, 'utf8');
  const results = Worker.runReplayHistories(
    { workflowBundle: { code }, dataConverter: { payloadConverterPath: CONVERTER } },
    histories.map(({ name, history }) => ({ workflowId: `rollout/${name}`, history })),
  );
  const errors: string[] = [];
  for await (const { workflowId, error } of results) {
    if (error) errors.push(`${workflowId}: ${error.message}`);
  }
  return errors;
}

test('every recorded history replays', async () => {
  const histories = await readHistories();
  expect(histories.map(({ name }) => name)).toEqual(
    expect.arrayContaining(
      ['0.1', '0.2', '0.3', '0.4'].flatMap((version) =>
        ['aborted', 'promoted', 'rolled-back', 'timed-out'].map((name) => `${version}/${name}`),
      ),
    ),
  );
  expect(await replayErrors(histories)).toEqual([]);
});

test('positive control: a history that the code would not have made does not replay', async () => {
  const [first] = await readHistories();
  if (!first) throw new Error('no recorded history');
  const events = first.history.events ?? [];
  const scheduled = events.find((event) => event.activityTaskScheduledEventAttributes);
  if (!scheduled?.activityTaskScheduledEventAttributes) throw new Error('no activity in the history');
  scheduled.activityTaskScheduledEventAttributes.activityType = { name: 'anotherActivity' };
  expect(await replayErrors([first])).toHaveLength(1);
});
