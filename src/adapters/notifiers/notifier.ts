/** What every notifier is. Best effort: repeated until delivered, never fails a rollout. */
import type { RolloutContext } from '../../contract/activities.js';
import type { NotifyMoment } from '../../plan/resolved.js';

export interface Notification {
  context: RolloutContext;
  moment: NotifyMoment;
  title: string;
  lines: string[];
}

export interface Notifier<Config> {
  kind: string;
  notify(config: Config, notification: Notification, signal: AbortSignal): Promise<void>;
}
