/** The worker's part of `headgate doctor`: what it can reach, lacks and may not do. */
import type { Finding } from '../contract/activities.js';
import { quick } from './activity-options.js';

export async function examine(): Promise<Finding[]> {
  return quick('examine the worker').examineWorker();
}
