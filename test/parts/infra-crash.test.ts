/** `infra` when it is aborted, when terraform or its worker is killed, and when somebody holds the state. */
import { CancelledFailure } from '@temporalio/common';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ProxiedRequest, startFaultProxy } from '../support/fault-proxy.js';
import { serve } from '../support/http-server.js';
import { type Moto, motoIsMissing, startMoto } from '../support/moto.js';
import { isAlive, waitFor } from '../support/processes.js';
import { OWN_NAME, RemoteState } from '../support/state-lock.js';
import { InfraWorld, SECRET, terraformIsMissing } from '../support/terraform.js';

const missing = await terraformIsMissing();

async function killGroup(pid: number): Promise<void> {
  process.kill(-pid, 'SIGKILL');
  await waitFor(() => !isAlive(pid), 'terraform to be gone');
}

describe.skipIf(missing)('infra that is interrupted', () => {
  let world: InfraWorld;
  beforeEach(async () => {
    world = await InfraWorld.create('setting');
    return async () => {
      await world.release();
      await world.remove();
    };
  });
  const after = { vars: { size: 50 } };
  const both = { ...after, undo: { varFiles: [], vars: { size: 20 } } };

  /** Its provisioner has begun, and the one beside it has ended. */
  async function beginHeld(config: Parameters<InfraWorld['apply']>[1] = after) {
    await world.prepare({ ...config, vars: { ...config.vars, size: 20 } });
    const { found } = await world.look(config);
    await world.hold();
    const running = world.beginApply(found, config);
    await world.waitForLog('beside 50');
    return { found, ...running };
  }

  it('by an abort: one interrupt, nothing of it is left, and it can be taken back', async () => {
    const { found, result, cancel } = await beginHeld(both);
    const family = await world.processes();
    expect(family.some(({ command }) => command.startsWith('/bin/sh'))).toBe(true);
    const startedAt = performance.now();
    cancel();
    await expect(result).rejects.toBeInstanceOf(CancelledFailure);
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(family.filter(({ pid }) => isAlive(pid))).toEqual([]);
    const log = (await world.artifacts())['infra-production-infra.ndjson'] ?? '';
    expect(log.match(/Interrupt received/g)).toHaveLength(1);
    expect(await world.log()).not.toContain('end 50');
    await world.release();
    expect(await world.undo(found, both)).toMatchObject({ changed: true });
    expect((await world.look(both)).found.stateDigest).toBe(found.stateDigest);
  });

  it('by an abort that terraform does not hear: killed when abortGrace is over, and its record is kept', async () => {
    await world.prepare({ vars: { size: 20 } });
    const { found } = await world.look(after);
    await world.pretendTerraform(
      `apply) trap '' INT; echo deaf >> ${world.file('log')}; while :; do sleep 0.05; done;;`,
    );
    const { result, cancel } = world.beginApply(found, { ...after, abortGraceMs: 700 });
    await world.waitForLog('deaf');
    const family = await world.processes();
    const startedAt = performance.now();
    cancel();
    await expect(result).rejects.toBeInstanceOf(CancelledFailure);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(700);
    expect(family.filter(({ pid }) => isAlive(pid))).toEqual([]);
    expect(await world.grep('"killed":true')).toEqual([expect.stringMatching(/runs\/.*\/run\.json$/)]);
  });

  it('by an abort before it has begun: nothing begins', async () => {
    await world.prepare({ vars: { size: 20 } });
    const { found } = await world.look(after);
    const running = world.beginApply(found, after);
    running.cancel();
    await expect(running.result).rejects.toBeInstanceOf(CancelledFailure);
    expect(await world.log()).not.toContain('begin 50');
  });

  it('by SIGKILL: what was done stays, what terraform recorded without having done it is done again', async () => {
    const { found, result } = await beginHeld();
    await killGroup(await world.terraformPid());
    await expect(result).rejects.toThrow('terraform apply in infra was ended by SIGKILL');
    await expect(result).rejects.not.toMatchObject({ nonRetryable: true });
    await world.release();

    // The trap: for whoever does not know of the kill there is nothing left to do.
    world.home = world.file('home-of-another-worker');
    expect((await world.look(after)).changes.filter((line) => line.includes('runner:'))).toEqual([]);
    world.home = world.file('home');

    expect(await world.apply(found, after, { attempt: 2 })).toMatchObject({ added: 1, destroyed: 1 });
    const log = await world.log();
    expect(log.filter((line) => line === 'begin 50')).toHaveLength(2);
    expect(log.filter((line) => line === 'end 50')).toHaveLength(1);
    expect(log.filter((line) => line === 'beside 50')).toHaveLength(1);
    expect(await world.verify(after)).toMatchObject({ outcome: 'pass' });
    const done = await world.log();
    expect(await world.apply(found, after, { attempt: 3 })).toMatchObject({ added: 0, destroyed: 0 });
    expect(await world.log()).toEqual(done);
  });

  it('leaves no secret behind when it is killed, only the record', async () => {
    const { result } = await beginHeld({ vars: { size: 50, password: '${env:SECRET}' } });
    expect(await world.grep(SECRET)).toContainEqual(
      expect.stringMatching(/runs\/.*\/values-0\.tfvars\.json$/),
    );
    await killGroup(await world.terraformPid());
    await expect(result).rejects.toThrow('SIGKILL');
    expect((await world.grep(SECRET)).filter((file) => file.includes('/home/'))).toEqual([]);
  });

  it('a secret value is in no argument, heartbeat, artifact or error while it runs', async () => {
    const config = { vars: { size: 50, password: '${env:SECRET}' }, backendConfig: { path: '${env:STATE}' } };
    const { result } = await beginHeld(config);
    const commands = (await world.processes()).map(({ command }) => command);
    expect(commands.filter((command) => /\0apply\0/.test(command))).toHaveLength(1);
    expect(commands.join()).not.toContain(SECRET);
    expect(commands.join()).not.toContain(world.file('state.json'));
    await world.release();
    await result;
    expect(await world.grep(SECRET)).toContain(world.file('state.json'));
    expect(JSON.stringify([await world.artifacts(), world.beats])).not.toContain(SECRET);
  });

  it('waits for the state of somebody who works on it, and names him', async () => {
    const { result } = await beginHeld();
    const locked = world.look(after, { lockWaitMs: 0 });
    await expect(locked).rejects.toThrow(
      new RegExp(
        `The state of infra is locked by ${OWN_NAME} \\(apply\\) since 20.*terraform -chdir=infra force-unlock [0-9a-f-]{36}`,
      ),
    );
    await expect(locked).rejects.not.toMatchObject({ nonRetryable: true });
    const waiting = world.look(after);
    await world.waitForBeat(({ doing }) =>
      doing.startsWith(`waiting for the state lock: ${OWN_NAME} (apply) since`),
    );
    await world.release();
    await result;
    expect((await waiting).changes).toEqual([]);
  });
});

describe.skipIf(missing || motoIsMissing())(
  'infra with remote state, whose locks outlive their holder',
  () => {
    let moto: Moto;
    let remote: RemoteState;
    let world: InfraWorld;
    const allow = ['terraform_data.runner'];
    const config = (size: number) => ({
      vars: { size },
      allow,
      backendConfig: remote.backendConfig,
      undo: { varFiles: [], vars: { size: 20 } },
    });

    beforeAll(async () => {
      moto = await startMoto();
      remote = await RemoteState.create(moto.url);
    });
    afterAll(() => moto.stop());
    beforeEach(async () => {
      remote.reset();
      world = await InfraWorld.create('remote');
      return async () => {
        await world.release();
        await world.remove();
      };
    });

    async function killInTheMiddle() {
      await world.prepare(config(20));
      const { found } = await world.look(config(50));
      await world.hold();
      const { result } = world.beginApply(found, config(50));
      await world.waitForLog('begin 50');
      await killGroup(await world.terraformPid());
      await expect(result).rejects.toThrow('SIGKILL');
      const lock = await remote.lock();
      expect(lock).toMatchObject({ Who: OWN_NAME, Operation: 'OperationTypeApply' });
      await world.release();
      return { found, lock };
    }

    it('breaks the lock of its own killed attempt, and goes on', async () => {
      const { found } = await killInTheMiddle();
      expect(await world.apply(found, config(50), { attempt: 2 })).toMatchObject({
        added: 1,
        destroyed: 1,
      });
      expect(
        world.beats.some(({ doing }) =>
          doing.startsWith(`breaking a state lock of our own: ${OWN_NAME} (apply)`),
        ),
      ).toBe(true);
      expect(await remote.lock()).toBeUndefined();
      expect((await world.log()).filter((line) => line === 'end 50')).toHaveLength(1);
    });

    it('takes back what a killed attempt may have done, although the state knows nothing of it', async () => {
      const { found } = await killInTheMiddle();
      expect(await world.undo(found, config(50))).toMatchObject({ changed: true });
      expect((await world.log()).slice(-2)).toEqual(['begin 20', 'end 20']);
      expect(await world.undo(found, config(50))).toMatchObject({ changed: false });
    });

    it('breaks the lock that a plan of its own left behind because the answer was lost on the way', async () => {
      const proxy = await startFaultProxy(moto.url);
      const match = ({ target, body }: ProxiedRequest) => target === 'PutItem' && body.includes(OWN_NAME);
      proxy.rules.push({ match, times: 1, fault: 'cut after forwarding' });
      process.env.AWS_ENDPOINT_URL = proxy.url;
      try {
        expect((await world.look(config(20))).found.changes).toBe(1);
        expect(proxy.calls.filter(match).length).toBeGreaterThan(2);
        expect(await remote.lock()).toBeUndefined();
      } finally {
        process.env.AWS_ENDPOINT_URL = moto.url;
        await proxy.close();
      }
    });

    it('does not break it on another worker, which cannot know', async () => {
      const { lock } = await killInTheMiddle();
      world.home = world.file('home-of-another-worker');
      await expect(world.look(config(50), { lockWaitMs: 0 })).rejects.toThrow(`locked by ${OWN_NAME}`);
      expect(await remote.lock()).toEqual(lock);
    });

    it('does not break it while an older terraform is at work on this machine: that might be the holder', async () => {
      const other = await InfraWorld.create('setting');
      try {
        await other.hold();
        const { found } = await other.look({ vars: { size: 1 } });
        const running = other.beginApply(found, { vars: { size: 1 } });
        await other.waitForLog('begin 1');
        const { lock } = await killInTheMiddle();
        await expect(world.look(config(50), { lockWaitMs: 0 })).rejects.toThrow(`locked by ${OWN_NAME}`);
        expect(await remote.lock()).toEqual(lock);
        await other.release();
        await running.result;
        expect((await world.look(config(50))).found.changes).toBe(1);
      } finally {
        await other.release();
        await other.remove();
      }
    });

    it.each([
      ['taken by somebody else', { Who: 'bob@laptop' }],
      ['of our name, but of another time', { Created: new Date(Date.now() - 3_600_000).toISOString() }],
      ['of our name, but for something else', { Operation: 'OperationTypePlan' }],
    ])('does not break a lock %s', async (_what, change) => {
      const { lock } = await killInTheMiddle();
      const other = { ...lock, ID: '11111111-2222-3333-4444-555555555555', ...change };
      await remote.take(other);
      await expect(world.look(config(50), { lockWaitMs: 0 })).rejects.toThrow(
        /is locked by .*, lock 11111111-2222-3333-4444-555555555555\. It is waited for with every attempt/,
      );
      expect(await remote.lock()).toMatchObject(other);
    });

    it('waits, says for whom, and goes on when the lock is let go', async () => {
      await remote.take({ Who: 'bob@laptop' });
      const looking = world.look(config(20));
      await world.waitForBeat(({ doing }) =>
        /^waiting for the state lock: bob@laptop \(apply\) since 20/.test(doing),
      );
      await remote.unlock();
      expect((await looking).found.changes).toBe(1);
    });

    it('an abort ends the waiting at once', async () => {
      await remote.take({ Who: 'bob@laptop' });
      const { result, cancel } = world.begin((activities) => activities.lookInfra(world.input(config(20))));
      await world.waitForBeat(({ doing }) => doing.startsWith('waiting'));
      cancel();
      await expect(result).rejects.toBeInstanceOf(CancelledFailure);
      expect(await remote.lock()).toMatchObject({ Who: 'bob@laptop' });
    });
  },
);

describe.skipIf(missing)('infra with the http backend', () => {
  it('which gives our own name for that of the holder: nothing is broken', async () => {
    const world = await InfraWorld.create('remote');
    const asked: string[] = [];
    const server = await serve((request, response) => {
      asked.push(request.method ?? '');
      const holder = { ID: 'lock-of-somebody', Who: 'bob@laptop', Operation: 'OperationTypeApply' };
      if (request.method === 'LOCK') response.writeHead(423).end(JSON.stringify(holder));
      else response.writeHead(404).end();
    });
    try {
      await world.replaceInConfiguration('backend "s3" {}', 'backend "http" {}');
      const backendConfig = {
        address: server.url,
        lock_address: server.url,
        unlock_address: server.url,
        retry_max: '0',
      };
      const looking = world.look({ vars: { size: 1 }, backendConfig }, { lockWaitMs: 0 });
      await expect(looking).rejects.toThrow('locked by somebody, lock lock-of-somebody.');
      expect(asked).toContain('LOCK');
      expect(asked).not.toContain('UNLOCK');
    } finally {
      await server.close();
      await world.remove();
    }
  });
});
