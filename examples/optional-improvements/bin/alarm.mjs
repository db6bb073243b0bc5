// Puts an alarm into the sandbox's CloudWatch, or takes it away: put|delete NAME THRESHOLD. The call is the one that
// terraform's aws provider sends; the emulator checks no signature, only whom it is for.
const [verb, name, threshold, ...rest] = process.argv.slice(2);
const aws = `http://127.0.0.1:${Number(process.env.HEADGATE_PORT_BASE || 7300) + 2}`;
const scope = `${new Date().toISOString().slice(0, 10).replaceAll('-', '')}/us-east-1/monitoring/aws4_request`;

const FORMS = {
  put: {
    Action: 'PutMetricAlarm',
    AlarmName: name,
    Namespace: 'WhatsAppSaaS',
    MetricName: name,
    Statistic: 'Average',
    Period: '60',
    EvaluationPeriods: '3',
    Threshold: threshold,
    ComparisonOperator: 'GreaterThanThreshold',
  },
  delete: { Action: 'DeleteAlarms', 'AlarmNames.member.1': name },
};

try {
  const form = FORMS[verb];
  if (!form || !name || !threshold || rest.length > 0) throw new Error('expected: put|delete NAME THRESHOLD');
  const response = await fetch(aws, {
    method: 'POST',
    headers: {
      authorization: `AWS4-HMAC-SHA256 Credential=sandbox/${scope}, SignedHeaders=host, Signature=none`,
    },
    body: new URLSearchParams({ Version: '2010-08-01', ...form }),
    signal: AbortSignal.timeout(10_000),
  });
  if (!response.ok) throw new Error(`CloudWatch answered ${response.status}: ${await response.text()}`);
} catch (error) {
  const why =
    error.cause?.code === 'ECONNREFUSED'
      ? `no sandbox answers at ${aws} (headgate sandbox up)`
      : error.message;
  process.stderr.write(`${verb} ${name}: ${why}\n`);
  process.exitCode = 1;
}
