import { expect, it } from 'vitest';
import { createLogger } from '../../../src/platform/logging.js';
import { Redactor } from '../../../src/platform/redaction.js';

it('writes one redacted JSON object a line, from its level on', () => {
  const lines: string[] = [];
  const redactor = new Redactor();
  redactor.add('canary-secret');
  const logger = createLogger({ redactor, write: (line) => lines.push(line) });
  logger.debug('dropped');
  logger.warn('failed\nhard', { step: 'staging/secret', error: new Error('canary-secret'), nanos: 5n });
  expect(lines).toHaveLength(1);
  expect(lines[0]?.indexOf('\n')).toBe((lines[0]?.length ?? 0) - 1);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    level: 'warn',
    message: 'failed\nhard',
    step: 'staging/secret',
    error: { name: 'Error', message: '[redacted]' },
    nanos: '5',
  });
});
