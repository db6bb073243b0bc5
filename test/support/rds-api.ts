/**
 * Where no real RDS runs: a double of its query API for one instance, checked against the published description
 * (version 2014-10-31): form-encoded POST, signed for the service, required parameters, their limits and valid values,
 * pages by Marker, errors as XML. It checks the filter of parameters and then ignores it, as RDS did until it had one.
 */
import type { IncomingMessage } from 'node:http';
import { type LocalServer, serve } from './http-server.js';

export interface ApiParameter {
  name: string;
  value?: string;
  source: 'user' | 'system' | 'engine-default';
  applyType: 'static' | 'dynamic';
  applyMethod?: 'immediate' | 'pending-reboot';
}

export interface ApiEvent {
  at: string;
  message: string;
  category: string;
}

export interface RdsApi extends LocalServer {
  instance: { name: string; status: string; applyStatus: string; endpoint: boolean };
  group: string;
  parameters: ApiParameter[];
  events: ApiEvent[];
  /** Answered instead, once for each entry. */
  failures: { status: number; code: string; message?: string }[];
  /** Nobody answers. */
  silent: boolean;
  /** Actions that were asked for, in order. */
  actions: string[];
}

/** @param pageSize so many records at most, whatever MaxRecords says: RDS may give less than it was asked for */
export async function startRdsApi(pageSize = 100): Promise<RdsApi> {
  const server = await serve((request, response, body) => {
    if (api.silent) return;
    const reply = answer(api, request, new URLSearchParams(body), pageSize);
    response
      .writeHead(reply.status, { 'content-type': 'text/xml', 'x-amzn-requestid': 'of-the-double' })
      .end(reply.xml);
  });
  const api: RdsApi = {
    ...server,
    instance: { name: 'shop-prod', status: 'available', applyStatus: 'in-sync', endpoint: true },
    group: 'shop-pg16',
    parameters: [],
    events: [],
    failures: [],
    silent: false,
    actions: [],
  };
  return api;
}

interface Reply {
  status: number;
  xml: string;
}

function answer(api: RdsApi, request: IncomingMessage, form: URLSearchParams, pageSize: number): Reply {
  const action = form.get('Action') ?? '';
  api.actions.push(action);
  const fault = findFault(request, form);
  if (fault) return refuse(400, 'InvalidParameterValue', fault);
  const failure = api.failures.shift();
  if (failure) return refuse(failure.status, failure.code, failure.message ?? 'as the test says');
  switch (action) {
    case 'DescribeDBInstances':
    case 'RebootDBInstance':
      return answerInstance(api, action, form);
    case 'DescribeDBParameters':
      return answerParameters(api, form, pageSize);
    case 'DescribeEvents':
      return answerEvents(api, form, pageSize);
    default:
      return refuse(400, 'InvalidAction', action);
  }
}

function findFault({ method, headers }: IncomingMessage, form: URLSearchParams): string | undefined {
  if (method !== 'POST') return 'POST is expected';
  if (!headers['content-type']?.startsWith('application/x-www-form-urlencoded')) return 'a form is expected';
  if (
    !/^AWS4-HMAC-SHA256 Credential=[^/]+\/\d{8}\/[a-z0-9-]+\/rds\/aws4_request,/.test(
      headers.authorization ?? '',
    )
  )
    return 'it is not signed for rds';
  if (form.get('Version') !== '2014-10-31') return 'Version';
  const records = Number(form.get('MaxRecords') ?? 100);
  if (records < 20 || records > 100) return 'MaxRecords';
  const source = form.get('Source');
  if (source !== null && !['user', 'system', 'engine-default'].includes(source)) return 'Source';
  const filter = form.get('Filters.Filter.1.Name');
  if (filter !== null && filter !== 'parameter-name') return 'Filters';
  if (form.has('SourceIdentifier') && !form.has('SourceType')) return 'SourceType';
  return undefined;
}

function answerInstance(api: RdsApi, action: string, form: URLSearchParams): Reply {
  const { instance, group } = api;
  if (form.get('DBInstanceIdentifier') !== instance.name) {
    return refuse(404, 'DBInstanceNotFound', `DBInstance ${form.get('DBInstanceIdentifier')} not found.`);
  }
  if (action === 'RebootDBInstance') {
    if (instance.status !== 'available') return refuse(400, 'InvalidDBInstanceState', 'it is not available');
    instance.status = 'rebooting';
  }
  const endpoint = instance.endpoint
    ? '<Endpoint><Address>shop-prod.example</Address><Port>5432</Port></Endpoint>'
    : '';
  const xml = `<DBInstanceIdentifier>${instance.name}</DBInstanceIdentifier>
    <DBInstanceStatus>${instance.status}</DBInstanceStatus><Engine>postgres</Engine><MultiAZ>true</MultiAZ>${endpoint}
    <DBParameterGroups><DBParameterGroup>
      <DBParameterGroupName>${group}</DBParameterGroupName>
      <ParameterApplyStatus>${instance.applyStatus}</ParameterApplyStatus>
    </DBParameterGroup></DBParameterGroups>`;
  return action === 'RebootDBInstance'
    ? succeed(action, `<DBInstance>${xml}</DBInstance>`)
    : succeed(action, `<DBInstances><DBInstance>${xml}</DBInstance></DBInstances>`);
}

function answerParameters(api: RdsApi, form: URLSearchParams, pageSize: number): Reply {
  if (form.get('DBParameterGroupName') !== api.group) {
    return refuse(404, 'DBParameterGroupNotFound', 'DBParameterGroup not found');
  }
  const source = form.get('Source');
  const matching = api.parameters.filter((each) => source === null || each.source === source);
  const { page, marker } = pageOf(matching, form, pageSize);
  const xml = page.map(
    (each) => `<Parameter><ParameterName>${each.name}</ParameterName>
      ${each.value === undefined ? '' : `<ParameterValue>${each.value}</ParameterValue>`}
      <Source>${each.source}</Source><ApplyType>${each.applyType}</ApplyType>
      <ApplyMethod>${each.applyMethod ?? 'pending-reboot'}</ApplyMethod></Parameter>`,
  );
  return succeed('DescribeDBParameters', `<Parameters>${xml.join('')}</Parameters>${marker}`);
}

function answerEvents(api: RdsApi, form: URLSearchParams, pageSize: number): Reply {
  const from = Date.parse(form.get('StartTime') ?? '');
  if (Number.isNaN(from)) return refuse(400, 'InvalidParameterValue', 'StartTime');
  const wanted = [...form]
    .filter(([key]) => /^EventCategories\.\w+\.\d+$/.test(key))
    .map(([, value]) => value);
  const matching = api.events.filter(
    ({ at, category }) => Date.parse(at) >= from && (wanted.length === 0 || wanted.includes(category)),
  );
  const { page, marker } = pageOf(matching, form, pageSize);
  const xml = page.map(
    ({ at, message, category }) => `<Event><SourceIdentifier>${api.instance.name}</SourceIdentifier>
      <SourceType>db-instance</SourceType><Date>${at}</Date><Message>${message}</Message>
      <EventCategories><EventCategory>${category}</EventCategory></EventCategories></Event>`,
  );
  return succeed('DescribeEvents', `<Events>${xml.join('')}</Events>${marker}`);
}

function pageOf<T>(all: T[], form: URLSearchParams, pageSize: number): { page: T[]; marker: string } {
  const from = Number(form.get('Marker') ?? 0);
  const page = all.slice(from, from + pageSize);
  const next = from + pageSize;
  return { page, marker: next < all.length ? `<Marker>${next}</Marker>` : '' };
}

function succeed(action: string, result: string): Reply {
  const xml = `<${action}Response xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><${action}Result>${result}</${action}Result></${action}Response>`;
  return { status: 200, xml };
}

function refuse(status: number, code: string, message: string): Reply {
  const xml = `<ErrorResponse xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`;
  return { status, xml };
}
