/**
 * A git checkout on a host: another commit is checked out, built, and the process started anew. Opaque: nothing
 * stands beside what is live.
 *
 * Every step of it can be repeated, and the record in the git directory says how far it came, so that a change whose
 * worker was killed is neither taken for done nor for undone.
 */

import { drift, invalid } from '../../../platform/failures.js';
import type { Ssh } from '../../../tools/ssh/index.js';
import type { Target, TargetCall, TargetStatus } from '../target.js';
import { type CheckoutState, checkOut, fetchCommit, readCheckout, resolveRef } from './checkout.js';
import { createHost, type Host, lastWords } from './host.js';
import { isOwn, type Phase, writeRecord } from './record.js';
import { type Config, traits } from './schema.js';
import { createCompose } from './services/compose.js';
import { createPm2 } from './services/pm2.js';
import type { Service } from './services/service.js';
import { createSystemd } from './services/systemd.js';
import { UP_TIMING, type UpTiming, waitUntilUp } from './up.js';

export interface SshTargetDeps {
  ssh: Ssh;
  /** When a release counts as up; tests are quicker. */
  upTiming?: UpTiming;
}

const BUILD_MS = 12 * 60_000;

interface Place {
  host: Host;
  service: Service;
  /** Anew, until it is up. */
  start: () => Promise<void>;
}

export function createSshTarget({ ssh, upTiming = UP_TIMING }: SshTargetDeps): Target<Config> {
  const at = (call: TargetCall<Config>): Place => {
    const host = createHost(ssh, call);
    const service = serviceOf(host, call.config);
    return {
      host,
      service,
      async start() {
        call.tell(`${host.name}: restarting`);
        await service.restart();
        await waitUntilUp(host, service, call, upTiming);
      },
    };
  };
  return {
    kind: 'ssh',
    staged: traits.staged,
    effect: () => 'detectable',
    async status(call) {
      const { host, service } = at(call);
      const [checkout, state] = await Promise.all([readCheckout(host), service.state()]);
      return describeStatus(checkout, state.up ? undefined : state.says, call);
    },
    async pin(call) {
      const { host } = at(call);
      return (await resolveRef(host, refOf(call, call.context.version)))?.commit;
    },
    prepare: async () => {
      throw invalid('The ssh target is opaque: it holds no release beside the live one.');
    },
    async promote(call, { version }) {
      const place = at(call);
      const { host } = place;
      const commit = await findCommit(host, call, version);
      const checkout = await readCheckout(host);
      // What a killed attempt of ours has left half way is told by git itself when it is in the way.
      if (checkout.changed.length > 0 && !isOwn(checkout.record, call)) throw dirty(host, checkout);
      await change(place, call, { version, commit }, checkout);
    },
    async restore(call, release) {
      const place = at(call);
      const checkout = await readCheckout(place.host);
      await change(place, call, { version: release.version, commit: release.id }, checkout);
    },
    async retire() {},
    async restart(call) {
      await at(call).start();
    },
    async logs(call, _release, which) {
      if (which === 'previous') return undefined;
      const { service } = at(call);
      return service.log();
    },
  };
}

function serviceOf(host: Host, { pm2, systemd, compose }: Config): Service {
  if (pm2 !== undefined) return createPm2(host, pm2);
  if (systemd !== undefined) return createSystemd(host, systemd);
  if (compose !== undefined) return createCompose(host, compose);
  throw invalid('The ssh target has to say what is restarted: add one of pm2, systemd and compose.');
}

function refOf({ config }: TargetCall<Config>, version: string): string {
  return config.ref ?? version;
}

function describeStatus(
  checkout: CheckoutState,
  down: string | undefined,
  call: TargetCall<Config>,
): TargetStatus {
  const { head, record, changed } = checkout;
  const isOurs = record && [record.commit, record.before.commit].includes(head);
  const begun =
    isOurs && record.phase !== 'up'
      ? `${record.version} was begun by rollout ${record.runId}; what comes next is its ${record.phase}`
      : undefined;
  const byHand = changed.length > 0 ? `files in the checkout are changed: ${changed.join(', ')}` : undefined;
  const unsettled = begun ?? byHand ?? down;
  return {
    live: { id: head, version: versionOf(checkout, call.context.version), url: call.config.url },
    candidate: null,
    ...(unsettled === undefined ? {} : { unsettled }),
  };
}

/** As which it was deployed, else its tag, else its commit. */
function versionOf({ head, record, tags }: CheckoutState, wanted: string): string {
  if (record?.commit === head) return record.version;
  if (record?.before.commit === head) return record.before.version;
  if (tags.includes(wanted)) return wanted;
  return tags.find((tag) => /^v?\d/.test(tag)) ?? tags[0] ?? head.slice(0, 12);
}

/** @throws ApplicationFailure `Drift` when the name leads elsewhere than it did when it was looked at */
async function findCommit(host: Host, call: TargetCall<Config>, version: string): Promise<string> {
  const name = refOf(call, version);
  const wanted = await resolveRef(host, name);
  if (!wanted) {
    throw invalid(
      `${host.name}: the remote of the checkout has neither tag nor branch "${name}". Push it before this step (a git step with tag: does), or correct "ref".`,
    );
  }
  if (call.pinned !== undefined && wanted.commit !== call.pinned) {
    throw drift(
      `${host.name}: ${name} leads to ${wanted.commit}, and led to ${call.pinned} when it was looked at. Nothing was changed; look at what was pushed, and start again.`,
      { item: `${name} at ${host.name}`, found: wanted.commit, expected: call.pinned },
    );
  }
  call.tell(`${host.name}: fetching ${name} (${wanted.commit.slice(0, 12)})`);
  await fetchCommit(host, wanted);
  return wanted.commit;
}

function dirty(host: Host, { changed }: CheckoutState) {
  return invalid(
    `${host.name}: files in the checkout are changed, which a deploy would mix with its own: ${changed.join(', ')}. Commit or put them back there (git status, git stash), then start again. Nothing was changed.`,
  );
}

/** Checkout, build, restart, up: each can be repeated, and each is recorded before it begins. */
async function change(
  { host, service, start }: Place,
  call: TargetCall<Config>,
  to: { version: string; commit: string },
  checkout: CheckoutState,
): Promise<void> {
  const { record, head } = checkout;
  const goesOn = isOwn(record, call) && record?.commit === to.commit;
  if (goesOn && record?.phase === 'up' && head === to.commit && (await service.state()).up) return;
  const before =
    goesOn && record ? record.before : { commit: head, version: versionOf(checkout, call.context.version) };
  const { runId } = call.context;
  const enter = (phase: Phase) => writeRecord(host, { ...to, runId, step: call.step, phase, before });
  await enter('checkout');
  call.tell(`${host.name}: checking out ${to.version} (${to.commit.slice(0, 12)})`);
  await checkOut(host, to.commit);
  if (call.config.build) {
    await enter('build');
    await build(host, call, call.config.build);
  }
  await enter('restart');
  await start();
  await enter('up');
}

async function build(host: Host, call: TargetCall<Config>, argv: string[]): Promise<void> {
  call.tell(`${host.name}: ${argv.join(' ')}`);
  const reply = await host.ask(argv, { timeoutMs: BUILD_MS });
  if (reply.exitCode === 0) return;
  throw invalid(
    `${host.name}: the build (${argv[0]}) ended with ${reply.exitCode}, and nothing was restarted: ${lastWords(reply)}`,
  );
}
