import { z } from 'zod';
import { region, text } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    instance: text('Identifier of the RDS instance.').meta({ examples: ['shop-prod'] }),
    name: text('Name of the parameter.').meta({ examples: ['max_connections'] }),
    region: region().optional(),
  })
  .describe(
    'A parameter of an RDS instance. Sample: effective (absent while a change pends), pendingReboot, configured, source, applyType, status.',
  );

export type Config = z.infer<typeof schema>;
