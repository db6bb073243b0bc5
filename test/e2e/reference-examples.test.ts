/** The examples of docs/reference, each started with the command line as it stands there, against real local parts. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exampleOf } from '../../scripts/reference/files.js';
import { type Kind, listKinds } from '../../scripts/reference/kinds.js';
import { closedAddress } from '../support/http-server.js';
import { motoIsMissing } from '../support/moto.js';
import { prometheusIsMissing } from '../support/prometheus.js';
import { RUNS, type Run } from '../support/reference-runs.js';
import { ReferenceWorld } from '../support/reference-world.js';
import { terraformIsMissing } from '../support/terraform.js';

const missing: Record<string, boolean> = {
  'steps/infra': await terraformIsMissing(),
  'probes/prometheus': prometheusIsMissing(),
};

describe.skipIf(motoIsMissing())('the examples of the reference', () => {
  let world: ReferenceWorld;
  beforeAll(async () => {
    world = await ReferenceWorld.open();
  });
  afterAll(() => world?.close());

  for (const kind of listKinds()) {
    const title = `${kind.sort}/${kind.name}`;
    const run = RUNS[title];
    if (run) it.skipIf(missing[title])(`${title} is promoted`, () => promote(kind, run));
  }

  it('an example whose application does not answer is taken back: what passes above could fail', async () => {
    const vars = { address: await closedAddress(), monitorFor: '5s', monitorInterval: '250ms' };
    const { code, lines } = await world.start(exampleOf({ sort: 'steps', name: 'monitor' }), vars);
    expect([code, lines.at(-1)?.status]).toEqual([1, 'rolledBack']);
  });

  async function promote(kind: Kind, { vars, prepare, verify, approved }: Run): Promise<void> {
    await prepare?.(world);
    const { code, lines, stderr } = await world.start(exampleOf(kind), vars?.(world) ?? {}, approved);
    const said = `${stderr}\n${lines.map((line) => JSON.stringify(line)).join('\n')}`;
    expect([code, lines.at(-1)?.status], said).toEqual([0, 'promoted']);
    await verify?.(world);
  }
});
