/** The secret of the story: the pool's keys among thirty others, every value new at each start. */
import { randomBytes } from 'node:crypto';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';

export interface AwsAccess {
  endpoint: string;
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
}

/** Of production; staging reads a file. */
export const SECRET_ID = 'whatsapp-saas/production/config';

/** Names only; what they hold is random. */
const OTHER_KEYS = [
  ...['JWT_SECRET', 'SESSION_SECRET', 'ENCRYPTION_KEY', 'WHATSAPP_TOKEN', 'WHATSAPP_VERIFY_TOKEN'],
  ...['WHATSAPP_PHONE_ID', 'OPENAI_API_KEY', 'OPENAI_MODEL', 'STRIPE_SECRET_KEY', 'STRIPE_WEBHOOK_SECRET'],
  ...['REDIS_URL', 'REDIS_PASSWORD', 'SMTP_HOST', 'SMTP_USER', 'SMTP_PASSWORD', 'SENTRY_DSN'],
  ...['GOOGLE_CLIENT_ID', 'GOOGLE_CLIENT_SECRET', 'CALENDAR_REFRESH_TOKEN', 'S3_BUCKET', 'S3_KEY_ID'],
  ...['S3_SECRET', 'CDN_SIGNING_KEY', 'DATADOG_API_KEY', 'SLACK_SIGNING_SECRET', 'TWILIO_SID'],
  ...['TWILIO_TOKEN', 'FEATURE_FLAGS_KEY', 'ADMIN_PASSWORD_HASH', 'BACKUP_PASSPHRASE'],
];

const POOL_KEYS = {
  DB_CONNECTION_LIMIT: '20',
  DB_POOL_TIMEOUT: '20',
  DB_STATEMENT_CACHE_SIZE: '100',
  DB_QUERY_TIMEOUT: '15000',
};

/** As the application's team has it: one secret with everything in it. */
export async function createSecret({ endpoint, region, ...credentials }: AwsAccess): Promise<void> {
  const client = new SecretsManagerClient({ endpoint, region, credentials });
  try {
    const others = OTHER_KEYS.map((key) => [key, randomBytes(18).toString('base64')] as const);
    const half = others.length / 2;
    const values = Object.fromEntries([
      ...others.slice(0, half),
      ...Object.entries(POOL_KEYS),
      ...others.slice(half),
    ]);
    const SecretString = JSON.stringify(values, null, 2);
    await client.send(new CreateSecretCommand({ Name: SECRET_ID, SecretString }));
  } finally {
    client.destroy();
  }
}
