import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { describeFailure, loadTemporalOptions } from '../../../src/platform/connection.js';

const KEY = 'tmprl-key-R4nd0mEnoughToBeFound';
const folder = mkdtempSync(join(tmpdir(), 'headgate-profile-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** An environment in which `text` is the profile file. */
function withFile(text: string, more: Record<string, string> = {}): Record<string, string> {
  const file = join(folder, 'temporal.toml');
  writeFileSync(file, text);
  return { HOME: folder, TEMPORAL_CONFIG_FILE: file, ...more };
}

function errorOf(env: Record<string, string>): string {
  try {
    loadTemporalOptions(env);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('it was accepted');
}

describe('a profile', () => {
  test('gives address, namespace, key and headers; the environment overrides it', () => {
    const text = `[profile.cloud]\naddress = "cloud:7233"\nnamespace = "shop"\napi_key = "${KEY}"\n[profile.cloud.grpc_meta]\ntenant = "shops"`;
    const options = loadTemporalOptions(
      withFile(text, { TEMPORAL_PROFILE: 'cloud', TEMPORAL_NAMESPACE: 'shop-2' }),
    );
    expect(options).toEqual({
      address: 'cloud:7233',
      namespace: 'shop-2',
      connectionOptions: {
        address: 'cloud:7233',
        apiKey: KEY,
        tls: true,
        metadata: { tenant: 'shops' },
      },
      secrets: [KEY],
    });
  });

  test('none means the local server without TLS', () => {
    const { connectionOptions, namespace } = loadTemporalOptions({ HOME: folder });
    expect(namespace).toBe('default');
    expect(connectionOptions.address).toBe('127.0.0.1:7233');
    expect(connectionOptions.tls).toBeUndefined();
  });

  test('an empty variable counts as not set', () => {
    const { connectionOptions } = loadTemporalOptions({
      HOME: folder,
      TEMPORAL_API_KEY: '',
      TEMPORAL_ADDRESS: '',
    });
    expect(connectionOptions).toMatchObject({ address: '127.0.0.1:7233', apiKey: undefined, tls: undefined });
  });

  test('headers that prove something are secrets, other headers are words', () => {
    const { secrets } = loadTemporalOptions({
      HOME: folder,
      TEMPORAL_GRPC_META_AUTHORIZATION: `Bearer ${KEY}`,
      TEMPORAL_GRPC_META_TENANT: 'production',
    });
    expect(secrets).toEqual([`Bearer ${KEY}`]);
  });

  test('a file that is not there is named, and nobody else is connected to', () => {
    const file = join(folder, 'absent.toml');
    expect(errorOf({ HOME: folder, TEMPORAL_CONFIG_FILE: file })).toContain(
      `names ${file}, which is not there`,
    );
  });

  test('a profile that is not in the file is named', () => {
    expect(errorOf(withFile('[profile.a]', { TEMPORAL_PROFILE: 'b' }))).toMatch(/profile b of .*not found/);
  });

  test('a certificate that cannot be read is named', () => {
    const text =
      '[profile.default.tls]\nclient_cert_path = "/absent/client.pem"\nclient_key_path = "/absent/client.key"';
    expect(errorOf(withFile(text))).toMatch(/profile default of .*\/absent\/client\.(pem|key)/);
  });

  test('a fault in the file is told by its line, without the key that stands there', () => {
    const message = errorOf(withFile(`[profile.default]\napi_key = "${KEY}\nnamespace = "shop"`));
    expect(message).toMatch(/profile default of .*, line \d/);
    expect(message).not.toContain(KEY);
  });

  test.each([
    ['a line break', { TEMPORAL_API_KEY: `${KEY}\n` }, 'The API key'],
    [
      'a line break in a header',
      { TEMPORAL_GRPC_META_AUTHORIZATION: `Bearer ${KEY}\n` },
      'grpc_meta "authorization"',
    ],
  ])('%s is said to be one, without the key', (_, env, what) => {
    const message = errorOf({ HOME: folder, ...env });
    expect(message).toMatch(new RegExp(`^${what} .*holds a character that no request can carry`));
    expect(message).not.toContain(KEY);
  });
});

describe('why there is no connection', () => {
  const options = (env: Record<string, string>) => loadTemporalOptions({ HOME: folder, ...env });

  test('what the server repeats of the key is masked', () => {
    const error = describeFailure(
      new Error(`7 PERMISSION_DENIED: unknown key ${KEY}`),
      options({ TEMPORAL_API_KEY: KEY }),
    );
    expect(error.message).toBe(
      'Temporal at 127.0.0.1:7233 refuses the namespace default (PERMISSION_DENIED: unknown key [redacted]). Look at the API key (TEMPORAL_API_KEY, or api_key of the profile): it has to be whole, not expired, and allowed to use this namespace.',
    );
  });

  test.each([
    ['16 UNAUTHENTICATED: Jwt is expired', 'refuses the namespace', '(UNAUTHENTICATED: Jwt is expired)'],
    [
      '14 UNAVAILABLE: No connection established. Last error: 80:error:0A000412:SSL routines:ssl3_read_bytes:sslv3 alert certificate expired:../deps/openssl/rec.c:1601:SSL alert number 45\n (2026-11-24T21:48:25.851Z). Resolution note: ',
      'asks for a client certificate',
      '(sslv3 alert certificate expired)',
    ],
    [
      '14 UNAVAILABLE: No connection established. Last error: Error: certificate has expired. Resolution note: ',
      'is not trusted here',
      '(certificate has expired)',
    ],
    [
      '14 UNAVAILABLE: Name resolution failed for target dns:nowhere:7233',
      'No Temporal server answers',
      'Name resolution failed',
    ],
    [
      '4 DEADLINE_EXCEEDED: Deadline exceeded after 5s',
      'No Temporal server answers',
      '(DEADLINE_EXCEEDED: Deadline exceeded after 5s)',
    ],
  ])('%j', (why, what, reason) => {
    const { message } = describeFailure(why, options({ TEMPORAL_TLS: 'true' }));
    expect(message).toContain(what);
    expect(message).toContain(reason);
    expect(message).toContain('127.0.0.1:7233');
  });
});
