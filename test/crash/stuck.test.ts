/**
 * An undo that cannot be done: the rollout stays open and pages; `status` names item, found, expected and the command
 * that mends it, and a person's shell carries that command out. `retry` finishes it, `accept` closes it. The worker is
 * killed by SIGKILL in the middle of the undo that fails, and while the rollout waits.
 */
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Moto, motoIsMissing, startMoto } from '../support/moto.js';
import { endByAccept, endByRetry, type Wound } from '../support/stuck.js';
import {
  awayDatabase,
  changedSecret,
  goneRelease,
  lockedState,
  refusedPush,
  removedFile,
} from '../support/stuck-wounds.js';
import { startTemporal } from '../support/temporal.js';
import { terraformIsMissing } from '../support/terraform.js';

// What takes longest comes first.
const wounds = [lockedState, goneRelease, awayDatabase, changedSecret, refusedPush, removedFile] as Wound[];
const missing = motoIsMissing() || (await terraformIsMissing());
const nameOf = (wound: Wound, how: string) => `stuck-${wounds.indexOf(wound)}-${how}`;
const accepted = changedSecret as Wound;

describe.skipIf(missing)('stuck', { concurrent: true }, () => {
  let temporal: TestWorkflowEnvironment;
  let moto: Moto;
  beforeAll(async () => {
    const names = wounds.flatMap((wound) => [nameOf(wound, 'retry'), nameOf(wound, 'accept')]);
    [temporal, moto] = await Promise.all([startTemporal(names), startMoto()]);
  });
  afterAll(async () => {
    await temporal.teardown();
    await moto.stop();
  });
  const parts = () => ({ address: temporal.address, aws: moto.url });

  for (const wound of wounds) {
    it.skipIf(wound.missing)(
      `${wound.name}: told, mended by what is printed, retried`,
      async () => {
        await endByRetry(wound, parts(), nameOf(wound, 'retry'));
      },
      400_000,
    );
  }

  it(`${accepted.name}: accepted, with the change of the other as it is and the locks free`, async () => {
    const seen = await endByAccept(accepted, parts(), nameOf(accepted, 'accept'));
    expect(seen).toMatchObject({ config: { text: expect.stringContaining('"99", "OF": "a colleague"') } });
  });
});
