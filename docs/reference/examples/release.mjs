// A target whose releases are entries of a file: VERB FILE ADDRESS. Yours starts, switches and stops processes.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

const [verb, file, url] = process.argv.slice(2);
const { HEADGATE_VERSION: version, HEADGATE_RELEASE: wanted } = process.env;
const first = { live: { id: 'v2.2.0-1', version: 'v2.2.0', url }, candidate: null };
const state = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : first;

if (verb === 'prepare' && state.candidate?.version !== version && state.live.version !== version) {
  state.candidate = { id: `${version}-1`, version, url };
}
// What was live stays warm as the candidate. Repeated, it finds that nothing is left to do.
if ((verb === 'promote' || verb === 'restore') && state.candidate?.id === wanted) {
  [state.live, state.candidate] = [state.candidate, state.live];
}
if (verb === 'retire' && state.candidate?.id === wanted) state.candidate = null;
if (verb !== 'status') writeFileSync(file, JSON.stringify(state));
process.stdout.write(`${JSON.stringify(verb === 'prepare' ? (state.candidate ?? state.live) : state)}\n`);
