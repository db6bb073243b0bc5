import { z } from 'zod';
import type { Json } from '../../../plan/resolved.js';
import { argv } from '../../../plan/scalars.js';
import type { TargetTraits } from '../traits.js';

export const schema = z
  .strictObject({
    status: argv('Prints {"live":{"id","version","url"},"candidate":{…}|null}.'),
    prepare: argv('Starts the new release beside the live one and prints it.').optional(),
    promote: argv('Moves live traffic to the release in HEADGATE_RELEASE.'),
    restore: argv('Moves live traffic back to the release in HEADGATE_RELEASE.').optional(),
    retire: argv('Stops the release in HEADGATE_RELEASE.').optional(),
    restart: argv('Starts the release in HEADGATE_RELEASE again, its configuration read anew.').optional(),
    logs: argv(
      'Prints the log of the release in HEADGATE_RELEASE: for logs probes without a source, and for diagnostics.',
    ).optional(),
    previousLogs: argv('Prints the log of the process before the one that runs now.').optional(),
  })
  .describe('Your own programs. With prepare and restore the target is staged, else it is opaque.');

export const traits = {
  strategies: ['blueGreen', 'immediate'],
  staged: ({ has }: { has: (key: 'prepare' | 'restore') => boolean }) => has('prepare') && has('restore'),
  log: ({ logs }: { [key: string]: Json }) => (logs === undefined ? undefined : { command: logs }),
} satisfies TargetTraits;

export type Config = z.infer<typeof schema>;
