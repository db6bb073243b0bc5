/** The secrets of the story: the pool's keys among thirty others, every value new at each start. */
import { randomBytes } from 'node:crypto';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { STAGES, type StageName } from './context.js';

export interface AwsAccess {
  endpoint: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
}

export function secretIdOf(stage: StageName): string {
  return `whatsapp-saas/${stage}/config`;
}

/** Names only; what they hold is random. */
const OTHER_KEYS = [
  ...['JWT_SECRET', 'SESSION_SECRET', 'ENCRYPTION_KEY', 'WHATSAPP_TOKEN', 'WHATSAPP_VERIFY_TOKEN'],
  ...['WHATSAPP_PHONE_ID', 'OPENAI_API_KEY', 'OPENAI_MODEL', 'STRIPE_SECRET_KEY', 'STRIPE_WEBHOOK_SECRET'],
  ...['REDIS_URL', 'REDIS_PASSWORD', 'SMTP_HOST', 'SMTP_USER', 'SMTP_PASSWORD', 'SENTRY_DSN'],
  ...['GOOGLE_CLIENT_ID', 'GOOGLE_CLIENT_SECRET', 'CALENDAR_REFRESH_TOKEN', 'S3_BUCKET', 'S3_KEY_ID'],
  ...['S3_SECRET', 'CDN_SIGNING_KEY', 'DATADOG_API_KEY', 'SLACK_SIGNING_SECRET', 'TWILIO_SID'],
  ...['TWILIO_TOKEN', 'FEATURE_FLAGS_KEY', 'ADMIN_PASSWORD_HASH', 'BACKUP_PASSPHRASE'],
];

const POOL_KEYS: Record<StageName, Record<string, string>> = {
  staging: { DB_CONNECTION_LIMIT: '20', DB_POOL_TIMEOUT: '20', DB_STATEMENT_CACHE_SIZE: '100' },
  production: {
    DB_CONNECTION_LIMIT: '20',
    DB_POOL_TIMEOUT: '20',
    DB_STATEMENT_CACHE_SIZE: '100',
    DB_QUERY_TIMEOUT: '15000',
  },
};

export async function createSecrets({ endpoint, region, ...credentials }: AwsAccess): Promise<void> {
  const client = new SecretsManagerClient({ endpoint, region, credentials });
  try {
    for (const stage of STAGES) {
      const others = OTHER_KEYS.map((key) => [key, randomBytes(18).toString('base64')] as const);
      const half = others.length / 2;
      const values = Object.fromEntries([
        ...others.slice(0, half),
        ...Object.entries(POOL_KEYS[stage]),
        ...others.slice(half),
      ]);
      const command = new CreateSecretCommand({
        Name: secretIdOf(stage),
        SecretString: JSON.stringify(values, null, 2),
      });
      await client.send(command);
    }
  } finally {
    client.destroy();
  }
}
