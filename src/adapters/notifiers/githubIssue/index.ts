/**
 * A ticket on GitHub: one issue for each rollout. The first notice opens it, later ones are comments on it, and an
 * outcome that leaves nothing to do closes it. Marks that nobody sees tell an attempt what an earlier one did of which
 * the answer was lost.
 */
import type { Delivery, Notification, Notifier } from '../notifier.js';
import { type Issue, Issues } from './issues.js';
import { composeComment, composeIssue, composeTitle, issueMarker, noticeMarker } from './message.js';
import type { Config } from './schema.js';

/** Clocks of Temporal and of GitHub may differ. */
const CLOCK_SKEW_MS = 3_600_000;

/** As a thread it gives the issue's number. */
export function createGithubIssueNotifier(now: () => number): Notifier<Config> {
  return {
    kind: 'githubIssue',
    async notify(config, notification, signal) {
      const issues = new Issues(config, signal, now);
      const told = await tell(issues, config, notification);
      if (told.thread !== undefined && isSettled(notification)) await issues.close(told.thread);
      return told;
    },
  };
}

async function tell(issues: Issues, config: Config, notification: Notification): Promise<Delivery> {
  const { thread } = notification;
  if (thread !== undefined && (await comment(issues, thread, notification))) return { thread };
  const since = sinceOf(notification);
  const opened = since && (await issues.find(issueMarker(notification), since));
  if (opened) {
    const isTold = opened.body?.includes(noticeMarker(notification));
    if (!isTold) await comment(issues, String(opened.number), notification);
    return delivered(opened, config);
  }
  if (notification.outcome === 'promoted') return {}; // A ticket that only says that all went well is one too many.
  const issue = { title: composeTitle(notification), body: composeIssue(notification) };
  return delivered(await issues.create(issue), config);
}

/** @returns false when the issue is not there any more */
async function comment(issues: Issues, number: string, notification: Notification): Promise<boolean> {
  const since = sinceOf(notification);
  if (since && (await issues.hasComment(number, noticeMarker(notification), since))) return true;
  return issues.comment(number, composeComment(notification));
}

/** GitHub drops labels without a word when the token may not put them on. */
function delivered({ number, labels }: Issue, config: Config): Delivery {
  const there = labels.map((label) => (typeof label === 'string' ? label : (label.name ?? '')).toLowerCase());
  const missing = (config.labels ?? []).filter((label) => !there.includes(label.toLowerCase()));
  if (missing.length === 0) return { thread: String(number) };
  const warning = `issue ${config.repository}#${number} is without its label ${missing.join(', ')}: the token may open issues and not label them. Give it the right to push to ${config.repository}, and put the label on by hand.`;
  return { thread: String(number), warning };
}

/** Nothing is left to do. */
function isSettled({ outcome }: Notification): boolean {
  return outcome !== undefined && outcome !== 'rollbackIncomplete';
}

/** As GitHub writes it; undefined when nothing has been tried before. */
function sinceOf({ repeatedSince }: Notification): string | undefined {
  if (repeatedSince === undefined) return undefined;
  return new Date(Date.parse(repeatedSince) - CLOCK_SKEW_MS).toISOString().replace(/\.\d+Z$/, 'Z');
}
