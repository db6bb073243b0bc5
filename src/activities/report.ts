/** The report of a rollout, beside its other artifacts. */
import type { HeadgateActivities } from '../contract/activities.js';
import type { ArtifactStore } from '../platform/artifacts.js';
import { renderReportMarkdown } from '../platform/report.js';

export interface ReportDeps {
  artifacts: Pick<ArtifactStore, 'write'>;
}

export function createReportActivities({ artifacts }: ReportDeps) {
  return {
    async writeReport({ context, progress }) {
      await artifacts.write(context, 'report.json', `${JSON.stringify(progress, null, 2)}\n`);
      await artifacts.write(context, 'report.md', renderReportMarkdown(progress));
    },
  } satisfies Pick<HeadgateActivities, 'writeReport'>;
}
