// @ts-check
/**
 * What the plan's programs are: `node program.mjs ADDRESS THING VERB [VALUE]` asks the world of the run to do it, prints
 * what it answers and exits as it says. Killed before it is answered, it has done nothing.
 */
const [address = '', thing = '', verb = '', value = ''] = process.argv.slice(2);
const { HEADGATE_VERSION: version = '', HEADGATE_RELEASE: release = '' } = process.env;
const reply = await fetch(`${address}/do`, {
  method: 'POST',
  body: JSON.stringify({ thing, verb, value, version, release }),
});
/** @type {{ code: number, out: string }} */
const { code, out } = await reply.json();
console.log(out);
process.exit(code);
