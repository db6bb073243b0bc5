import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Redactor } from '../../../src/platform/redaction.js';

const secret = 'p@ss "wörd"/+\\1';

function redactorOf(...values: string[]): Redactor {
  const redactor = new Redactor();
  for (const value of values) redactor.add(value);
  return redactor;
}

describe('a known value is masked', () => {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  it.each([
    ['plain', `before ${secret} after`],
    ['in JSON', JSON.stringify({ key: secret })],
    ['in JSON inside JSON', JSON.stringify(JSON.stringify({ key: secret }))],
    ['in a URL', `http://host/?q=${encodeURIComponent(secret)}`],
    [
      'in a URL with small hex digits',
      `?q=${encodeURIComponent(secret).replace(/%../g, (x) => x.toLowerCase())}`,
    ],
    ['in a form', new URLSearchParams({ q: secret }).toString()],
    ['as base64', base64(secret)],
    ['as base64 after one byte', base64(`:${secret}`)],
    ['as base64 of user and password', base64(`user:${secret}, and more`)],
    ['as base64 for URLs', Buffer.from(`xy${secret}z`).toString('base64url')],
  ])('%s', (_form, text) => {
    const redacted = redactorOf(secret).redact(text);
    expect(redacted).toContain('[redacted]');
    expect(text).not.toContain('[redacted]');
    expect(redacted).not.toContain('wörd');
    expect(Buffer.from(redacted.replace(/^.*?\[redacted\]/, ''), 'base64').toString()).not.toContain('wörd');
  });

  it('in values and keys of JSON, whose shape and numbers stay', () => {
    const redacted = redactorOf('canary-value').redactJson({
      a: ['x canary-value'],
      'canary-value': 1,
      n: 2,
      no: null,
    });
    expect(redacted).toEqual({ a: ['x [redacted]'], '[redacted]': 1, n: 2, no: null });
  });

  it('as the password of a connection URL, by itself', () => {
    const redactor = redactorOf('postgres://app:s3cr%40t-word@db/app');
    expect(redactor.redact('password s3cr@t-word is wrong')).toBe('password [redacted] is wrong');
  });

  it('line by line, when it has long lines', () => {
    const redactor = redactorOf('-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0\n-----END KEY-----');
    expect(redactor.redact('saw MIIEvQIBADANBgkqhkiG9w0 here')).toBe('saw [redacted] here');
  });

  it('whatever it holds, wherever it stands in base64', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 8, unit: 'grapheme' }),
        fc.string(),
        fc.string(),
        (value, before, after) => {
          const encoded = Buffer.from(before + value.toWellFormed() + after).toString('base64');
          expect(redactorOf(value.toWellFormed()).redact(encoded)).toContain('[redacted]');
        },
      ),
    );
  });
});

describe('what is left alone', () => {
  it('values below six characters', () => {
    expect(redactorOf('50', 'short').redact('limit 50, short')).toBe('limit 50, short');
  });

  it('text without a secret', () => {
    expect(redactorOf(secret).redact('pool.limit = 20, expected 50')).toBe('pool.limit = 20, expected 50');
  });
});

describe('a JSON secret that is referred to as a whole', () => {
  const whole = JSON.stringify({
    DB_PASSWORD: 'canary-one',
    DATABASE_URL: 'postgresql://app:canary-two@db.example.com/shop',
    api: { token: 'canary-three', keys: ['canary-four', 55_512_345] },
    NODE_ENV: 'production',
    BASE_URL: 'https://shop.example.com',
  });

  it('is masked value by value', () => {
    const redacted = redactorOf(whole).redact('canary-one canary-two canary-three canary-four 55512345');
    expect(redacted).toBe(Array(5).fill('[redacted]').join(' '));
  });

  it('leaves the words of everyday in it alone', () => {
    const text = 'production at https://shop.example.com and db.example.com';
    expect(redactorOf(whole, '{not json').redact(text)).toBe(text);
  });
});
