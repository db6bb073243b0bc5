/** When a release that was started anew counts as up: it runs, it keeps running, and it answers. */
import { invalid } from '../../../platform/failures.js';
import type { TargetCall } from '../target.js';
import { type Host, lastWords } from './host.js';
import type { Config } from './schema.js';
import type { Service, ServiceState } from './services/service.js';

export interface UpTiming {
  pollMs: number;
  /** So long it has to run without starting again by itself: what dies at its start does not. */
  steadyMs: number;
  /** From the restart on. */
  longestMs: number;
}

export const UP_TIMING: UpTiming = { pollMs: 1_000, steadyMs: 3_000, longestMs: 60_000 };
const MOST_RESTARTS = 3;
const ANSWER_S = 5;

/** @throws ApplicationFailure `Invalid` when it does not come up in time, or never will */
export async function waitUntilUp(
  host: Host,
  service: Service,
  call: TargetCall<Config>,
  timing: UpTiming,
): Promise<void> {
  const deadline = Date.now() + timing.longestMs;
  const first = await service.state();
  let state = first;
  let steadySince = Date.now();
  for (;;) {
    const isSteady = Date.now() - steadySince >= timing.steadyMs;
    const waitsFor = await whatIsMissing(host, state, isSteady, call.config.health);
    if (waitsFor === undefined) return;
    const restarts = state.restarts - first.restarts;
    if (state.failed || restarts >= MOST_RESTARTS) {
      const why = state.failed ? state.says : `it was started again ${restarts} times by itself`;
      throw notUp(host, service, why);
    }
    if (Date.now() > deadline) throw notUp(host, service, `after ${timing.longestMs / 1000} s ${waitsFor}`);
    call.tell(`${host.name}: ${waitsFor}`);
    await host.sleep(timing.pollMs);
    const next = await service.state();
    if (!next.up || next.restarts !== state.restarts) steadySince = Date.now();
    state = next;
  }
}

async function whatIsMissing(
  host: Host,
  state: ServiceState,
  isSteady: boolean,
  health: string | undefined,
): Promise<string | undefined> {
  if (!state.up) return state.says;
  if (!isSteady) return 'it has not run for long enough to be trusted';
  return health === undefined ? undefined : askHealth(host, health);
}

/** Undefined when it answers with success. */
async function askHealth(host: Host, url: string): Promise<string | undefined> {
  const options = ['--silent', '--show-error', '--fail', '--noproxy', '*', '--max-time', String(ANSWER_S)];
  const reply = await host.ask(['curl', ...options, '--output', '/dev/null', '--url', url]);
  return reply.exitCode === 0 ? undefined : `its health is not good: ${lastWords(reply)}`;
}

function notUp(host: Host, service: Service, why: string) {
  return invalid(
    `${host.name}: the application did not come up: ${why}. More, on the host: ${service.command}`,
  );
}
