/** What every notifier is. Best effort: repeated until delivered, never fails a rollout. */
import type { RolloutContext } from '../../contract/activities.js';
import type { NotifyMoment } from '../../plan/resolved.js';

export interface Notification {
  context: RolloutContext;
  moment: NotifyMoment;
  title: string;
  lines: string[];
  /** What delivering an earlier notice of this rollout gave. */
  thread?: string;
}

export interface Delivery {
  /** Where later notices of this rollout belong, for receivers that have threads. */
  thread?: string;
}

export interface Notifier<Config> {
  kind: string;
  /** @throws ApplicationFailure `Invalid` when repeating does not help; any other error when it may */
  notify(config: Config, notification: Notification, signal: AbortSignal): Promise<Delivery>;
}
