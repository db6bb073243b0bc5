/** The connection pool and what it tells of itself. */
import pg from 'pg';
import type { PoolConfiguration } from './configuration.js';

/** The sandbox's time runs faster than the document's: its `DB_POOL_TIMEOUT` of 20 s is this much waiting. */
const POOL_WAIT_MS = 400;
const MOST_SLOW_QUERIES = 20;

/** No connection was free in time. */
export class PoolTimeoutError extends Error {
  override readonly name = 'PoolTimeoutError';
}

export interface SlowQuery {
  query: string;
  durationMs: number;
  at: string;
}

export interface DatabaseOptions {
  url: string;
  applicationName: string;
  configuration: PoolConfiguration;
  /** Connections that it really opens at most. */
  reallyPools: number;
}

export class Database {
  readonly #pool: pg.Pool;
  readonly #options: DatabaseOptions;
  readonly #slow: SlowQuery[] = [];
  #timeouts = 0;

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#pool = new pg.Pool({
      connectionString: options.url,
      application_name: options.applicationName,
      max: options.reallyPools,
      connectionTimeoutMillis: POOL_WAIT_MS,
      statement_timeout: options.configuration.queryTimeoutMs,
    });
    // A server that goes away ends idle connections; the next query says so by itself.
    this.#pool.on('error', () => {});
  }

  /** @throws PoolTimeoutError when no connection was free in time */
  async query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    const client = await this.#connect();
    const startedAt = performance.now();
    try {
      const { rows } = await client.query<Row>(text, values);
      return rows;
    } finally {
      client.release();
      this.#note(text, performance.now() - startedAt);
    }
  }

  /** The shape of `/admin/metrics/database`. */
  metrics() {
    const { connectionLimit, poolTimeout, statementCacheSize } = this.#options.configuration;
    const { totalCount: total, idleCount: idle, waitingCount: waiting } = this.#pool;
    return {
      pool: {
        active: total - idle,
        total,
        limit: connectionLimit,
        utilization: Math.round((total / connectionLimit) * 10_000) / 100,
        idle,
        waiting,
        timeoutsTotal: this.#timeouts,
      },
      config: { connectionLimit, poolTimeout, statementCacheSize },
      slowQueries: this.#slow,
    };
  }

  async end(): Promise<void> {
    await this.#pool.end();
  }

  async #connect(): Promise<pg.PoolClient> {
    try {
      return await this.#pool.connect();
    } catch (error) {
      if (!(error instanceof Error) || !/timeout/i.test(error.message)) throw error;
      this.#timeouts += 1;
      throw new PoolTimeoutError(error.message);
    }
  }

  #note(query: string, durationMs: number): void {
    if (durationMs < this.#options.configuration.slowQueryThresholdMs) return;
    this.#slow.push({ query, durationMs: Math.round(durationMs), at: new Date().toISOString() });
    if (this.#slow.length > MOST_SLOW_QUERIES) this.#slow.shift();
  }
}
