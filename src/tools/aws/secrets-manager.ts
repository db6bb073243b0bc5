/** AWS Secrets Manager: versions, labels and the compare-and-set that moves AWSCURRENT. No value is in any error. */
import {
  DescribeSecretCommand,
  type DescribeSecretCommandOutput,
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { drift, invalid } from '../../platform/failures.js';
import { type AwsOptions, clientsByRegion } from './clients.js';
import { describeAwsError, isAwsError, requireAws } from './errors.js';
import { membersOf } from './secret-texts.js';

export interface SecretPlace {
  /** Name or ARN. */
  id: string;
  /** Default: that of the worker's AWS configuration. */
  region?: string;
}

export interface SecretState {
  arn: string;
  /** What AWSCURRENT points at. */
  currentVersionId: string;
  /** Staging labels by version id. */
  labels: Record<string, string[]>;
  rotates: boolean;
}

export interface SecretVersion {
  versionId: string;
  text: string;
}

/**
 * @throws of every method: ApplicationFailure `Invalid` with details `[{ reason }]` (`notFound`, `deleted`, `binary`,
 * `denied`, `unconfigured`, `rejected`) where repeating does not help; a plain Error where it does (throttled, unreachable)
 */
export interface SecretStore {
  describe(place: SecretPlace): Promise<SecretState>;
  /** By the label AWSCURRENT, always named: not every implementation follows it by default. */
  readCurrent(place: SecretPlace): Promise<SecretVersion>;
  readVersion(place: SecretPlace, versionId: string): Promise<SecretVersion>;
  /**
   * A new version under `label` alone; its id is `token`, so that repeating makes no second one.
   * @throws `Drift` when the version is there already with another content
   */
  putPending(place: SecretPlace, version: { token: string; text: string; label: string }): Promise<void>;
  /** Compare-and-set: `false`, and nothing changed, when AWSCURRENT does not point at `from`. */
  moveCurrent(place: SecretPlace, move: { from: string; to: string }): Promise<boolean>;
  /** `from`: the version that bears the label now. */
  addLabel(place: SecretPlace, versionId: string, label: string, from?: string): Promise<void>;
  dropLabel(place: SecretPlace, versionId: string, label: string): Promise<void>;
  /** For `${secret:ID#key}`: the whole text without `key`, else that key's string (anything else as its JSON). */
  readKey(id: string, key: string | undefined, region?: string): Promise<string>;
}

/** What to check when a secret is not there, and whose policy to extend. */
const ADVICE = {
  missing: 'Check its id and region, and that it has a value.',
  denied: "Extend its policy or the key's.",
};

export function createSecretStore(options: AwsOptions = {}): SecretStore {
  return new SecretsManagerStore(options);
}

class SecretsManagerStore implements SecretStore {
  readonly #clientOf: (region: string | undefined) => SecretsManagerClient;

  constructor(options: AwsOptions) {
    this.#clientOf = clientsByRegion((config) => new SecretsManagerClient(config), options);
  }

  async describe(place: SecretPlace): Promise<SecretState> {
    const found = await this.#call(place, async (client) =>
      requireAws(await client.send(new DescribeSecretCommand({ SecretId: place.id }))),
    );
    if (found.DeletedDate) throw deleted(place, found.DeletedDate);
    const labels = found.VersionIdsToStages ?? {};
    const currentVersionId = findLabel(labels, 'AWSCURRENT');
    if (!currentVersionId) {
      throw invalid(`Secret ${place.id} has no current value. Put one, then start again.`, {
        reason: 'notFound',
      });
    }
    return { arn: arnOf(place, found), currentVersionId, labels, rotates: found.RotationEnabled ?? false };
  }

  readCurrent(place: SecretPlace): Promise<SecretVersion> {
    return this.#read(place, { VersionStage: 'AWSCURRENT' });
  }

  readVersion(place: SecretPlace, versionId: string): Promise<SecretVersion> {
    return this.#read(place, { VersionId: versionId });
  }

  async putPending(
    place: SecretPlace,
    version: { token: string; text: string; label: string },
  ): Promise<void> {
    const input = {
      SecretId: place.id,
      ClientRequestToken: version.token,
      SecretString: version.text,
      VersionStages: [version.label],
    };
    await this.#call(place, async (client) => {
      try {
        requireAws(await client.send(new PutSecretValueCommand(input)));
      } catch (error) {
        if (!isAwsError(error, 'ResourceExistsException')) throw error;
        throw drift(
          `Secret ${place.id}: version ${version.token} was already put by this rollout with other values. A value that the plan refers to has changed since; abort, then start again.`,
        );
      }
    });
  }

  async moveCurrent(place: SecretPlace, { from, to }: { from: string; to: string }): Promise<boolean> {
    return this.#call(place, async (client) => {
      try {
        const command = new UpdateSecretVersionStageCommand({
          SecretId: place.id,
          VersionStage: 'AWSCURRENT',
          RemoveFromVersionId: from,
          MoveToVersionId: to,
        });
        requireAws(await client.send(command));
        return true;
      } catch (error) {
        if (isAwsError(error, 'InvalidParameterException')) return false;
        throw error;
      }
    });
  }

  async addLabel(place: SecretPlace, versionId: string, label: string, from?: string): Promise<void> {
    const command = new UpdateSecretVersionStageCommand({
      SecretId: place.id,
      VersionStage: label,
      RemoveFromVersionId: from,
      MoveToVersionId: versionId,
    });
    await this.#call(place, async (client) => requireAws(await client.send(command)));
  }

  async dropLabel(place: SecretPlace, versionId: string, label: string): Promise<void> {
    const command = new UpdateSecretVersionStageCommand({
      SecretId: place.id,
      VersionStage: label,
      RemoveFromVersionId: versionId,
    });
    await this.#call(place, async (client) => requireAws(await client.send(command)));
  }

  async readKey(id: string, key: string | undefined, region?: string): Promise<string> {
    const { text } = await this.readCurrent({ id, region });
    if (key === undefined) return text;
    const raw = membersOf(id, text).get(key);
    if (raw === undefined) throw invalid(`Secret ${id} has no key "${key}".`, { reason: 'notFound' });
    const value: unknown = JSON.parse(raw);
    return typeof value === 'string' ? value : raw;
  }

  async #read(
    place: SecretPlace,
    which: { VersionStage: string } | { VersionId: string },
  ): Promise<SecretVersion> {
    const found = await this.#call(place, async (client) =>
      requireAws(await client.send(new GetSecretValueCommand({ SecretId: place.id, ...which }))),
    );
    if (found.SecretString === undefined || found.VersionId === undefined) {
      throw invalid(`Secret ${place.id} holds binary data; expected a JSON object.`, { reason: 'binary' });
    }
    return { versionId: found.VersionId, text: found.SecretString };
  }

  async #call<T>(place: SecretPlace, send: (client: SecretsManagerClient) => Promise<T>): Promise<T> {
    try {
      return await send(this.#clientOf(place.region));
    } catch (error) {
      throw describeAwsError(error, `Secret ${place.id}`, ADVICE);
    }
  }
}

function findLabel(labels: Record<string, string[]>, label: string): string | undefined {
  return Object.keys(labels).find((versionId) => labels[versionId]?.includes(label));
}

function arnOf(place: SecretPlace, found: DescribeSecretCommandOutput): string {
  return found.ARN ?? place.id;
}

function deleted({ id, region }: SecretPlace, at: Date) {
  const where = region ? ` --region ${region}` : '';
  return invalid(
    `Secret ${id} is scheduled for deletion since ${at.toISOString()}. To bring it back: aws secretsmanager restore-secret --secret-id ${id}${where}`,
    { reason: 'deleted' },
  );
}
