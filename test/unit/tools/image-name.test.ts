import { describe, expect, it } from 'vitest';
import { apiOf, credentialKeyOf, parseImageName } from '../../../src/tools/registry/image-name.js';

const DIGEST = `sha256:${'a'.repeat(64)}`;

describe('the name of an image', () => {
  it.each([
    ['nginx', 'docker.io', 'library/nginx', 'latest'],
    ['nginx:1.27', 'docker.io', 'library/nginx', '1.27'],
    ['acme/shop:v1', 'docker.io', 'acme/shop', 'v1'],
    ['docker.io/nginx', 'docker.io', 'library/nginx', 'latest'],
    ['index.docker.io/acme/shop', 'docker.io', 'acme/shop', 'latest'],
    ['registry.example.com/team/shop:v1.0.1', 'registry.example.com', 'team/shop', 'v1.0.1'],
    ['localhost/shop', 'localhost', 'shop', 'latest'],
    ['127.0.0.1:5000/shop:v1', '127.0.0.1:5000', 'shop', 'v1'],
    ['host:5000/shop', 'host:5000', 'shop', 'latest'],
  ])('%s', (image, registry, repository, tag) => {
    expect(parseImageName(image)).toEqual({ registry, repository, tag });
  });

  it('may have its digest already', () => {
    expect(parseImageName(`acme/shop:v1@${DIGEST}`)).toMatchObject({ tag: 'v1', digest: DIGEST });
  });

  it.each([
    '',
    'Shop',
    'a b',
    'shop:',
    'shop@sha256:12',
    `shop@${DIGEST}@${DIGEST}`,
    '${env:X}/shop',
    'http://a/b',
    '../x',
  ])('"%s" is none', (image) => {
    expect(parseImageName(image)).toBeUndefined();
  });

  it('tells where its API is: by TLS, but on this machine', () => {
    expect(
      [
        'docker.io',
        'registry.example.com:5000',
        'localhost:5000',
        '127.0.0.1:5000',
        '127.0.0.1.example.com',
      ].map(apiOf),
    ).toEqual([
      'https://registry-1.docker.io',
      'https://registry.example.com:5000',
      'http://localhost:5000',
      'http://127.0.0.1:5000',
      'https://127.0.0.1.example.com',
    ]);
    expect(credentialKeyOf('docker.io')).toBe('https://index.docker.io/v1/');
  });
});
