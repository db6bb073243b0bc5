/** `infra` with a real terraform: what is looked at, what is applied and what is refused. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { InfraWorld, SECRET, terraformIsMissing } from '../support/terraform.js';

const missing = await terraformIsMissing();
const RUNNER =
  'terraform_data.runner: destroy and create again, because triggers_replace cannot be changed in place (triggers_replace: 20 → 50)';

describe.skipIf(missing)('infra, with a real terraform', () => {
  let world: InfraWorld;
  beforeEach(async () => {
    world = await InfraWorld.create('setting');
    return () => world.remove();
  });

  const before = { vars: { size: 20 } };
  const after = { vars: { size: 50 } };
  const both = { ...after, undo: { varFiles: [], vars: { size: 20 } } };

  describe('look', () => {
    it('says what would change, a line each, and what undoes it', async () => {
      await world.prepare(before);
      const look = await world.look(both);
      expect(look.changes.sort()).toEqual([
        expect.stringMatching(/^output\.size: update/),
        'terraform_data.beside: destroy and create again, because triggers_replace cannot be changed in place (triggers_replace: 20 → 50)',
        expect.stringMatching(
          /^terraform_data\.follower: update in place \(input: "[0-9a-f-]+" → known after apply/,
        ),
        RUNNER,
        expect.stringMatching(
          /^terraform_data\.setting: update in place \(input: .*"size":20.* → .*"size":50/,
        ),
      ]);
      expect(look).toMatchObject({
        effect: 'detectable',
        undo: 'terraform infra: applied with size = 20',
        warnings: [],
      });
      expect(look.found).toMatchObject({
        changes: 5,
        planDigest: expect.stringMatching(/^[0-9a-f]{64}$/),
        stateDigest: expect.stringMatching(/^[0-9a-f]{64}$/),
      });
      expect(Buffer.byteLength(JSON.stringify(look))).toBeLessThan(16 * 1024);
    });

    it('writes nothing into the folder of the plan, and nothing that others may read', async () => {
      await world.look(after);
      expect((await readdir(world.file('infra'))).sort()).toEqual(['main.tf']);
      expect(await readdir(world.file('home', 'cache', 'terraform'))).toHaveLength(1);
      const [cache = ''] = await readdir(world.file('home', 'cache', 'terraform'));
      expect(await readdir(world.file('home', 'cache', 'terraform', cache, 'runs'))).toEqual([]);
    });

    it('finds nothing to do where all is as the plan wants it', async () => {
      await world.prepare(before);
      expect(await world.look(before)).toMatchObject({ effect: 'none', changes: [], found: { changes: 0 } });
    });

    it('finds the same twice, and something else when the plan wants something else', async () => {
      await world.prepare(before);
      const [first, again, other] = [
        await world.look(after),
        await world.look(after),
        await world.look({ vars: { size: 60 } }),
      ];
      expect(again).toEqual(first);
      expect(other.digest).not.toBe(first.digest);
      expect(other.found.stateDigest).toBe(first.found.stateDigest);
    });

    it('a sensitive value is in no line, digest, artifact, heartbeat or error, but that it changes is', async () => {
      await world.prepare({ vars: { size: 20, password: 'before' } });
      const config = { vars: { size: 20, password: '${env:SECRET}' } };
      const look = await world.look(config);
      expect(look.changes.join()).toContain('"password":"(sensitive, changed)"');
      const artifacts = await world.artifacts();
      expect(artifacts['infra-production-infra-plan.json']).toContain('"password": "(sensitive, changed)"');
      await world.apply(look.found, config);
      expect(await readFile(world.file('state.json'), 'utf8')).toContain(SECRET);
      expect(JSON.stringify([look, await world.artifacts(), world.beats])).not.toContain(SECRET);
    });

    it('a secret that the configuration does not mark is masked all the same, and warned of', async () => {
      await world.replaceInConfiguration('  sensitive = true\n', '');
      const look = await world.look({ vars: { size: 20, password: '${env:SECRET}' } });
      expect(look.changes.join()).toContain('"password":"[redacted]"');
      expect(look.warnings).toEqual([
        expect.stringContaining(
          '"password" is given a value of the worker\'s, but is not declared sensitive',
        ),
      ]);
      expect(JSON.stringify([look, await world.artifacts()])).not.toContain(SECRET);
    });

    it('warns when the declared undo does not bring back what is there', async () => {
      await world.prepare(before);
      const look = await world.look({ ...after, undo: { varFiles: [], vars: { size: 21 } } });
      expect(look.warnings).toContainEqual(
        expect.stringMatching(
          /the declared undo does not bring back what is there now, it would change: .*20 → 21/,
        ),
      );
    });

    it('warns when an undo would have to destroy what is created', async () => {
      await world.prepare(before);
      const look = await world.look({
        vars: { size: 20, extras: 1 },
        undo: { varFiles: [], vars: { extras: 0 } },
      });
      expect(look.warnings).toEqual([
        'production/infra: terraform_data.extra[0] is created, and an undo may not destroy it: "allow" does not name it',
      ]);
    });
  });

  describe('refused', () => {
    it('replacing and destroying, unless the address is allowed', async () => {
      await world.prepare({ vars: { size: 20, extras: 1 } });
      const replacing = world.look({
        ...after,
        vars: { size: 50, extras: 1 },
        allow: ['terraform_data.beside'],
      });
      await expect(replacing).rejects.toMatchObject({ type: 'Refused', nonRetryable: true });
      await expect(replacing).rejects.toThrow(
        `${RUNNER}. Destroying and replacing has to be allowed: add terraform_data.runner to "allow"`,
      );
      await expect(world.look({ vars: { size: 20, extras: 0 } })).rejects.toThrow(
        /terraform_data\.extra\[0\]: destroy, because its index is beyond count/,
      );
      const allowed = await world.look({ vars: { size: 20, extras: 0 }, allow: ['terraform_data.extra[0]'] });
      expect(allowed.found.changes).toBe(1);
    });

    it('by `act` as well: what was allowed when it was looked at need not be any more', async () => {
      await world.prepare(before);
      const { found } = await world.look(after);
      await expect(world.apply(found, { ...after, allow: [] })).rejects.toMatchObject({ type: 'Refused' });
      expect(await world.log()).not.toContain('begin 50');
    });

    it('a target that matches nothing, which terraform itself takes for "nothing to do"', async () => {
      const misspelt = world.look({ ...after, targets: ['terraform_data.setting', 'terraform_data.runer'] });
      await expect(misspelt).rejects.toMatchObject({ type: 'Refused' });
      await expect(misspelt).rejects.toThrow(
        /"terraform_data.runer" matches nothing in infra.*Did you mean "terraform_data.runner"\?/,
      );
      await expect(world.look({ ...after, targets: ['terraform_data.extra[0]'] })).rejects.toThrow(
        /matches nothing/,
      );
      const right = await world.look({ ...after, targets: ['terraform_data.setting'] });
      expect(right.changes.filter((line) => line.startsWith('terraform_data'))).toHaveLength(1);
      expect(right.warnings).toEqual([]);
    });

    it('a variable that nobody declares, which terraform itself only warns about', async () => {
      const misspelt = world.look({ vars: { size: 20, sise: 50 } });
      await expect(misspelt).rejects.toThrow('infra declares no variable "sise". Did you mean "size"?');
      await expect(misspelt).rejects.toMatchObject({ type: 'Invalid' });
      const back = world.look({ ...after, undo: { varFiles: [], vars: { sizes: 1 } } });
      await expect(back).rejects.toThrow('no variable "sizes"');
    });
  });

  describe('one clear error, not to be repeated', () => {
    it.each([
      [
        'a fault of syntax',
        '  input = {\n',
        '  input = [\n',
        /^terraform cannot \w+ infra: infra\/main\.tf:\d+: \w/,
      ],
      [
        'an unknown name',
        'input = terraform_data.runner.id',
        'input = terraform_data.nobody.id',
        /infra\/main\.tf:\d+: Reference to undeclared resource: .*nobody/,
      ],
      [
        'a module that is not there',
        'output "size"',
        'module "m" {\n  source = "./nowhere"\n}\noutput "size"',
        /Unreadable module directory.*nowhere/,
      ],
    ])('%s', async (_what, from, to, expected) => {
      await world.replaceInConfiguration(from, to);
      const looking = world.look(before);
      await expect(looking).rejects.toThrow(expected);
      await expect(looking).rejects.toMatchObject({ type: 'Invalid', nonRetryable: true });
    });

    it('a variable without a value, and one of the wrong type', async () => {
      await expect(world.look({})).rejects.toThrow(
        /infra\/main\.tf:\d+: No value for required variable: .*"size" is not set/,
      );
      await expect(world.look({ vars: { size: 'many' } })).rejects.toMatchObject({
        type: 'Invalid',
        message: expect.stringMatching(/Invalid value for input variable: .*a number is required/),
      });
    });

    it('a folder, or a file of variables, that is not there', async () => {
      await expect(world.look({ ...before, directory: 'nowhere' })).rejects.toMatchObject({
        type: 'Invalid',
        message: 'production/infra: nowhere does not exist.',
      });
      await expect(world.look({ ...before, varFiles: ['no.tfvars'] })).rejects.toThrow(
        'infra/no.tfvars does not exist',
      );
    });

    it('settings for a backend that the configuration does not have', async () => {
      await world.replaceInConfiguration('  backend "local" {}\n', '');
      await expect(world.look(before)).rejects.toThrow(/Missing backend configuration: .*no backend block/);
      await world.replaceInConfiguration('terraform {\n', 'terraform {\n  backend "local" {}\n');
      await expect(world.look({ ...before, backendConfig: { pat: 'x' } })).rejects.toThrow(
        /Unsupported argument.*"pat"/,
      );
      expect((await world.look(before)).found.changes).toBeGreaterThan(0);
    });
  });

  describe('act', () => {
    it('applies what was approved, tells how far it is, keeps the log, and is verified', async () => {
      await world.prepare(before);
      await writeFile(world.file('infra', 'production.tfvars'), 'size = 50\n');
      const config = { varFiles: ['production.tfvars'], vars: {} };
      const { found } = await world.look(config);
      expect(await world.verify(config)).toMatchObject({ outcome: 'fail', values: { changes: 4 } });
      await world.hold();
      const { result } = world.beginApply(found, config);
      await world.waitForBeat(
        ({ doing, resources, total }) =>
          doing === 'applying' && resources.includes('terraform_data.runner') && total === 6,
      );
      await world.release();
      expect(await result).toEqual({
        added: 2,
        changed: 2,
        destroyed: 2,
        artifacts: ['infra-production-infra.ndjson'],
      });
      expect(await world.log()).toEqual(expect.arrayContaining(['begin 50', 'end 50', 'beside 50']));
      const events = (await world.artifacts())['infra-production-infra.ndjson']?.split('\n') ?? [];
      expect(events.some((line) => line.includes('"type":"apply_complete"'))).toBe(true);
      expect(await world.verify(config)).toMatchObject({
        outcome: 'pass',
        message: 'terraform infra: a plan finds nothing left to do',
      });
    });

    it('repeated after it was done, it does nothing', async () => {
      await world.prepare(before);
      const { found } = await world.look(after);
      await world.apply(found, after);
      const done = await world.log();
      expect(await world.apply(found, after, { attempt: 2 })).toEqual({
        added: 0,
        changed: 0,
        destroyed: 0,
        artifacts: [],
      });
      expect(await world.log()).toEqual(done);
    });

    it('drift: other values than approved, with both lines, and nothing is applied', async () => {
      await world.prepare(before);
      await writeFile(world.file('infra', 'production.tfvars'), 'size = 50\n');
      const config = { varFiles: ['production.tfvars'], vars: {} };
      const { found } = await world.look(config);
      await writeFile(world.file('infra', 'production.tfvars'), 'size = 51\n');
      const drifted = world.apply(found, config);
      await expect(drifted).rejects.toMatchObject({ type: 'Drift', nonRetryable: true });
      await expect(drifted).rejects.toThrow(`approved: ${RUNNER}, now: ${RUNNER.replace('50)', '51)')}`);
      await expect(drifted).rejects.toThrow('Nothing was changed');
      expect((await world.log()).filter((line) => line.startsWith('begin'))).toEqual(['begin 20']);
    });

    it('drift: somebody else has applied something meanwhile', async () => {
      await world.prepare(before);
      const { found } = await world.look(after);
      await world.prepare({ vars: { size: 30 } });
      const drifted = world.apply(found, after);
      await expect(drifted).rejects.toMatchObject({ type: 'Drift' });
      await expect(drifted).rejects.toThrow(/approved: .*20 → 50\), now: .*30 → 50\)/);
    });

    it('drift: a change that nobody has approved', async () => {
      await world.prepare(before);
      const { found } = await world.look(after);
      await world.replaceInConfiguration('count = var.extras', 'count = 1');
      await expect(world.apply(found, after)).rejects.toThrow(
        /approved: nothing planned, now: terraform_data\.extra\[0\]: create/,
      );
    });

    it('a part of what was approved is no drift: somebody else has done the rest', async () => {
      await world.prepare(before);
      const { found } = await world.look(after);
      const part = { ...after, targets: ['terraform_data.setting'] };
      await world.apply((await world.look(part)).found, part);
      expect(await world.apply(found, after)).toMatchObject({ added: 2, changed: 1, destroyed: 2 });
      expect(await world.verify(after)).toMatchObject({ outcome: 'pass' });
    });

    it('a provisioner that fails is told with its words, and not repeated by itself', async () => {
      await world.prepare(before);
      await world.replaceInConfiguration('echo end $SIZE >> $LOG', 'echo it is broken; exit 3');
      const { found } = await world.look(after);
      const failed = world.apply(found, after);
      await expect(failed).rejects.toThrow(
        /terraform cannot apply infra: infra\/main\.tf:\d+: terraform_data\.runner: local-exec provisioner error: .*exit status 3.*it is broken/,
      );
      await expect(failed).rejects.toMatchObject({ type: 'Invalid' });
      expect(Object.keys(await world.artifacts())).toContain('infra-production-infra.ndjson');
      await world.replaceInConfiguration('echo it is broken; exit 3', 'echo end $SIZE >> $LOG');
      // The mended configuration is another one than was looked at.
      const mended = await world.look(after);
      expect(await world.apply(mended.found, after)).toMatchObject({ added: 1, destroyed: 1 });
      expect(await world.verify(after)).toMatchObject({ outcome: 'pass' });
    });
  });

  describe('undo', () => {
    it('brings back what was there, measured, and does nothing when repeated', async () => {
      await world.prepare(before);
      const { found } = await world.look(both);
      await world.apply(found, both);
      expect(
        (await world.look({ ...both, allow: both.undo ? world.input(both).step.config.allow : [] })).found
          .stateDigest,
      ).not.toBe(found.stateDigest);
      expect(await world.undo(found, both)).toEqual({
        summary: 'terraform infra taken back: 2 added, 2 changed, 2 destroyed',
        changed: true,
      });
      expect((await world.log()).at(-1)).toMatch(/ 20$/);
      expect((await world.look(both)).found.stateDigest).toBe(found.stateDigest);
      expect(await world.undo(found, both, { attempt: 2 })).toEqual({
        summary: 'terraform infra: the state is as it was',
        changed: false,
      });
    });

    it('a provisioner that fails is repeated by itself, unlike on the way there', async () => {
      // Nothing but the mark of a creation that has failed then tells its remains from what was there before.
      await world.replaceInConfiguration('input = terraform_data.runner.id', 'input = 1');
      await world.prepare(before);
      const { found } = await world.look(both);
      await world.apply(found, both);
      await world.replaceInConfiguration('echo end $SIZE >> $LOG', 'echo not now; exit 3');
      const failed = world.undo(found, both);
      await expect(failed).rejects.toThrow(/local-exec provisioner error: .*not now/);
      await expect(failed).rejects.not.toHaveProperty('nonRetryable');
      await world.replaceInConfiguration('echo not now; exit 3', 'echo end $SIZE >> $LOG');
      const left = { ...both, vars: { ...both.vars, size: 20 } };
      expect((await world.look(left)).found.stateDigest).toBe(found.stateDigest);
      expect(await world.undo(found, both)).toMatchObject({ changed: true });
      expect(await world.log()).toContain('end 20');
      expect((await world.look(left)).changes).toEqual([]);
    });

    it('what somebody else has applied since is left to a person, and named; by hand it can be taken back', async () => {
      await world.prepare(before);
      const { found } = await world.look(both);
      await world.apply(found, both);
      const theirs = { ...both, vars: { ...both.vars, size: 30 } };
      await world.apply((await world.look(theirs)).found, theirs);
      await expect(world.undo(found, both)).rejects.toMatchObject({
        type: 'Conflict',
        details: [
          {
            item: 'terraform infra',
            found: expect.stringMatching(/^applied by someone else since: terraform_data\.\w+/),
            command: expect.stringMatching(
              /^terraform -chdir=infra init .* && terraform -chdir=infra apply .*-var=size=20/,
            ),
          },
        ],
      });
      expect((await world.log()).at(-1)).toMatch(/ 30$/);
      await world.prepare(before);
      expect(await world.undo(found, both)).toMatchObject({ changed: false });
    });

    it('an apply that was refused as drift has left nothing to take back, and theirs stays', async () => {
      await world.prepare(before);
      const { found } = await world.look(both);
      await world.prepare({ ...both, vars: { size: 30 } });
      await expect(world.apply(found, both)).rejects.toMatchObject({
        type: 'Drift',
        details: [{ neverApplied: true }],
      });
      const refused = world.begin((activities) =>
        activities.undoInfra({ ...world.input(both), base: found, neverApplied: true }),
      );
      expect(await refused.result).toMatchObject({ changed: false, untouched: true });
      expect((await world.log()).at(-1)).toMatch(/ 30$/);
    });

    it('of what never began changes nothing, even when the declared variables are not those of before', async () => {
      await world.prepare(before);
      const config = { ...after, undo: { varFiles: [], vars: { size: 21 } } };
      const { found } = await world.look(config);
      expect(await world.undo(found, config)).toEqual({
        summary: 'terraform infra: the state is as it was',
        changed: false,
      });
      expect(await world.log()).not.toContain('begin 21');
    });

    it('does not destroy what is not allowed, and says how a person would', async () => {
      await world.prepare(before);
      const config = { vars: { size: 20, extras: 1 }, undo: { varFiles: [], vars: { extras: 0 } } };
      const { found } = await world.look(config);
      await world.apply(found, config);
      const undone = world.undo(found, config);
      await expect(undone).rejects.toMatchObject({
        type: 'Conflict',
        details: [
          {
            item: 'terraform infra',
            found: expect.stringContaining('terraform_data.extra[0]: destroy'),
            command: expect.stringMatching(
              /^terraform -chdir=infra init -reconfigure .* && terraform -chdir=infra apply .*-var=size=20 .*-var=extras=0$/,
            ),
          },
        ],
      });
      const allowed = { ...config, allow: ['terraform_data.extra[0]'] };
      expect(await world.undo(found, allowed)).toMatchObject({ changed: true });
      expect((await world.look(config)).found.stateDigest).toBe(found.stateDigest);
    });
  });

  it('tofu is called as terraform is; without it a clear error', async () => {
    const config = { ...before, tool: 'tofu' as const };
    await expect(world.look(config)).rejects.toThrow(/tofu is missing: .*PATH/);
    await world.pretendTofu();
    const { found } = await world.look(config);
    await world.apply(found, config);
    expect(await world.verify(config)).toMatchObject({
      message: 'tofu infra: a plan finds nothing left to do',
    });
    const verbs = (await readFile(world.file('tofu.log'), 'utf8'))
      .split('\n')
      .map((line) => line.split(' ')[0]);
    expect(verbs.filter((verb) => verb !== '')).toEqual([
      'init',
      'plan',
      'show',
      'plan',
      'show',
      'apply',
      'plan',
      'show',
    ]);
  });

  afterEach(() => world.release());
});
