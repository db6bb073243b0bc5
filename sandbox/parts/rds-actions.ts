/** What the RDS front answers to: the few actions that a rollout asks, as AWS documents them. */
import {
  type ApplyMethod,
  AwsError,
  type ParameterChange,
  type RdsInstance,
  type RdsParameterView,
} from './rds-instance.js';
import type { XmlTree } from './rds-xml.js';

const ACCOUNT = '123456789012';
const REGION = 'us-east-1';
const MOST_CHANGES = 20;
const FEWEST_RECORDS = 20;
const MOST_RECORDS = 100;
const LONGEST_EVENTS_MINUTES = 14 * 24 * 60;
const SOURCES = ['user', 'system', 'engine-default'];

type Action = (instances: RdsInstance[], input: URLSearchParams) => Promise<XmlTree>;

export const RDS_ACTIONS: Record<string, Action> = {
  async DescribeDBInstances(instances, input) {
    refuseFilters(input, []);
    const name = input.get('DBInstanceIdentifier');
    const chosen = name === null ? instances : [instanceOf(instances, name)];
    return { DBInstances: { DBInstance: await Promise.all(chosen.map(describeInstance)) } };
  },

  async RebootDBInstance(instances, input) {
    const instance = instanceOf(instances, required(input, 'DBInstanceIdentifier'));
    if (input.get('ForceFailover') === 'true') {
      throw new AwsError('InvalidParameterCombination', 'Cannot force a failover of a single-AZ instance.');
    }
    instance.reboot();
    return { DBInstance: await describeInstance(instance) };
  },

  async DescribeDBParameterGroups(instances, input) {
    refuseFilters(input, []);
    const name = input.get('DBParameterGroupName');
    const chosen = name === null ? instances : [ownerOf(instances, name)];
    return { DBParameterGroups: { DBParameterGroup: chosen.map(describeGroup) } };
  },

  async DescribeDBParameters(instances, input) {
    const instance = ownerOf(instances, required(input, 'DBParameterGroupName'));
    const { source, names, marker, most } = readListing(input);
    const found = instance
      .listParameters()
      .filter(({ name }) => (names.length === 0 || names.includes(name)) && name > marker)
      .filter((parameter) => source === undefined || parameter.source === source);
    const page = found.slice(0, most);
    return {
      Parameters: { Parameter: page.map(describeParameter) },
      Marker: found.length > most ? page.at(-1)?.name : undefined,
    };
  },

  async ModifyDBParameterGroup(instances, input) {
    const group = required(input, 'DBParameterGroupName');
    const instance = ownerOf(instances, group);
    const changes = readChanges(input);
    if (changes.length === 0 || changes.length > MOST_CHANGES) {
      throw new AwsError(
        'InvalidParameterValue',
        `Between 1 and ${MOST_CHANGES} parameters can be modified.`,
      );
    }
    await instance.modify(changes);
    return { DBParameterGroupName: group };
  },

  async DescribeEvents(instances, input) {
    refuseFilters(input, []);
    const name = input.get('SourceIdentifier');
    const categories = listOf(input, 'EventCategories.EventCategory');
    const chosen = name === null ? instances : instances.filter(({ identifier }) => identifier === name);
    const { from, until } = readPeriod(input);
    const wanted = categories.length === 0 || categories.includes('availability');
    const events = chosen.flatMap(({ identifier, events: all }) =>
      all.filter(({ at }) => wanted && at >= from && at <= until).map((event) => ({ identifier, ...event })),
    );
    return { Events: { Event: events.map(describeEvent) } };
  },
};

function instanceOf(instances: RdsInstance[], name: string): RdsInstance {
  const found = instances.find(({ identifier }) => identifier === name);
  if (found) return found;
  throw new AwsError('DBInstanceNotFound', `DBInstance ${name} not found.`, 404);
}

function ownerOf(instances: RdsInstance[], group: string): RdsInstance {
  const found = instances.find(({ parameterGroup }) => parameterGroup === group);
  if (found) return found;
  throw new AwsError('DBParameterGroupNotFound', `DBParameterGroup not found: ${group}`, 404);
}

async function describeInstance(instance: RdsInstance): Promise<XmlTree> {
  const { identifier, parameterGroup, status, port, engineVersion, createdAt } = instance;
  const applyStatus = (await instance.pends()) ? 'pending-reboot' : 'in-sync';
  return {
    DBInstanceIdentifier: identifier,
    DBInstanceArn: arnOf('db', identifier),
    DBInstanceClass: 'db.t4g.small',
    DBInstanceStatus: status,
    DBName: 'bookings',
    Engine: 'postgres',
    EngineVersion: engineVersion,
    Endpoint: { Address: '127.0.0.1', Port: port },
    InstanceCreateTime: createdAt,
    MultiAZ: false,
    PubliclyAccessible: false,
    DBParameterGroups: {
      DBParameterGroup: [{ DBParameterGroupName: parameterGroup, ParameterApplyStatus: applyStatus }],
    },
  };
}

function describeGroup({ parameterGroup, identifier, engineVersion }: RdsInstance): XmlTree {
  return {
    DBParameterGroupName: parameterGroup,
    DBParameterGroupFamily: `postgres${engineVersion.split('.')[0]}`,
    DBParameterGroupArn: arnOf('pg', parameterGroup),
    Description: `Parameters of ${identifier}`,
  };
}

function describeParameter(parameter: RdsParameterView): XmlTree {
  return {
    ParameterName: parameter.name,
    ParameterValue: parameter.value,
    Description: parameter.description,
    Source: parameter.source,
    ApplyType: parameter.applyType,
    ApplyMethod: parameter.applyMethod,
    DataType: parameter.dataType,
    AllowedValues: parameter.allowedValues,
    IsModifiable: true,
  };
}

function describeEvent({ identifier, at, message }: { identifier: string; at: Date; message: string }) {
  return {
    SourceIdentifier: identifier,
    SourceType: 'db-instance',
    SourceArn: arnOf('db', identifier),
    Message: message,
    EventCategories: { EventCategory: ['availability'] },
    Date: at,
  };
}

function arnOf(kind: string, name: string): string {
  return `arn:aws:rds:${REGION}:${ACCOUNT}:${kind}:${name}`;
}

function readListing(input: URLSearchParams) {
  refuseFilters(input, ['parameter-name']);
  const source = input.get('Source') ?? undefined;
  if (source !== undefined && !SOURCES.includes(source)) {
    throw new AwsError('InvalidParameterValue', `Invalid source: ${source}`);
  }
  const most = Number(input.get('MaxRecords') ?? MOST_RECORDS);
  if (!Number.isInteger(most) || most < FEWEST_RECORDS || most > MOST_RECORDS) {
    throw new AwsError(
      'InvalidParameterValue',
      `Invalid value for max records. Must be between ${FEWEST_RECORDS} and ${MOST_RECORDS}`,
    );
  }
  const names = listOf(input, 'Filters.Filter.1.Values.Value');
  return { source, names, most, marker: input.get('Marker') ?? '' };
}

function readChanges(input: URLSearchParams): ParameterChange[] {
  const changes: ParameterChange[] = [];
  for (let index = 1; input.has(`Parameters.Parameter.${index}.ParameterName`); index += 1) {
    const of = (field: string) => required(input, `Parameters.Parameter.${index}.${field}`);
    changes.push({
      name: of('ParameterName'),
      value: of('ParameterValue'),
      applyMethod: readMethod(of('ApplyMethod')),
    });
  }
  return changes;
}

function readMethod(text: string): ApplyMethod {
  if (text === 'immediate' || text === 'pending-reboot') return text;
  throw new AwsError('InvalidParameterValue', `Invalid apply method: ${text}`);
}

/** The last hour when nothing is said. */
function readPeriod(input: URLSearchParams): { from: Date; until: Date } {
  const until = readDate(input.get('EndTime')) ?? new Date();
  const minutes = Number(input.get('Duration') ?? 60);
  if (!Number.isInteger(minutes) || minutes < 1 || minutes > LONGEST_EVENTS_MINUTES) {
    throw new AwsError('InvalidParameterValue', `Invalid duration: ${input.get('Duration')}`);
  }
  return { from: readDate(input.get('StartTime')) ?? new Date(until.getTime() - minutes * 60_000), until };
}

function readDate(text: string | null): Date | undefined {
  if (text === null) return undefined;
  const date = new Date(text);
  if (Number.isNaN(date.getTime()))
    throw new AwsError('InvalidParameterValue', `Invalid date or time: ${text}`);
  return date;
}

/** One that were ignored would give what was not asked for. */
function refuseFilters(input: URLSearchParams, known: string[]): void {
  for (const [key, name] of input) {
    if (/^Filters\.Filter\.\d+\.Name$/.test(key) && !known.includes(name)) {
      throw new AwsError('InvalidParameterValue', `Unrecognized filter name: ${name}`);
    }
  }
}

function listOf(input: URLSearchParams, prefix: string): string[] {
  const values: string[] = [];
  for (let index = 1; ; index += 1) {
    const value = input.get(`${prefix}.${index}`);
    if (value === null) return values;
    values.push(value);
  }
}

function required(input: URLSearchParams, name: string): string {
  const value = input.get(name);
  if (value) return value;
  throw new AwsError('MissingParameter', `The request must contain the parameter ${name}.`);
}
