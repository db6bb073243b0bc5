/** What every deploy target promises, whatever it deploys to. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BoundTarget, CheckedTarget } from '../../src/adapters/targets/registry.js';
import type { TargetCall } from '../../src/adapters/targets/target.js';
import type { Json } from '../../src/plan/resolved.js';

type Config = { [key: string]: Json };

export interface TargetUnderTest {
  target: CheckedTarget;
  /** Version v1.0.0 is live, nothing stands beside it; `context.version` is v1.0.1. */
  call: TargetCall<Config>;
  /** A configuration under which `prepare`, of an opaque target `promote`, never ends. */
  hanging?: Config;
  /** What stands in the logs of the live release; left out for what the target cannot tell. */
  logs?: { current?: string; previous?: string };
  close?(): Promise<void>;
}

export interface TargetTestOptions {
  /** How it is deployed to, where there are several ways. */
  way?: string;
  /** Nothing stands beside the live release: it is deployed whole. */
  opaque?: boolean;
}

export function describeTarget(
  kind: string,
  open: () => Promise<TargetUnderTest>,
  { way, opaque = false }: TargetTestOptions = {},
): void {
  describe(`contract of the target ${kind}${way === undefined ? '' : `, ${way}`}`, () => {
    let under: TargetUnderTest;
    let bound: BoundTarget;
    beforeAll(async () => {
      under = await open();
      bound = under.target.bind(under.call);
    });
    afterAll(async () => under?.close?.());

    const twice = async <T>(act: () => Promise<T>): Promise<T> => {
      await act();
      return act();
    };

    it('bears its name, says what is live, and whether anything can stand beside it', async () => {
      expect(bound.staged).toBe(!opaque);
      expect(under.target.kind).toBe(kind);
      const { live, candidate } = await bound.status();
      expect([live.version, candidate]).toEqual(['v1.0.0', null]);
      expect(live.id).not.toBe('');
    });

    if (!opaque)
      it('prepares beside the live release, and only once', async () => {
        const before = await bound.status();
        const first = await bound.prepare();
        expect(await bound.prepare()).toEqual(first);
        expect(first.version).toBe('v1.0.1');
        const { live, candidate, unsettled } = await bound.status();
        expect({ live, candidate, unsettled }).toEqual({ live: before.live, candidate: first });
      });

    if (!opaque)
      it('promotes, keeps the old release warm, and goes back to it; each of them twice', async () => {
        const { live: old, candidate } = await bound.status();
        if (!candidate) throw new Error('nothing was prepared');
        await twice(() => bound.promote(candidate));
        const promoted = await bound.status();
        expect([promoted.live.id, promoted.candidate?.id]).toEqual([candidate.id, old.id]);
        await twice(() => bound.restore(old));
        const restored = await bound.status();
        expect([restored.live.id, restored.candidate?.id]).toEqual([old.id, candidate.id]);
      });

    if (opaque)
      it('deploys whole, and goes back to the release of before; each of them twice', async () => {
        const { live: old } = await bound.status();
        const version = 'v1.0.1';
        await twice(() => bound.promote({ ...old, version }));
        const promoted = await bound.status();
        expect([promoted.live.version, promoted.candidate, promoted.unsettled]).toEqual([
          version,
          null,
          undefined,
        ]);
        await twice(() => bound.restore(old));
        const restored = await bound.status();
        expect([restored.live.version, restored.candidate, restored.unsettled]).toEqual([
          old.version,
          null,
          undefined,
        ]);
      });

    it('starts what is live again, and it stays what it is', async () => {
      const { live } = await bound.status();
      await twice(() => bound.restart(live));
      expect((await bound.status()).live).toEqual(live);
    });

    if (!opaque)
      it('retires what stands beside, twice', async () => {
        const { candidate } = await bound.status();
        if (!candidate) throw new Error('nothing stands there');
        await twice(() => bound.retire(candidate));
        expect((await bound.status()).candidate).toBeNull();
      });

    it('tells the log of a release, or that it has none to tell', async () => {
      const { live } = await bound.status();
      for (const which of ['current', 'previous'] as const) {
        const log = await bound.logs(live, which);
        const expected = under.logs?.[which];
        if (expected === undefined) expect(log, which).toBeUndefined();
        else expect(log, which).toContain(expected);
      }
    });

    it('is not configured by anything', () => {
      for (const config of [{}, { nonsense: true }] as Config[]) {
        expect(() => under.target.bind({ ...under.call, config })).toThrow(/not configured right/);
      }
    });

    it('ends with the reason of its signal, within two seconds', async () => {
      const abort = new AbortController();
      const config = under.hanging ?? under.call.config;
      const late = under.target.bind({ ...under.call, config, signal: abort.signal });
      const { live } = await bound.status();
      const hanging = bound.staged ? late.prepare() : late.promote({ ...live, version: 'v1.0.1' });
      const reason = new Error('enough');
      const startedAt = Date.now();
      abort.abort(reason);
      await expect(hanging).rejects.toBe(reason);
      expect(Date.now() - startedAt).toBeLessThan(2_000);
    });
  });
}
