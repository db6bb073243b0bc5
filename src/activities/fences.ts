/** What a rollout has made, looked at again while its verdict is measured: has somebody else changed it? Read only. */
import type { Fence, FoundTaint, RolloutContext } from '../contract/activities.js';
import type { Redactor } from '../platform/redaction.js';
import type { Rds } from '../tools/aws/rds.js';
import type { SecretStore } from '../tools/aws/secrets-manager.js';
import { readConfigFile } from './config/fence.js';
import type { ConfigDeps } from './config/files.js';
import type { BindDeps } from './deploy/bind.js';
import { readRelease } from './deploy/fence.js';
import { readGroup } from './reboot/fence.js';
import { readSecretVersion } from './secret/fence.js';

/** Undefined when it is as it was made. */
export type Reading = Omit<FoundTaint, 'at' | 'step'> | undefined;

export interface FenceReader {
  /** Rejects when nobody can tell. */
  read(fence: Fence, context: RolloutContext, signal: AbortSignal): Promise<Reading>;
}

export interface FenceDeps {
  redactor: Pick<Redactor, 'redact'>;
  deploy: BindDeps;
  secrets: SecretStore;
  config: ConfigDeps;
  rds: Rds;
}

export function createFenceReader(deps: FenceDeps): FenceReader {
  const redact = (text: string) => deps.redactor.redact(text);
  return {
    async read(fence, context, signal) {
      try {
        const reading = await read(deps, fence, context, signal);
        return reading && { ...reading, expected: redact(reading.expected), found: redact(reading.found) };
      } catch (error) {
        throw new Error(redact(error instanceof Error ? error.message : String(error)));
      }
    },
  };
}

async function read(
  { deploy, secrets, config, rds }: FenceDeps,
  { step, expected }: Fence,
  context: RolloutContext,
  signal: AbortSignal,
): Promise<Reading> {
  if (step.kind === 'deploy' && expected.kind === 'release') {
    return readRelease(deploy, { context, step, made: expected.release }, signal);
  }
  if (step.kind === 'secret' && expected.kind === 'secret') {
    return readSecretVersion(secrets, { step, made: expected.versionId });
  }
  if (step.kind === 'config' && expected.kind === 'file') {
    return readConfigFile(config, { context, step, made: expected.sha256 }, signal);
  }
  if (step.kind === 'reboot' && expected.kind === 'parameters') {
    return readGroup(rds, { step, made: expected });
  }
  throw new TypeError(`${step.name}: a ${step.kind} makes no ${expected.kind}`);
}
