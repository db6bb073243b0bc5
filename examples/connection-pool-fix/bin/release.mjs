// The deploy command of the story: hands one verb to the sandbox, which runs the releases. In real life this is
// your own script; it gets HEADGATE_ROLLOUT_ID, HEADGATE_STAGE, HEADGATE_VERSION and HEADGATE_RELEASE.
const [verb] = process.argv.slice(2);
const { HEADGATE_ROLLOUT_ID, HEADGATE_STAGE, HEADGATE_VERSION, HEADGATE_RELEASE, HEADGATE_PORT_BASE } =
  process.env;
const control = `http://127.0.0.1:${Number(HEADGATE_PORT_BASE || 7300) + 9}`;

try {
  const response = await fetch(`${control}/stages/${HEADGATE_STAGE}/${verb}`, {
    method: 'POST',
    body: JSON.stringify({
      rolloutId: HEADGATE_ROLLOUT_ID,
      version: HEADGATE_VERSION,
      release: HEADGATE_RELEASE,
    }),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  process.stdout.write('log' in answer ? answer.log : `${JSON.stringify(answer)}\n`);
} catch (error) {
  const why =
    error.cause?.code === 'ECONNREFUSED'
      ? `no sandbox answers at ${control} (headgate sandbox up)`
      : error.message;
  process.stderr.write(`${verb} on ${HEADGATE_STAGE}: ${why}\n`);
  process.exitCode = 1;
}
