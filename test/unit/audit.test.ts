import { expect, it } from 'vitest';
// @ts-expect-error plain JavaScript, run by CI under a bare node
import { readAudit } from '../../scripts/audit.mjs';

const finding = (severity: string) => ({
  ws: {
    name: 'ws',
    severity,
    range: '<8.17.1',
    via: [{ title: 'DoS by headers', url: 'https://example.com/1' }, 'other'],
  },
});
const reportOf = (vulnerabilities: object) => JSON.stringify({ auditReportVersion: 2, vulnerabilities });

it('passes when there is none', () => {
  expect(readAudit(reportOf({}))).toEqual({
    exitCode: 0,
    lines: ['0 known vulnerabilities, 0 of them high or critical'],
  });
});

it.each([
  ['low', 0],
  ['moderate', 0],
  ['high', 1],
  ['critical', 1],
])('a finding of severity %s ends with %i, and is told', (severity, exitCode) => {
  const audit = readAudit(reportOf(finding(severity)));
  expect(audit.exitCode).toBe(exitCode);
  expect(audit.lines[0]).toBe(`${severity}: ws <8.17.1: DoS by headers (https://example.com/1); by other`);
});

it.each([
  ['a registry that does not serve it', '{"message":"405 Method Not Allowed","vulnerabilities":null}'],
  ['no network', '{"message":"request failed, reason: ENOTFOUND","error":{}}'],
  ['nothing', ''],
  ['something else', '[]'],
])('%s is neither good nor bad news', (_what, text) => {
  expect(readAudit(text).exitCode).toBe(75);
});
