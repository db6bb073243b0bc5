import { z } from 'zod';
import type { Json } from '../../../plan/resolved.js';
import { argv, httpUrl, text } from '../../../plan/scalars.js';
import type { TargetTraits } from '../traits.js';

export const schema = z
  .strictObject({
    host: text("Host, or its name in the worker's SSH configuration."),
    user: text('Who logs in.').optional(),
    port: z.int().min(1).max(65_535).optional().describe('22 when left out.'),
    directory: text('Where the application lives: a git checkout, or a folder inside one.').meta({
      examples: ['/app/shop'],
    }),
    ref: text(
      "Tag, branch or full commit id of the checkout's remote; the plan's version when left out.",
    ).optional(),
    build: argv('Run in the directory before the restart, for instance [npm, ci].').optional(),
    pm2: text('Name of the pm2 process.').optional(),
    systemd: text('Name of the systemd unit, one of the system.').optional(),
    compose: text('Name of the service of docker compose.').optional(),
    health: httpUrl('Asked by curl on the host until it answers with success.')
      .meta({ examples: ['http://localhost:4000/healthz'] })
      .optional(),
    url: httpUrl('Where live traffic comes in.').meta({ examples: ['https://shop.example.com'] }),
  })
  .describe(
    'A git checkout on a host that is logged in to. Exactly one of pm2, systemd and compose. Opaque.',
  );

export const traits = {
  strategies: ['immediate'],
  staged: () => false,
  log({ host, user, port, directory, pm2, systemd, compose }): { [key: string]: Json } | undefined {
    if (host === undefined) return undefined;
    const ssh = { host, ...(user === undefined ? {} : { user }), ...(port === undefined ? {} : { port }) };
    if (pm2 !== undefined) return { pm2, ssh };
    if (systemd !== undefined) return { journald: systemd, ssh };
    if (compose === undefined || directory === undefined) return undefined;
    return { compose, directory, ssh };
  },
} satisfies TargetTraits;

export type Config = z.infer<typeof schema>;
