import { z } from 'zod';
import { region, text } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    instance: text('Identifier of the RDS instance.'),
    name: text('Name of the parameter.').meta({ examples: ['max_connections'] }),
    region: region().optional(),
  })
  .describe('A parameter of an RDS instance. Sample: effective, pendingReboot.');
