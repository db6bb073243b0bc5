/** Folders, registries and schemas agree; a kind that is forgotten in one fails here. */
import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { createNotifiers } from '../../src/adapters/notifiers/registry.js';
import { createProbes } from '../../src/adapters/probes/registry.js';
import { createTargets } from '../../src/adapters/targets/registry.js';
import { PROBE_KINDS } from '../../src/plan/probe-schema.js';
import { NOTIFIER_KINDS } from '../../src/plan/schema.js';
import { TARGET_KINDS } from '../../src/plan/step-schema.js';
import { ArtifactStore } from '../../src/platform/artifacts.js';
import { runChild } from '../../src/platform/children.js';
import { Redactor } from '../../src/platform/redaction.js';
import { noHosts } from '../support/no-hosts.js';

const ADAPTERS = new URL('../../src/adapters/', import.meta.url);

const folders = (sort: string) =>
  readdirSync(new URL(sort, ADAPTERS), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
const never = async () => {
  throw new Error('not asked here');
};

describe.each([
  {
    sort: 'probes',
    kinds: PROBE_KINDS,
    registry: () =>
      createProbes({
        ...noHosts,
        references: { resolveText: never },
        artifacts: new ArtifactStore('/nowhere', new Redactor()),
        runChild,
        commandsEnabled: false,
        now: Date.now,
        secrets: { describe: never },
        rds: { describeInstance: never, readParameter: never },
        cloudwatch: { readMetric: never, listAlarms: never },
      }),
  },
  {
    sort: 'targets',
    kinds: TARGET_KINDS,
    registry: () =>
      createTargets({ runChild, env: {}, commandsEnabled: false, kubernetes: never, ssh: { run: never } }),
  },
  { sort: 'notifiers', kinds: NOTIFIER_KINDS, registry: () => createNotifiers() },
])('$sort', ({ sort, kinds, registry }) => {
  it('every kind of the plan file has a folder with its schema', () => {
    expect(Object.keys(kinds).sort()).toEqual(folders(sort));
    for (const kind of folders(sort))
      expect(existsSync(new URL(`${sort}/${kind}/schema.ts`, ADAPTERS))).toBe(true);
  });

  it('every kind is carried out', () => {
    expect([...registry().keys()].sort()).toEqual(folders(sort));
  });
});
