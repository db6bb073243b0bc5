/** Amazon RDS: what state an instance is in, what its parameter group says, and the reboot that puts it in force. */
import {
  DescribeDBInstancesCommand,
  DescribeDBParametersCommand,
  type DescribeDBParametersCommandInput,
  DescribeEventsCommand,
  type Parameter,
  RDSClient,
  RebootDBInstanceCommand,
} from '@aws-sdk/client-rds';
import { invalid } from '../../platform/failures.js';
import { type AwsOptions, clientsByRegion } from './clients.js';
import { type AwsAnswer, describeAwsError, requireAws } from './errors.js';
import { nextPage } from './pages.js';

export interface RdsPlace {
  /** Identifier of the instance. */
  instance: string;
  /** Default: that of the worker's AWS configuration. */
  region?: string;
}

export interface RdsInstanceState {
  instance: string;
  /** `available`, `rebooting`, `modifying`, … */
  status: string;
  parameterGroup: string;
  /** Of the group as a whole: `in-sync`, `pending-reboot`, `applying`, `failed-to-apply`, … */
  parameterApplyStatus: string;
  engine: string;
  /** Absent while the instance is being created. */
  endpoint?: { address: string; port: number };
  multiAz: boolean;
}

export interface RdsParameter {
  name: string;
  /** A plain value or a formula such as `LEAST({DBInstanceClassMemory/9531392},5000)`; absent where the engine decides. */
  value: string | undefined;
  /** `user`, `system` or `engine-default`. */
  source: string;
  /** `static` (needs a reboot) or `dynamic`. */
  applyType: string;
  /** `immediate` or `pending-reboot`. */
  applyMethod?: string;
}

/**
 * @throws of every method: ApplicationFailure `Invalid` with details `[{ reason }]` (`notFound`, `denied`,
 * `unconfigured`, `rejected`) where repeating does not help; a plain Error where it does (throttled, unreachable)
 */
export interface Rds {
  describeInstance(place: RdsPlace): Promise<RdsInstanceState>;
  /** `undefined` when the group has no parameter of that name. */
  readParameter(
    place: RdsPlace & { parameterGroup: string },
    name: string,
  ): Promise<RdsParameter | undefined>;
  /** Those that somebody has set. */
  listUserParameters(place: RdsPlace & { parameterGroup: string }): Promise<RdsParameter[]>;
  /**
   * Returns as soon as RDS has begun. Sent once and never repeated here: after an error without an answer,
   * `recentEvents` tells whether it happened.
   * @throws a plain Error when the instance is in no state for it (it is rebooting already, or being modified)
   */
  reboot(place: RdsPlace): Promise<void>;
  /** Shutdowns, restarts and failovers since then, the newest first. RDS keeps them for 14 days. */
  recentEvents(place: RdsPlace, sinceMs: number): Promise<{ at: string; message: string }[]>;
}

const ADVICE = { missing: 'Check its name and region.', denied: 'Extend its policy.' };

/** The most that RDS gives at once. */
const PAGE = 100;
/** What a reboot is reported under; with several availability zones it may be a failover. */
const REBOOT_CATEGORIES = ['availability', 'failover'];

export function createRds(options: AwsOptions = {}): Rds {
  return new RdsApi(options);
}

class RdsApi implements Rds {
  readonly #clientOf: (region: string | undefined) => RDSClient;
  readonly #onceClientOf: (region: string | undefined) => RDSClient;

  constructor(options: AwsOptions) {
    this.#clientOf = clientsByRegion((config) => new RDSClient(config), options);
    this.#onceClientOf = clientsByRegion((config) => new RDSClient({ ...config, maxAttempts: 1 }), options);
  }

  async describeInstance(place: RdsPlace): Promise<RdsInstanceState> {
    const input = { DBInstanceIdentifier: place.instance };
    const { DBInstances: [found] = [] } = await this.#call(nameOf(place), () =>
      this.#clientOf(place.region).send(new DescribeDBInstancesCommand(input)),
    );
    const group = found?.DBParameterGroups?.[0];
    if (!found?.DBInstanceStatus || !group?.DBParameterGroupName || !group.ParameterApplyStatus) {
      throw invalid(`${nameOf(place)}: AWS tells no status or no parameter group of it.`, {
        reason: 'rejected',
      });
    }
    const { Address: address, Port: port } = found.Endpoint ?? {};
    return {
      instance: place.instance,
      status: found.DBInstanceStatus,
      parameterGroup: group.DBParameterGroupName,
      parameterApplyStatus: group.ParameterApplyStatus,
      engine: found.Engine ?? '',
      endpoint: address !== undefined && port !== undefined ? { address, port } : undefined,
      multiAz: found.MultiAZ ?? false,
    };
  }

  async readParameter(
    place: RdsPlace & { parameterGroup: string },
    name: string,
  ): Promise<RdsParameter | undefined> {
    // Whoever does not know the filter answers with all of them, page by page.
    const Filters = [{ Name: 'parameter-name', Values: [name] }];
    for await (const page of this.#pagesOf(place, { Filters })) {
      const found = page.find((parameter) => parameter.name === name);
      if (found) return found;
    }
    return undefined;
  }

  async listUserParameters(place: RdsPlace & { parameterGroup: string }): Promise<RdsParameter[]> {
    const all: RdsParameter[] = [];
    for await (const page of this.#pagesOf(place, { Source: 'user' })) all.push(...page);
    return all;
  }

  async reboot(place: RdsPlace): Promise<void> {
    const command = new RebootDBInstanceCommand({ DBInstanceIdentifier: place.instance });
    await this.#call(nameOf(place), () => this.#onceClientOf(place.region).send(command));
  }

  async recentEvents(place: RdsPlace, sinceMs: number): Promise<{ at: string; message: string }[]> {
    const found: { at: string; message: string }[] = [];
    const pages = new Set<string>();
    let marker: string | undefined;
    do {
      const input = {
        SourceIdentifier: place.instance,
        SourceType: 'db-instance' as const,
        StartTime: new Date(sinceMs),
        EventCategories: REBOOT_CATEGORIES,
        MaxRecords: PAGE,
        Marker: marker,
      };
      const page = await this.#call(nameOf(place), () =>
        this.#clientOf(place.region).send(new DescribeEventsCommand(input)),
      );
      for (const { Date: at, Message: message = '', EventCategories: categories = [] } of page.Events ?? []) {
        if (
          !at ||
          Number.isNaN(at.getTime()) ||
          !categories.some((category) => REBOOT_CATEGORIES.includes(category))
        )
          continue;
        found.push({ at: at.toISOString(), message });
      }
      marker = nextPage(page.Marker, pages);
    } while (marker);
    return found.sort((a, b) => b.at.localeCompare(a.at));
  }

  async *#pagesOf(
    place: RdsPlace & { parameterGroup: string },
    which: Pick<DescribeDBParametersCommandInput, 'Filters' | 'Source'>,
  ): AsyncGenerator<RdsParameter[]> {
    const pages = new Set<string>();
    let marker: string | undefined;
    do {
      const input = {
        ...which,
        DBParameterGroupName: place.parameterGroup,
        MaxRecords: PAGE,
        Marker: marker,
      };
      const page = await this.#call(`RDS parameter group ${place.parameterGroup}`, () =>
        this.#clientOf(place.region).send(new DescribeDBParametersCommand(input)),
      );
      yield (page.Parameters ?? []).map(describeParameter);
      marker = nextPage(page.Marker, pages);
    } while (marker);
  }

  async #call<Answer extends AwsAnswer>(what: string, send: () => Promise<Answer>): Promise<Answer> {
    try {
      return requireAws(await send());
    } catch (error) {
      throw describeAwsError(error, what, ADVICE);
    }
  }
}

function describeParameter(found: Parameter): RdsParameter {
  return {
    name: found.ParameterName ?? '',
    value: found.ParameterValue,
    source: found.Source ?? '',
    applyType: found.ApplyType ?? '',
    applyMethod: found.ApplyMethod,
  };
}

function nameOf({ instance }: RdsPlace): string {
  return `RDS instance ${instance}`;
}
