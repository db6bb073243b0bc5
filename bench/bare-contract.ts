/** What the bare workflow, its worker and its starter agree on. */

export const BARE_WORKFLOW = 'bare';
export const BARE_TASK_QUEUE = 'bench-bare';
export const BARE_LONG_TASK_QUEUE = 'bench-bare-long';

/** Which of a worker's two queues an activity runs on, and with the options of which it runs. */
export type BareActivity = 'short' | 'long';

export interface BareActivities {
  doNothing(): Promise<void>;
}
