/**
 * Local parts for the examples of docs/reference: an application, PostgreSQL behind an RDS front, an AWS emulator,
 * Prometheus, doubles of what others run, a git remote, Temporal and a worker, which is told of them by its environment.
 */
import { execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { expect } from 'vitest';
import { type LocalServer, serve } from './http-server.js';
import { type Moto, startMoto } from './moto.js';
import { type Ended, Product, until } from './product.js';
import { type Prometheus, prometheusIsMissing, startPrometheus } from './prometheus.js';
import { createReferenceAws, type ReferenceAws } from './reference-aws.js';
import { ReferenceDoubles } from './reference-doubles.js';
import { INSTANCE, type LocalRds, startLocalRds } from './sandbox-rds.js';
import { startApproved } from './start-approved.js';
import { startTemporal } from './temporal.js';

const KEY = 'key-of-the-webhook';
const POOL = { active: 3, total: 25, limit: 50, utilization: 50, idle: 22, waiting: 0, timeoutsTotal: 0 };
const PAGES: Record<string, unknown> = {
  '/healthz': { status: 'ok' },
  '/admin/metrics/database': { pool: POOL, config: {}, slowQueries: 0 },
  '/admin/version': { version: 'v2.3.0' },
};

interface Received {
  url: string;
  body: string;
}

export interface WorldOptions {
  /** Of the worker, besides what names the parts. */
  env?: NodeJS.ProcessEnv;
  /** Of the database. */
  maxConnections?: string;
}

interface Parts {
  folder: string;
  application: LocalServer;
  received: Received[];
  temporal: TestWorkflowEnvironment;
  moto: Moto;
  rds: LocalRds;
  doubles: ReferenceDoubles;
  prometheus?: Prometheus;
  product: Product;
}

export class ReferenceWorld {
  readonly aws: ReferenceAws;
  readonly url: string;
  readonly checkout: string;

  private constructor(private readonly parts: Parts) {
    this.aws = createReferenceAws(parts.moto.url);
    this.url = parts.application.url;
    this.checkout = this.file('checkout');
  }

  static async open({ env = {}, maxConnections = '100' }: WorldOptions = {}): Promise<ReferenceWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'headgate-reference-'));
    const received: Received[] = [];
    const doubles = await ReferenceDoubles.open();
    const application = await startApplication(received, doubles.references.ADMIN_TOKEN ?? '');
    const [temporal, moto, rds, prometheus] = await Promise.all([
      startTemporal(),
      startMoto(),
      startLocalRds({ max_connections: maxConnections }),
      prometheusIsMissing() ? undefined : startPrometheus(application.url),
    ]);
    const product = await Product.create({
      ...environmentOf({ application, doubles, rds, prometheus, checkout: join(folder, 'checkout') }),
      TEMPORAL_ADDRESS: temporal.address,
      AWS_ENDPOINT_URL: moto.url,
      AWS_ENDPOINT_URL_RDS: rds.endpoint,
      GIT_CONFIG_GLOBAL: join(folder, 'gitconfig'),
      ...env,
    });
    const world = new ReferenceWorld({
      ...{ folder, application, received, temporal, moto, rds, doubles, prometheus, product },
    });
    await world.createCheckout();
    await product.spawn('worker', '--enable', 'run,command').untilOutput('ready', 30_000);
    return world;
  }

  get doubles(): ReferenceDoubles {
    return this.parts.doubles;
  }

  /** The same emulator in another region; whoever asks closes it. */
  awsOf(region: string): ReferenceAws {
    return createReferenceAws(this.parts.moto.url, region);
  }

  get product(): Product {
    return this.parts.product;
  }

  /** In a folder of the world's own. */
  file(name: string): string {
    return join(this.parts.folder, name);
  }

  async write(name: string, text: string): Promise<void> {
    await mkdir(dirname(this.file(name)), { recursive: true });
    await writeFile(this.file(name), text);
  }

  remove(name: string): Promise<void> {
    return rm(this.file(name), { force: true });
  }

  async expectFile(name: string, content: RegExp): Promise<void> {
    expect(await readFile(this.file(name), 'utf8')).toMatch(content);
  }

  /** Some request to the path had a body like that. */
  expectReceived(path: string, body: RegExp): void {
    const bodies = this.parts.received.filter(({ url }) => url === path).map((each) => each.body);
    expect(bodies).toContainEqual(expect.stringMatching(body));
  }

  expectPushed(tag: string, file: string, content: string): void {
    const remote = this.file('remote.git');
    expect(this.git(['cat-file', '-t', tag], remote)).toBe('tag');
    expect(this.git(['show', `${tag}:${file}`], remote)).toBe(content);
  }

  readonly rds = {
    instance: INSTANCE,
    modify: async (name: string, value: string): Promise<void> => {
      await this.askRds({
        Action: 'ModifyDBParameterGroup',
        DBParameterGroupName: INSTANCE,
        'Parameters.Parameter.1.ParameterName': name,
        'Parameters.Parameter.1.ParameterValue': value,
        'Parameters.Parameter.1.ApplyMethod': 'pending-reboot',
      });
    },
    /** Until it is available again. */
    reboot: async () => {
      const describe = { Action: 'DescribeDBInstances', DBInstanceIdentifier: INSTANCE };
      await this.askRds({ Action: 'RebootDBInstance', DBInstanceIdentifier: INSTANCE });
      await until(
        async () => (await this.askRds(describe)).includes('<DBInstanceStatus>available<'),
        30_000,
        () => this.askRds(describe),
      );
    },
    expectInForce: async (name: string, value: string) => {
      expect(await this.parts.rds.query(`select current_setting('${name}') as value`)).toEqual([{ value }]);
    },
  };

  private async askRds(form: Record<string, string>): Promise<string> {
    const body = new URLSearchParams({ Version: '2014-10-31', ...form });
    const response = await fetch(this.parts.rds.endpoint, { method: 'POST', body });
    const text = await response.text();
    if (!response.ok) throw new Error(`RDS answered ${response.status}: ${text}`);
    return text;
  }

  /** Starts a plan with the command line and stays until its end; approves where somebody has to. */
  async start(plan: string, vars: Record<string, string>, approved = false): Promise<Ended> {
    const overrides = Object.entries(vars).flatMap(([name, value]) => ['--var', `${name}=${value}`]);
    if (approved) return startApproved(this.product, 'shop', [plan, ...overrides]);
    return this.product.run('start', plan, ...overrides, '--watch', '--json');
  }

  async close(): Promise<void> {
    const { application, temporal, moto, rds, doubles, prometheus, product, folder } = this.parts;
    this.aws.close();
    await product.remove();
    await Promise.all([
      application.close(),
      temporal.teardown(),
      moto.stop(),
      rds.stop(),
      doubles.close(),
      prometheus?.stop(),
    ]);
    await rm(folder, { recursive: true, force: true });
  }

  private async createCheckout(): Promise<void> {
    const identity = '[user]\nname = Ana\nemail = ana@example.com\n[init]\ndefaultBranch = main\n';
    await this.write('gitconfig', identity);
    await this.write('checkout/.env.example', 'DB_CONNECTION_LIMIT=20\n');
    this.git(['init', '--quiet', '--bare', this.file('remote.git')], this.parts.folder);
    this.git(['init', '--quiet']);
    this.git(['remote', 'add', 'origin', this.file('remote.git')]);
    this.git(['add', '.']);
    this.git(['commit', '--quiet', '--message', 'begin']);
    this.git(['push', '--quiet', 'origin', 'main']);
  }

  private git(args: string[], cwd = this.checkout): string {
    const env = {
      PATH: process.env.PATH,
      GIT_CONFIG_GLOBAL: this.file('gitconfig'),
      GIT_CONFIG_NOSYSTEM: '1',
    };
    return execFileSync('git', args, { cwd, env, encoding: 'utf8' }).trim();
  }
}

/** What the examples name with `${env:…}`, and that the worker allows those names. */
function environmentOf({
  application: { url },
  doubles,
  rds,
  prometheus,
  checkout,
}: Pick<Parts, 'application' | 'doubles' | 'rds' | 'prometheus'> & { checkout: string }): NodeJS.ProcessEnv {
  const named = {
    ...doubles.references,
    WEBHOOK_SECRET: KEY,
    DATABASE_URL: rds.databaseUrl,
    EU_DATABASE_URL: rds.databaseUrl,
    US_DATABASE_URL: rds.databaseUrl,
    PROMETHEUS_URL: prometheus?.url ?? '',
    HOOK_URL: `${url}/hook`,
    CHECKOUT: checkout,
  };
  return { ...named, HEADGATE_ALLOWED_REFERENCES: Object.keys(named).join(',') };
}

/** Refuses what the examples promise to send and do not: the token, the signature. */
function startApplication(received: Received[], adminToken: string): Promise<LocalServer> {
  return serve(({ url = '', headers }, response, body) => {
    received.push({ url, body });
    if (url === '/metrics') return void response.end('up_of_the_shop 1\n');
    if (url === '/hook') return void response.writeHead(204).end();
    if (url === '/webhooks') {
      const signature = `sha256=${createHmac('sha256', KEY).update(body).digest('hex')}`;
      const accepted = headers['x-hub-signature-256'] === signature;
      return void response.writeHead(accepted ? 200 : 401).end(JSON.stringify({ accepted }));
    }
    const isOpen = !url.startsWith('/admin/') || headers.authorization === `Bearer ${adminToken}`;
    response.writeHead(isOpen && PAGES[url] ? 200 : isOpen ? 404 : 401, {
      'content-type': 'application/json',
    });
    response.end(JSON.stringify(PAGES[url] ?? {}));
  });
}
