import { z } from 'zod';
import { headers, httpUrl, planPath, text } from '../../../plan/scalars.js';

export const schema = z
  .strictObject({
    method: z
      .enum(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE'])
      .optional()
      .describe('GET when left out. Anything but GET, HEAD and OPTIONS writes: it is sent once per use.'),
    url: httpUrl('What is asked. ${release:url} is the release being judged.'),
    headers: headers('Sent along.').optional(),
    body: z.json().optional().describe('Sent as it is when it is text, else as JSON.'),
    bodyFile: planPath(
      'Instead of body: a file whose content is sent. It may hold ${…} references.',
      'test-payloads/booking-message.json',
    ).optional(),
    hmac: z
      .strictObject({
        header: text('Takes sha256=<hex>.').meta({ examples: ['X-Hub-Signature-256'] }),
        key: text('The key, as a reference.').meta({ examples: ['${env:WEBHOOK_SECRET}'] }),
      })
      .optional()
      .describe('Signs the body with HMAC-SHA256.'),
    bearer: text('Sent as Authorization: Bearer …')
      .meta({ examples: ['${env:ADMIN_TOKEN}'] })
      .optional(),
  })
  .describe('One HTTP request. Sample: status, headers, durationMs, body (parsed when it is JSON).');

export type Config = z.infer<typeof schema>;
