/**
 * One RDS instance with its parameter group, as far as a rollout meets it: the group says what is configured, the
 * PostgreSQL behind it what is in force, and a static parameter waits for the reboot that lies between.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { RunningPostgres } from './postgres.js';

const POLL_MS = 20;
const RELOAD_TIMEOUT_MS = 5_000;

/** What the caller of an AWS API did wrong, in AWS' words. */
export class AwsError extends Error {
  override readonly name = 'AwsError';
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status = 400) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

export interface RdsParameterView {
  name: string;
  value: string;
  description: string;
  source: 'user' | 'engine-default';
  applyType: 'static' | 'dynamic';
  /** How it was set: a static one always waits for a reboot. */
  applyMethod: ApplyMethod;
  dataType: string;
  allowedValues: string | undefined;
}

export type ApplyMethod = 'immediate' | 'pending-reboot';

export interface ParameterChange {
  name: string;
  value: string;
  applyMethod: ApplyMethod;
}

export interface RdsEvent {
  at: Date;
  message: string;
}

export interface RdsInstanceOptions {
  identifier: string;
  parameterGroup: string;
  port: number;
  database: Pick<RunningPostgres, 'query' | 'restart'>;
  /** What somebody has set in the group before. */
  parameters: Record<string, string>;
  log: (line: string) => void;
}

/** Row of `pg_settings`. */
interface Setting {
  name: string;
  setting: string;
  isStatic: boolean;
  vartype: string;
  allowed: string | null;
  description: string;
}

const SETTINGS_QUERY = `
  select name, setting, context = 'postmaster' as "isStatic", vartype, short_desc as description,
    coalesce(array_to_string(enumvals, ','), min_val || '-' || max_val) as allowed
  from pg_settings where context <> 'internal'`;

/** RDS calls them otherwise. */
const DATA_TYPES: Record<string, string> = { bool: 'boolean', real: 'float', enum: 'string' };

export class RdsInstance {
  readonly identifier: string;
  readonly parameterGroup: string;
  readonly port: number;
  readonly engineVersion: string;
  readonly createdAt = new Date();
  readonly events: RdsEvent[] = [];
  readonly #options: RdsInstanceOptions;
  readonly #settings: Map<string, Setting>;
  readonly #user: Map<string, Pick<ParameterChange, 'value' | 'applyMethod'>>;
  /** Dynamic parameters that were set to wait, which PostgreSQL itself does not know. */
  readonly #atReboot = new Map<string, string>();
  #status: 'available' | 'rebooting' | 'incompatible-parameters' = 'available';
  #pends = false;
  #rebooting: Promise<void> = Promise.resolve();

  static async open(options: RdsInstanceOptions): Promise<RdsInstance> {
    const [version] = await options.database.query(`select current_setting('server_version') as text`);
    const rows = await options.database.query(SETTINGS_QUERY);
    return new RdsInstance(options, String(version?.text), rows.map(readSetting));
  }

  private constructor(options: RdsInstanceOptions, engineVersion: string, settings: Setting[]) {
    this.#options = options;
    this.identifier = options.identifier;
    this.parameterGroup = options.parameterGroup;
    this.port = options.port;
    this.engineVersion = engineVersion;
    this.#settings = new Map(settings.map((setting) => [setting.name, setting]));
    this.#user = new Map(
      Object.entries(options.parameters).map(([name, value]) => [
        name,
        { value, applyMethod: this.#settings.get(name)?.isStatic ? 'pending-reboot' : 'immediate' },
      ]),
    );
  }

  get status(): string {
    return this.#status;
  }

  /** Whether something waits for a reboot; while there is nobody to ask, as it was before. */
  async pends(): Promise<boolean> {
    if (this.#status !== 'available') return this.#pends;
    try {
      const [found] = await this.#options.database.query(
        'select exists (select from pg_settings where pending_restart) as pends',
      );
      this.#pends = found?.pends === true || this.#atReboot.size > 0;
    } catch (error) {
      // A reboot has begun meanwhile.
      if (this.#status === 'available') throw error;
    }
    return this.#pends;
  }

  /** By name. */
  listParameters(): RdsParameterView[] {
    const views = [...this.#settings.values()].map((setting) => this.#describe(setting));
    return views.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Nothing is changed when a name or an apply method is wrong. */
  async modify(changes: ParameterChange[]): Promise<void> {
    for (const { name, applyMethod } of changes) this.#check(name, applyMethod);
    await this.#rebooting;
    for (const { name, value, applyMethod } of changes) {
      const waits = applyMethod === 'pending-reboot' && !this.#settings.get(name)?.isStatic;
      if (waits) this.#atReboot.set(name, value);
      else await this.#write(name, value);
      this.#user.set(name, { value, applyMethod });
    }
    await this.#reload();
    await this.pends();
  }

  /** Begins it; `status` tells when it is over. */
  reboot(): void {
    if (this.#status !== 'available') {
      throw new AwsError('InvalidDBInstanceState', `Instance ${this.identifier} is not in available state.`);
    }
    this.#status = 'rebooting';
    this.#rebooting = this.#carryOutReboot();
  }

  /** Resolves when no reboot is under way. */
  settled(): Promise<void> {
    return this.#rebooting;
  }

  async #carryOutReboot(): Promise<void> {
    const { database, log } = this.#options;
    try {
      for (const [name, value] of this.#atReboot) await this.#write(name, value);
      this.#atReboot.clear();
      this.#tell('DB instance shutdown');
      await database.restart();
      this.#tell('DB instance restarted');
      this.#status = 'available';
    } catch (error) {
      this.#status = 'incompatible-parameters';
      log(`${this.identifier}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #tell(message: string): void {
    this.events.push({ at: new Date(), message });
    this.#options.log(`${this.identifier}: ${message}`);
  }

  #check(name: string, applyMethod: ApplyMethod): void {
    const setting = this.#settings.get(name);
    if (!setting) throw new AwsError('InvalidParameterValue', `Could not find parameter with name: ${name}`);
    if (setting.isStatic && applyMethod === 'immediate') {
      throw new AwsError(
        'InvalidParameterCombination',
        'cannot use immediate apply method for static parameter',
      );
    }
  }

  async #write(name: string, value: string): Promise<void> {
    const statement = `alter system set ${pg.escapeIdentifier(name)} = ${pg.escapeLiteral(value)}`;
    await this.#options.database.query(statement).catch((error: unknown) => {
      throw new AwsError('InvalidParameterValue', error instanceof Error ? error.message : String(error));
    });
  }

  /** Returns when the server has read its files anew: it does so in its own time. */
  async #reload(): Promise<void> {
    const { database } = this.#options;
    const [before] = await database.query('select pg_conf_load_time()::text as at, pg_reload_conf() as sent');
    const deadline = Date.now() + RELOAD_TIMEOUT_MS;
    while (Date.now() < deadline) {
      const [now] = await database.query('select pg_conf_load_time() > $1::timestamptz as "isNew"', [
        before?.at,
      ]);
      if (now?.isNew === true) return;
      await sleep(POLL_MS);
    }
    throw new AwsError('InternalFailure', `${this.identifier} did not read its parameters anew.`, 500);
  }

  #describe({ name, setting, isStatic, vartype, allowed, description }: Setting): RdsParameterView {
    const user = this.#user.get(name);
    return {
      name,
      value: user?.value ?? setting,
      description,
      source: user ? 'user' : 'engine-default',
      applyType: isStatic ? 'static' : 'dynamic',
      applyMethod: user?.applyMethod ?? 'pending-reboot',
      dataType: DATA_TYPES[vartype] ?? vartype,
      allowedValues: allowed ?? undefined,
    };
  }
}

function readSetting(row: Record<string, unknown>): Setting {
  const text = (key: string) => {
    const value = row[key];
    return typeof value === 'string' ? value : '';
  };
  return {
    name: text('name'),
    setting: text('setting'),
    isStatic: row.isStatic === true,
    vartype: text('vartype'),
    allowed: typeof row.allowed === 'string' ? row.allowed : null,
    description: text('description'),
  };
}
