/** The services of others that the examples of docs/reference speak to, as doubles that check what they are sent. */
import { expect } from 'vitest';
import { TOKEN as ACTIONS_TOKEN, ADMIN_TOKEN, type GithubDouble, openGithub } from './github-actions-api.js';
import { REPOSITORY } from './github-actions-run.js';
import { GITHUB_TOKEN, type GithubIssueApi, startGithubIssueApi } from './github-issue-api.js';
import { type PagerDutyApi, ROUTING_KEY, startPagerDutyApi } from './pager-duty-api.js';
import { type SlackApi, startSlackApi } from './slack-api.js';

export class ReferenceDoubles {
  private constructor(
    private readonly slack: SlackApi,
    private readonly pagerDuty: PagerDutyApi,
    private readonly issues: GithubIssueApi,
    private readonly actions: GithubDouble,
  ) {}

  static async open(): Promise<ReferenceDoubles> {
    return new ReferenceDoubles(
      ...(await Promise.all([
        startSlackApi(),
        startPagerDutyApi(),
        startGithubIssueApi(Date.now),
        openGithub({ prefix: '/api/v3', ends: 'success' }),
      ])),
    );
  }

  /** What the examples name with `${env:…}`. */
  get references(): Record<string, string> {
    const { slack } = this;
    return {
      SLACK_WEBHOOK: slack.webhookUrl,
      PAGERDUTY_KEY: ROUTING_KEY,
      GITHUB_TOKEN,
      ACTIONS_TOKEN,
      ADMIN_TOKEN,
    };
  }

  get addresses() {
    return {
      pagerDuty: this.pagerDuty.url,
      issues: this.issues.baseUrl,
      actions: this.actions.url,
      deployed: this.actions.app,
    };
  }

  /** That the double of Actions has. */
  readonly repository = REPOSITORY;

  expectSlack(text: RegExp): void {
    expect(this.slack.messages.map((message) => message.text)).toContainEqual(expect.stringMatching(text));
  }

  /** A change event, and no incident. */
  expectPagerDuty(summary: RegExp): void {
    const { incidents, changes } = this.pagerDuty;
    expect(incidents).toEqual([]);
    expect(changes.map(({ payload }) => payload?.summary)).toContainEqual(expect.stringMatching(summary));
  }

  expectIssue(state: 'open' | 'closed', label: string): void {
    const { issues, faults } = this.issues;
    expect([faults, issues]).toEqual([[], [expect.objectContaining({ state, labels: [{ name: label }] })]]);
  }

  expectDispatched(ref: string): void {
    expect(this.actions.faults).toEqual([]);
    expect(this.actions.dispatched().map(({ body }) => body)).toEqual([expect.objectContaining({ ref })]);
  }

  close(): Promise<unknown> {
    return Promise.all(
      [this.slack, this.pagerDuty, this.issues, this.actions].map((double) => double.close()),
    );
  }
}
