/**
 * What moto lacks of CloudWatch: composite and log alarms, pages, several units, refusals. A double of its JSON API,
 * checked against the published description: target, content type, signature, valid periods, at most 1,440 data in one
 * answer, valid alarm types, pages of MaxRecords by NextToken.
 */
import type { IncomingMessage } from 'node:http';
import { type LocalServer, serve } from './http-server.js';

export interface ApiAlarm {
  name: string;
  type: 'MetricAlarm' | 'CompositeAlarm' | 'LogAlarm';
  state: 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';
}

/** Already summed up by period; `at` is ISO. */
export interface ApiDatum {
  at: string;
  unit: string;
  value: number;
}

export interface CloudWatchApi extends LocalServer {
  alarms: ApiAlarm[];
  data: ApiDatum[];
  /** Answered instead, once for each entry. */
  failures: { status: number; code: string }[];
  /** Nobody answers. */
  silent: boolean;
  /** Inputs, in order. */
  asked: Record<string, unknown>[];
}

export async function startCloudWatchApi(): Promise<CloudWatchApi> {
  const server = await serve((request, response, body) => {
    if (api.silent) return;
    const input: Record<string, unknown> = JSON.parse(body);
    api.asked.push(input);
    const reply = answer(api, request, input);
    response
      .writeHead(reply.status, {
        'content-type': 'application/x-amz-json-1.0',
        'x-amzn-requestid': 'of-the-double',
      })
      .end(JSON.stringify(reply.body));
  });
  const api: CloudWatchApi = { ...server, alarms: [], data: [], failures: [], silent: false, asked: [] };
  return api;
}

const SERVICE = 'GraniteServiceVersion20100801';

interface Reply {
  status: number;
  body: unknown;
}

function answer(
  api: CloudWatchApi,
  { method, headers }: IncomingMessage,
  input: Record<string, unknown>,
): Reply {
  if (method !== 'POST' || headers['content-type'] !== 'application/x-amz-json-1.0') {
    return refuse('SerializationException');
  }
  if (
    !/^AWS4-HMAC-SHA256 Credential=[^/]+\/\d{8}\/[a-z0-9-]+\/monitoring\/aws4_request,/.test(
      headers.authorization ?? '',
    )
  )
    return refuse('IncompleteSignature');
  const failure = api.failures.shift();
  if (failure) return refuse(failure.code, failure.status);
  const target = headers['x-amz-target'];
  if (target === `${SERVICE}.DescribeAlarms`) return answerAlarms(api, input);
  return target === `${SERVICE}.GetMetricStatistics` ? answerStatistics(api, input) : refuse('InvalidAction');
}

const ALARM_TYPES = ['MetricAlarm', 'CompositeAlarm', 'LogAlarm'];

function answerAlarms({ alarms }: CloudWatchApi, input: Record<string, unknown>): Reply {
  const { AlarmNamePrefix: prefix = '', AlarmTypes: types = ['MetricAlarm'], MaxRecords: most = 50 } = input;
  if (typeof prefix !== 'string' || typeof most !== 'number' || most < 1 || most > 100)
    return refuse('ValidationError');
  if (!Array.isArray(types) || types.some((type) => !ALARM_TYPES.includes(type)))
    return refuse('ValidationError');
  const matching = alarms.filter(({ name, type }) => name.startsWith(prefix) && types.includes(type));
  const from = Number(input.NextToken ?? 0);
  const page = matching.slice(from, from + most);
  const listOf = (wanted: string) =>
    page
      .filter(({ type }) => type === wanted)
      .map(({ name, state }) => ({ AlarmName: name, StateValue: state }));
  const body = {
    MetricAlarms: listOf('MetricAlarm'),
    CompositeAlarms: listOf('CompositeAlarm'),
    LogAlarms: listOf('LogAlarm'),
    ...(from + most < matching.length ? { NextToken: String(from + most) } : {}),
  };
  return { status: 200, body };
}

function answerStatistics({ data }: CloudWatchApi, input: Record<string, unknown>): Reply {
  const { StartTime: from, EndTime: until, Period: period, Statistics: statistics } = input;
  if (typeof from !== 'number' || typeof until !== 'number' || typeof period !== 'number')
    return refuse('ValidationError');
  if (![1, 5, 10, 30].includes(period) && (period < 60 || period % 60 !== 0))
    return refuse('ValidationError');
  if (from >= until || (until - from) / period > 1440) return refuse('InvalidParameterCombination');
  if (!Array.isArray(statistics) || statistics.length !== 1) return refuse('InvalidParameterCombination');
  const [statistic] = statistics;
  const seconds = (at: string) => Date.parse(at) / 1000;
  const matching = data.filter(({ at }) => seconds(at) >= from && seconds(at) < until);
  const Datapoints = matching.map(({ at, unit, value }) => {
    return { Timestamp: seconds(at), Unit: unit, [statistic]: value };
  });
  return { status: 200, body: { Label: 'label', Datapoints } };
}

function refuse(code: string, status = 400): Reply {
  return { status, body: { __type: `com.amazonaws.cloudwatch#${code}`, message: 'as the test says' } };
}
