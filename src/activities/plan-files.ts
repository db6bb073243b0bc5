/** A worker carries out only the files that the rollout was started with. */
import type { HeadgateActivities } from '../contract/activities.js';
import { showSource } from '../plan/git-url.js';
import type { PinnedSource, PlanFile } from '../plan/resolved.js';
import { refused } from '../platform/failures.js';
import { digestPath, PlanFileError } from '../platform/plan-files.js';

export function createPlanFileActivities() {
  return {
    async verifyPlanFiles({ context, files }): Promise<void> {
      const faults = await Promise.all(files.map((file) => compare(context.directory, file)));
      const found = faults.filter((fault) => fault !== undefined);
      if (found.length === 0) return;
      const { source } = context;
      if (source) {
        throw refused(
          `The files of ${showSource(source)} were changed on this worker: ${found.join('; ')}. They are fetched again when the checkout is gone: rm -r ${checkoutOf(context.directory, source)}`,
        );
      }
      throw refused(
        `The worker's files are not those that the rollout was started with, in ${context.directory}: ${found.join('; ')}. Bring the worker's copy up to date, then start again.`,
      );
    },
  } satisfies Pick<HeadgateActivities, 'verifyPlanFiles'>;
}

/** `directory` may be the top of the checkout, or a folder in it. */
function checkoutOf(directory: string, { commit }: PinnedSource): string {
  return directory.slice(0, directory.indexOf(commit) + commit.length);
}

async function compare(directory: string, { path, sha256 }: PlanFile): Promise<string | undefined> {
  try {
    return (await digestPath(directory, path)) === sha256 ? undefined : `${path} differs`;
  } catch (error) {
    if (error instanceof PlanFileError) return error.message;
    throw error;
  }
}
