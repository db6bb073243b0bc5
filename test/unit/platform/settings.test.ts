import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadSettings } from '../../../src/platform/settings.js';

it('defaults are closed: no reference, no command', () => {
  expect(loadSettings({})).toEqual({
    home: join(homedir(), '.headgate'),
    portBase: 7300,
    allowedReferences: [],
    enabled: [],
    tools: { terraform: undefined, k6: undefined, temporal: undefined },
  });
});

it('reads lists, port and tools', () => {
  const settings = loadSettings({
    HEADGATE_HOME: '/srv/headgate',
    HEADGATE_PORT_BASE: '8100',
    HEADGATE_ALLOWED_REFERENCES: 'ADMIN_TOKEN, app/config#password,,ADMIN_TOKEN',
    HEADGATE_ENABLE: 'command,run',
    HEADGATE_TOOL_K6: '/opt/k6',
  });
  expect(settings).toMatchObject({
    home: '/srv/headgate',
    portBase: 8100,
    allowedReferences: ['ADMIN_TOKEN', 'app/config#password'],
    enabled: ['command', 'run'],
    tools: { k6: '/opt/k6' },
  });
});

it.each([
  [{ HEADGATE_PORT_BASE: '70000' }, /HEADGATE_PORT_BASE is "70000"; expected a whole number/],
  [{ HEADGATE_PORT_BASE: 'x' }, /HEADGATE_PORT_BASE is "x"/],
  [{ HEADGATE_ENABLE: 'runn' }, /"runn" cannot be enabled.*run, command/],
])('%j is an error that says what is expected', (env, message) => {
  expect(() => loadSettings(env)).toThrow(message);
});
