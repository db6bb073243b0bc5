/** Plans that nobody means, given to the command line: 2, each fault once, and nobody was asked and nothing was written. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Product } from '../support/product.js';

const PLAN = `apiVersion: headgate/v1
application: shop
version: v1
vars: { wait: 1m }
stages:
  - name: production
    steps:
      - loadTest: { script: peak.js, timeout: "\${var:wait}", expect: { metric: checks, path: rate, gte: 0.99 } }
`;

let folder: string;
let product: Product;
let server: Server;
/** Connections to what would be Temporal. */
let connections = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-plans-'));
  await writeFile(join(folder, 'peak.js'), 'export default function () {}');
  server = createServer((socket) => {
    connections += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  product = await Product.create({ TEMPORAL_ADDRESS: `127.0.0.1:${port}` });
});
afterAll(async () => {
  server.close();
  await product.remove();
  await rm(folder, { recursive: true, force: true });
});

async function start(text: string | Buffer, ...args: string[]) {
  const file = join(folder, 'rollout.yaml');
  await writeFile(file, text);
  connections = 0;
  const ended = await product.run('start', file, '--json', ...args);
  const faults = ended.lines.filter(({ type, status }) => type === 'error' && status === 'fault');
  return { ...ended, faults: faults.map(({ data }) => data) };
}

test('positive control: with a plan that is right somebody is asked', async () => {
  const { code, faults } = await start(PLAN);
  expect([code, faults]).toEqual([4, []]);
  expect(connections).toBeGreaterThan(0);
});

test.each<[string, string | Buffer, object]>([
  [
    'an escape of the terminal in a key',
    PLAN.replace('version:', '"\\e[2Jversion": a\nversion:'),
    { code: 'unknownKey', line: 3 },
  ],
  ['a line break in a name', PLAN.replace('shop', '"shop\\n1 fault; nothing"'), { code: 'badName', line: 2 }],
  ['UTF-16', Buffer.from(`\uFEFF${PLAN}`, 'utf16le'), { code: 'syntax', line: 1 }],
  ['a bomb of aliases', bomb(), { code: 'tooComplex' }],
  ['two megabytes', PLAN + '#'.repeat(2 * 1024 * 1024), { code: 'syntax' }],
  ['two documents', `${PLAN}---\n${PLAN}`, { code: 'syntax', line: 9 }],
  ['a script that leads out', PLAN.replace('peak.js', 'sub/../../peak.js'), { code: 'badPath', line: 8 }],
  ['a script by a link that leads out', PLAN.replace('peak.js', 'linked/passwd'), { code: 'file', line: 8 }],
  ['a script that is a device', PLAN.replace('peak.js', 'device'), { code: 'file', line: 8 }],
  ['a script that is a pipe', PLAN.replace('peak.js', 'pipe'), { code: 'file', line: 8 }],
  [
    'a script that is a folder that is not there',
    PLAN.replace('peak.js', 'nowhere/peak.js'),
    { code: 'file', line: 8 },
  ],
])('%s', async (_what, text, expected) => {
  await mkdir(join(folder, 'sub'), { recursive: true });
  await symlink('/etc', join(folder, 'linked')).catch(() => undefined);
  await symlink('/dev/zero', join(folder, 'device')).catch(() => undefined);
  if (!existsSync(join(folder, 'pipe'))) execFileSync('mkfifo', [join(folder, 'pipe')]);
  const { code, faults, stderr, lines } = await start(text);
  expect([code, faults], stderr).toEqual([2, [expect.objectContaining(expected)]]);
  expect(faults[0]).toMatchObject({
    file: join(folder, 'rollout.yaml'),
    line: expect.any(Number),
    column: expect.any(Number),
    path: expect.any(String),
    expected: expect.stringMatching(/./),
    fix: expect.stringMatching(/./),
  });
  expect(lines.at(-1)).toMatchObject({ type: 'outcome', status: 'failed' });
  expect(connections, 'nobody was asked').toBe(0);
  expect(await readdir(product.home), 'nothing was written').toEqual([]);
});

test.each([
  ['without a value', ['--var', 'wait']],
  ['without a name', ['--var', '=1m']],
  ['that nobody declares', ['--var', 'wiat=1m']],
])('--var %s', async (_what, args) => {
  const { code, stderr, faults } = await start(PLAN, ...args);
  expect([code, connections]).toEqual([2, 0]);
  expect(`${stderr}${JSON.stringify(faults)}`).toMatch(/--var/);
});

test('a plan file without end is not read to its end', async () => {
  const { code, lines } = await product.run('start', '/dev/zero', '--json');
  expect([code, lines[0]?.data]).toEqual([2, expect.objectContaining({ code: 'syntax' })]);
});

test('what a plan says acts on no terminal', async () => {
  const file = join(folder, 'rollout.yaml');
  await writeFile(file, PLAN.replace('version:', '"\\e[2Jver\\u202esion": a\nversion:'));
  const { code, stderr } = await product.run('start', file);
  expect([code, stderr]).toEqual([2, expect.stringContaining('\\u001b[2Jver\\u202esion')]);
  expect(stderr).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}]/u);
});

function bomb(): string {
  const lines = Array.from('bcdefghi', (name, index) => {
    const before = 'abcdefgh'.charAt(index);
    return `${name}: &${name} [${Array(9).fill(`*${before}`).join(', ')}]`;
  });
  return ['a: &a [x, x, x, x, x, x, x, x, x]', ...lines].join('\n');
}
