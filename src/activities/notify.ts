/** Tells people. Throws until everybody has been told; Temporal repeats it. */
import { Context } from '@temporalio/activity';
import type { CheckedNotifier, Notifiers } from '../adapters/notifiers/registry.js';
import type { HeadgateActivities, NotifyInput, Subject } from '../contract/activities.js';
import type { Json, NotifierSpec } from '../plan/resolved.js';
import { invalid } from '../platform/failures.js';
import type { Redactor } from '../platform/redaction.js';
import type { References } from '../platform/references.js';
import { isRecord } from './heartbeat.js';

export interface NotifyDeps {
  notifiers: Notifiers;
  references: Pick<References, 'resolve'>;
  redactor: Pick<Redactor, 'redact'>;
}

/** Who has been told already is kept in the heartbeats, so that a repetition tells only the others. */
export function createNotifyActivities(deps: NotifyDeps) {
  return {
    async notify(input) {
      const context = Context.current();
      const told = new Set(recallTold(context.info.heartbeatDetails));
      const failures: unknown[] = [];
      for (const [index, spec] of input.notifiers.entries()) {
        if (told.has(index) || !spec.when.includes(input.moment)) continue;
        try {
          await tell(deps, input, spec, context.cancellationSignal);
          told.add(index);
          context.heartbeat({ told: [...told] });
        } catch (error) {
          context.cancellationSignal.throwIfAborted();
          failures.push(error);
        }
      }
      if (failures.length > 0) throw worstOf(failures);
    },
  } satisfies Pick<HeadgateActivities, 'notify'>;
}

async function tell(
  { notifiers, references, redactor }: NotifyDeps,
  { context, moment, title, lines }: NotifyInput,
  spec: NotifierSpec,
  signal: AbortSignal,
): Promise<void> {
  const notifier = findNotifier(notifiers, spec.kind);
  const entries = Object.entries(spec.config).map(
    async ([key, value]): Promise<[string, Json]> => [
      key,
      await references.resolve(value, subjectOf(context)),
    ],
  );
  const config = Object.fromEntries(await Promise.all(entries));
  const clean = {
    context,
    moment,
    title: redactor.redact(title),
    lines: lines.map((line) => redactor.redact(line)),
  };
  await notifier.notify(config, clean, signal);
}

function findNotifier(notifiers: Notifiers, kind: string): CheckedNotifier {
  const notifier = notifiers.get(kind);
  if (notifier) return notifier;
  throw invalid(`this worker has no notifier "${kind}"; it has: ${[...notifiers.keys()].join(', ')}`);
}

function subjectOf(context: NotifyInput['context']): Subject {
  return { context, stage: '', step: 'notify' };
}

/** One that may still be delivered is worth repeating for, whatever the others say. */
function worstOf(failures: unknown[]): unknown {
  const lasting = (error: unknown) => isRecord(error) && error.nonRetryable === true;
  return failures.find((error) => !lasting(error)) ?? failures[0];
}

function recallTold(details: unknown): number[] {
  if (!isRecord(details) || !Array.isArray(details.told)) return [];
  return details.told.filter((index) => typeof index === 'number');
}
