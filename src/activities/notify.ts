/** Tells people. Throws until everybody has been told; Temporal repeats it. */
import { Context, type Info } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { Delivery, Notification } from '../adapters/notifiers/notifier.js';
import type { CheckedNotifier, Notifiers } from '../adapters/notifiers/registry.js';
import type { HeadgateActivities, NotifyInput, Subject } from '../contract/activities.js';
import type { Json, NotifierSpec } from '../plan/resolved.js';
import { invalid } from '../platform/failures.js';
import type { Redactor } from '../platform/redaction.js';
import type { References } from '../platform/references.js';
import { isRecord } from './heartbeat.js';
import { linkToRun } from './ui-link.js';

export interface NotifyDeps {
  notifiers: Notifiers;
  references: Pick<References, 'resolve'>;
  redactor: Pick<Redactor, 'redact'>;
  /** As in `Settings`. */
  temporalUi?: string;
}

/**
 * Who has been told already, and in which thread, is kept in the heartbeats: a repetition tells only the others and
 * begins no second thread. A worker that dies between a delivery and its heartbeat tells that one once more.
 */
export function createNotifyActivities(deps: NotifyDeps) {
  return {
    async notify(input) {
      const context = Context.current();
      const { told, threads } = recall(context.info.heartbeatDetails, input);
      const failures: unknown[] = [];
      const warnings: string[] = [];
      for (const [index, spec] of input.notifiers.entries()) {
        if (told.has(index) || !spec.when.includes(input.moment)) continue;
        try {
          const { thread, warning } = await tell(deps, input, { spec, thread: threads[index] }, context);
          told.add(index);
          if (thread !== undefined) threads[index] = thread;
          if (warning !== undefined) warnings.push(warning);
          context.heartbeat({ told: [...told], threads });
        } catch (error) {
          context.cancellationSignal.throwIfAborted();
          failures.push(error);
        }
      }
      if (failures.length > 0) throw withThreads(worstOf(failures), threads);
      return warnings.length > 0 ? { threads, warnings } : { threads };
    },
  } satisfies Pick<HeadgateActivities, 'notify'>;
}

async function tell(
  deps: NotifyDeps,
  input: NotifyInput,
  { spec, thread }: { spec: NotifierSpec; thread: string | undefined },
  { info, cancellationSignal }: Context,
): Promise<Delivery> {
  const notifier = findNotifier(deps.notifiers, spec.kind);
  const entries = Object.entries(spec.config).map(
    async ([key, value]): Promise<[string, Json]> => [
      key,
      await deps.references.resolve(value, subjectOf(input.context)),
    ],
  );
  const config = Object.fromEntries(await Promise.all(entries));
  // Only now are the notifier's own secrets known and taken out.
  const notification = { ...compose(deps, input, info), thread };
  return notifier.notify(config, notification, cancellationSignal);
}

function compose(
  { redactor, temporalUi }: NotifyDeps,
  { context, moment, outcome, title, lines, commands = [] }: NotifyInput,
  info: Info,
): Notification {
  return {
    context,
    id: info.activityId,
    repeatedSince: info.attempt > 1 ? new Date(info.scheduledTimestampMs).toISOString() : undefined,
    moment,
    outcome,
    title: redactor.redact(title),
    lines: lines.map((line) => redactor.redact(line)),
    commands: commands.map((command) => redactor.redact(command)),
    link: temporalUi === undefined ? undefined : linkToRun(temporalUi, info),
  };
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

/** When one can never be told, the others go on in their threads. */
function withThreads(error: unknown, threads: Record<string, string>): ApplicationFailure {
  const known = error instanceof ApplicationFailure ? error : undefined;
  return ApplicationFailure.create({
    type: known?.type ?? (error instanceof Error ? error.name : undefined),
    message: error instanceof Error ? error.message : String(error),
    nonRetryable: known?.nonRetryable ?? false,
    nextRetryDelay: known?.nextRetryDelay ?? undefined,
    details: [{ threads }],
  });
}

interface Told {
  told: Set<number>;
  threads: Record<string, string>;
}

function recall(details: unknown, { threads }: NotifyInput): Told {
  const known = isRecord(details) ? details : {};
  const told = Array.isArray(known.told) ? known.told.filter((index) => typeof index === 'number') : [];
  const begun = isRecord(known.threads) ? Object.entries(known.threads) : [];
  const texts = begun.filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  return { told: new Set(told), threads: { ...threads, ...Object.fromEntries(texts) } };
}
