import { z } from 'zod';
import { httpUrl, text } from '../../../plan/scalars.js';
import type { TargetTraits } from '../traits.js';

export const schema = z
  .strictObject({
    host: text("Host, or its name in the worker's SSH configuration."),
    user: text('Who logs in.').optional(),
    port: z.int().min(1).max(65_535).optional().describe('22 when left out.'),
    directory: text('Where the application lives.'),
    pm2: text('Name of the pm2 process.').optional(),
    systemd: text('Name of the systemd unit.').optional(),
    compose: text('Name of the service of docker compose.').optional(),
    url: httpUrl('Where live traffic comes in.'),
  })
  .describe('A host that is logged in to. Exactly one of pm2, systemd and compose.');

export const traits = {
  strategies: ['immediate'],
  staged: () => false,
  log: () => undefined,
} satisfies TargetTraits;

export type Config = z.infer<typeof schema>;
