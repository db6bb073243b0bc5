/** A secret in the store, of which the plan sets one key. */
import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import { type Ground, type Item, lostOf, type Meddling, type Seen, standingOf } from './item.js';

const KEY = 'DB_CONNECTION_LIMIT';
const VALUES = { before: '20', target: '50', theirs: '33' } as const;

export interface SecretItem extends Item {
  /** What a release reads that starts now. */
  limit(): Promise<number>;
}

export async function openSecret(ground: Ground, stage: string): Promise<SecretItem> {
  const { secrets } = ground;
  const id = `${ground.application}/${stage}`;
  const textOf = (limit: string) => `{"${KEY}": "${limit}", "FLOAT": 1.0, "TOKEN": "${ground.planted}"}\n`;
  await secrets.send(new CreateSecretCommand({ Name: id, SecretString: textOf(VALUES.before) }));
  const read = async () => {
    // Without the label this API may tell the version before.
    const value = await secrets.send(new GetSecretValueCommand({ SecretId: id, VersionStage: 'AWSCURRENT' }));
    return { text: value.SecretString ?? '', version: value.VersionId ?? '' };
  };
  const move = (from: string, to: string) =>
    secrets.send(
      new UpdateSecretVersionStageCommand({
        SecretId: id,
        VersionStage: 'AWSCURRENT',
        MoveToVersionId: to,
        RemoveFromVersionId: from,
      }),
    );
  const base = await read();
  let meddling: Meddling | undefined;
  return {
    step: `${stage}/secret`,
    config: { secret: { awsSecretsManager: { id, region: 'us-east-1' }, set: { [KEY]: VALUES.target } } },

    async look(): Promise<Seen> {
      const { text, version } = await read();
      const { [KEY]: limit, COLLEAGUE, ...others } = parse(text);
      const kept = others.FLOAT === 1 && others.TOKEN === ground.planted && Object.keys(others).length === 2;
      const labels =
        (await secrets.send(new DescribeSecretCommand({ SecretId: id }))).VersionIdsToStages ?? {};
      const current = Object.values(labels).filter((each) => each.includes('AWSCURRENT')).length;
      const standing = kept && current === 1 ? standingOf(limit, VALUES) : 'broken';
      const isGone = meddling && !meddling.same && COLLEAGUE !== 'beside';
      return {
        standing,
        isAsBefore: text === base.text && version === base.version,
        lost: isGone ? "the colleague's key is gone" : lostOf(meddling, standing),
        what: `${id}: ${KEY}=${String(limit)}, colleague=${String(COLLEAGUE)}, other keys ${kept ? 'kept' : 'NOT kept'}, version ${version.slice(0, 8)}`,
      };
    },

    async limit() {
      return Number(parse((await read()).text)[KEY]);
    },

    async meddle(same) {
      for (;;) {
        const { text, version } = await read();
        const now = parse(text);
        const next = same
          ? text.replace(`"${KEY}": "${String(now[KEY])}"`, `"${KEY}": "${VALUES.theirs}"`)
          : text.replace('}', ', "COLLEAGUE": "beside"}');
        // In two calls: after AWSCURRENT was moved once, the emulator's PutSecretValue leaves it on two versions.
        const put = new PutSecretValueCommand({
          SecretId: id,
          SecretString: next,
          VersionStages: ['theirs'],
        });
        const { VersionId: made = '' } = await secrets.send(put);
        const isMoved = await move(version, made).then(
          () => true,
          () => false,
        );
        if (!isMoved) continue;
        meddling = { same, afterOurs: now[KEY] === VALUES.target };
        return;
      }
    },

    async mend(expected) {
      const { version } = await read();
      const wanted = /version (\S+)/.exec(expected)?.[1] ?? base.version;
      if (wanted === base.version) meddling = undefined;
      if (version !== wanted) await move(version, wanted);
    },
  };
}

function parse(text: string): Record<string, unknown> {
  return JSON.parse(text);
}
