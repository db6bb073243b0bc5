/** Activities that answer as those of a recorded history did, so that what they put into another one has its true size. */
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import type { HeadgateActivities } from '../src/contract/activities.js';
import type { History } from '../test/support/histories.js';

/** What an activity's input says about whom it works for. */
interface Input {
  step?: { name: string };
  subject?: { step: string };
}

/** @param otherwise answers what was never asked in the history */
export function answerAsRecorded(history: History, otherwise: HeadgateActivities): HeadgateActivities {
  const answers = readAnswers(history);
  const entries = Object.entries(otherwise).map(([name, activity]) => [
    name,
    async (input: Input) => {
      const recorded = answers.get(keyOf(name, input));
      if (!recorded) return (activity as (input: Input) => Promise<unknown>)(input);
      // The last one stands for whatever is asked more often than it was then.
      return recorded.length > 1 ? recorded.shift() : recorded[0];
    },
  ]);
  return Object.fromEntries(entries) as HeadgateActivities;
}

/** Results by activity and step, in their order. */
function readAnswers({ events }: History): Map<string, unknown[]> {
  const asked = new Map<string, string>();
  const answers = new Map<string, unknown[]>();
  for (const event of events ?? []) {
    const {
      activityTaskScheduledEventAttributes: scheduled,
      activityTaskCompletedEventAttributes: completed,
    } = event;
    if (scheduled) {
      const input = readPayload(scheduled.input?.payloads?.[0]) as Input;
      asked.set(String(event.eventId), keyOf(scheduled.activityType?.name ?? '', input));
    }
    const key = asked.get(String(completed?.scheduledEventId));
    if (!completed || key === undefined) continue;
    answers.set(key, [...(answers.get(key) ?? []), readPayload(completed.result?.payloads?.[0])]);
  }
  return answers;
}

function keyOf(activity: string, { step, subject }: Input): string {
  return `${activity} ${step?.name ?? subject?.step ?? ''}`;
}

function readPayload(payload: Payload | null | undefined): unknown {
  return payload ? defaultPayloadConverter.fromPayload(payload) : undefined;
}
