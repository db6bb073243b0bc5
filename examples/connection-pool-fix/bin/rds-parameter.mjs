// Sets a parameter of production's RDS parameter group in the sandbox: NAME VALUE. It waits for a reboot, as a static
// parameter does; the call is the one that terraform's aws provider sends.
const GROUP = 'whatsapp-saas-prod';
const [name, value, ...rest] = process.argv.slice(2);
const front = `http://127.0.0.1:${Number(process.env.HEADGATE_PORT_BASE || 7300) + 3}`;

try {
  if (!name || !value || rest.length > 0) throw new Error('expected two arguments: NAME VALUE');
  const response = await fetch(front, {
    method: 'POST',
    body: new URLSearchParams({
      Action: 'ModifyDBParameterGroup',
      Version: '2014-10-31',
      DBParameterGroupName: GROUP,
      'Parameters.Parameter.1.ParameterName': name,
      'Parameters.Parameter.1.ParameterValue': value,
      'Parameters.Parameter.1.ApplyMethod': 'pending-reboot',
    }),
    signal: AbortSignal.timeout(10_000),
  });
  const answer = await response.text();
  if (!response.ok) {
    const said = /<Message>(.*?)<\/Message>/s.exec(answer)?.[1] ?? answer;
    throw new Error(`RDS answered ${response.status}: ${said}`);
  }
  process.stdout.write(`${GROUP}: ${name} = ${value}, from the next reboot on\n`);
} catch (error) {
  const why =
    error.cause?.code === 'ECONNREFUSED'
      ? `no sandbox answers at ${front} (headgate sandbox up)`
      : error.message;
  process.stderr.write(`${GROUP}: ${name} was not set: ${why}\n`);
  process.exitCode = 1;
}
