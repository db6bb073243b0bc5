import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { loadSettings } from '../../../src/platform/settings.js';

it('defaults are closed: no reference, no command', () => {
  expect(loadSettings({})).toEqual({
    home: join(homedir(), '.headgate'),
    portBase: 7300,
    allowedReferences: [],
    allowedSources: [],
    enabled: [],
    tools: { terraform: undefined, k6: undefined, temporal: undefined },
  });
});

it('reads lists, port and tools', () => {
  const settings = loadSettings({
    HEADGATE_HOME: '/srv/headgate',
    HEADGATE_PORT_BASE: '8100',
    HEADGATE_ALLOWED_REFERENCES: 'ADMIN_TOKEN, app/config#password,,ADMIN_TOKEN',
    HEADGATE_ALLOWED_SOURCES: 'https://git.example.com/ops/, git@git.example.com:one/plan.git',
    HEADGATE_ENABLE: 'command,run',
    HEADGATE_TEMPORAL_UI: 'https://Temporal.example.com/ui/',
    HEADGATE_TOOL_K6: '/opt/k6',
  });
  expect(settings).toMatchObject({
    home: '/srv/headgate',
    portBase: 8100,
    allowedReferences: ['ADMIN_TOKEN', 'app/config#password'],
    allowedSources: ['https://git.example.com/ops/', 'git@git.example.com:one/plan.git'],
    enabled: ['command', 'run'],
    temporalUi: 'https://temporal.example.com/ui',
    tools: { k6: '/opt/k6' },
  });
});

it.each([
  ['s3://headgate', { bucket: 'headgate', prefix: '' }],
  ['s3://headgate.example/', { bucket: 'headgate.example', prefix: '' }],
  ['s3://headgate/team/a/', { bucket: 'headgate', prefix: 'team/a' }],
])('artifacts may lie in %s', (address, artifacts) => {
  expect(loadSettings({ HEADGATE_ARTIFACTS: address }).artifacts).toEqual(artifacts);
});

it.each([
  [{ HEADGATE_PORT_BASE: '70000' }, /HEADGATE_PORT_BASE is "70000"; expected a whole number/],
  [
    { HEADGATE_ARTIFACTS: '/srv/artifacts' },
    /HEADGATE_ARTIFACTS is "\/srv\/artifacts"; expected s3:\/\/bucket/,
  ],
  [{ HEADGATE_ARTIFACTS: 's3://A_B/x' }, /expected s3:\/\/bucket/],
  [{ HEADGATE_ARTIFACTS: 's3://bucket/a//b' }, /expected s3:\/\/bucket/],
  [{ HEADGATE_PORT_BASE: 'x' }, /HEADGATE_PORT_BASE is "x"/],
  [{ HEADGATE_TEMPORAL_UI: 'temporal.example.com' }, /HEADGATE_TEMPORAL_UI is no address.*https:\/\//],
  [{ HEADGATE_TEMPORAL_UI: 'https://x/?token=y' }, /no user, password, query or fragment/],
  [{ HEADGATE_ENABLE: 'runn' }, /"runn" cannot be enabled.*run, command/],
])('%j is an error that says what is expected', (env, message) => {
  expect(() => loadSettings(env)).toThrow(message);
});

it('an address of the UI that holds a password is refused, and the password is not said', () => {
  const load = () => loadSettings({ HEADGATE_TEMPORAL_UI: 'https://ana:canary@temporal.example.com' });
  expect(load).toThrow(/HEADGATE_TEMPORAL_UI is no address that can be handed on/);
  expect(load).not.toThrow(/canary/);
});
