/** What every notifier is. Best effort: repeated until delivered, never fails a rollout. */
import type { RolloutContext } from '../../contract/activities.js';
import type { Outcome } from '../../contract/progress.js';
import type { NotifyMoment } from '../../plan/resolved.js';

export interface Notification {
  context: RolloutContext;
  /** Of this notice within its rollout: the same however often it is repeated. */
  id: string;
  /** ISO: when it was first due. Set when an earlier attempt may have delivered it, of which nobody heard. */
  repeatedSince?: string;
  moment: NotifyMoment;
  /** With the moment `outcome`. */
  outcome?: Outcome;
  title: string;
  lines: string[];
  /** What a person may type now, the likeliest first. Never left out for want of room. */
  commands: string[];
  /** The run in the Temporal UI; absent when the worker does not know where that is. */
  link?: string;
  /** What delivering an earlier notice of this rollout gave. */
  thread?: string;
}

export interface Delivery {
  /** Where later notices of this rollout belong, for receivers that have threads. */
  thread?: string;
  /** Delivered, but not quite as the plan wants it: what is missing and what mends it. */
  warning?: string;
}

export interface Notifier<Config> {
  kind: string;
  /** @throws ApplicationFailure `Invalid` when repeating does not help; any other error when it may */
  notify(config: Config, notification: Notification, signal: AbortSignal): Promise<Delivery>;
}
