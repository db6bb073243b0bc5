/** How long a change has to wait for its stage's window. */
import type { HeadgateActivities } from '../contract/activities.js';
import { measureWindowWait } from '../plan/window.js';

export function createWindowActivities({ now }: { now: () => number }) {
  return {
    async measureWindow({ window }) {
      return measureWindowWait(window, now());
    },
  } satisfies Pick<HeadgateActivities, 'measureWindow'>;
}
