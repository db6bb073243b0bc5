/** `undo`: takes back a run that was terminated, or promoted and regretted. */
import type { Context } from '../context.js';
import { identity, withClient } from '../loading.js';
import { announce, type StartedOptions } from './start.js';

export interface UndoOptions extends StartedOptions {
  by?: string;
  reason?: string;
}

export async function undo(context: Context, rollout: string, options: UndoOptions): Promise<number> {
  return withClient(async (headgate) => {
    const started = await headgate.undo(rollout, identity(options.by), options.reason);
    return announce(context, headgate, started, { undoes: rollout }, options);
  });
}
