/** `config`: sets keys of a dotenv file, and puts its bytes back. */
import type { ConfigFound } from '../../contract/activities.js';
import { configBackup, droppingOthers, overSsh, putFileBackLine } from '../../contract/mend.js';
import type { ConfigStep } from '../../plan/resolved.js';
import { effect, undoingEffect } from '../activity-options.js';
import { recordMade } from '../fences.js';
import type { Run } from '../run.js';
import { gateFailed } from '../stop.js';
import type { StepVerbs } from './step-verbs.js';

export const config: StepVerbs<ConfigStep, ConfigFound> = {
  look: (run, step) => effect(`look at ${fileOf(step)}`).lookConfig(input(run, step)),

  async act(run, step, look) {
    const { changedKeys, sha256 } = await effect(`set ${keysOf(step)} in ${fileOf(step)}`).writeConfig({
      ...input(run, step),
      base: look.found,
    });
    recordMade(run, step, { kind: 'file', sha256 });
    if (changedKeys.length === 0) return `${look.found.file} already held what the plan sets`;
    return `${look.found.file}: ${changedKeys.join(', ')}`;
  },

  async verify(run, step, look) {
    const measurement = await effect(`read ${fileOf(step)} back`).verifyConfig({
      ...input(run, step),
      base: look.found,
    });
    run.record(step.name, [measurement]);
    if (measurement.outcome !== 'pass') throw gateFailed(step.name, measurement.message);
  },

  undo: {
    describe: (_step, { found }) => `${found.file}: back to its bytes of before (${short(found.sha256)})`,
    mend: (step, { found }, { runId }) => putBack(step, found, runId),
    state: (run, step, look) =>
      undoingEffect(`put ${fileOf(step)} back`).undoConfig({ ...input(run, step), base: look.found }),
    async measure(run, step, { found: base }) {
      const { found } = await effect(`look at ${fileOf(step)}`).lookConfig(input(run, step));
      return [
        {
          what: `file ${base.file}`,
          expected: `${short(base.sha256)}, mode ${base.mode}`,
          found: `${short(found.sha256)}, mode ${found.mode}`,
          ok: found.sha256 === base.sha256 && found.mode === base.mode,
        },
      ];
    },
  },

  async settle(run, step, look) {
    await effect(`drop old backups of ${fileOf(step)}`).settleConfig({
      ...input(run, step),
      base: look.found,
    });
  },
};

/** On its host. */
function putBack(
  { name, config: { place } }: ConfigStep,
  { file, mode }: ConfigFound,
  runId: string,
): string {
  const path = place.kind === 'ssh' ? file.slice(place.host.length + 1) : file;
  const line = droppingOthers(putFileBackLine(configBackup(path, runId, name), path, mode));
  return place.kind === 'ssh' ? overSsh(place, line) : line;
}

function input(run: Run, step: ConfigStep) {
  return { context: run.contextOf(step.stage), step };
}

/** As the plan writes it: references are for the worker. */
function fileOf({ config: { place } }: ConfigStep): string {
  return place.kind === 'ssh' ? `${place.host}:${place.file}` : place.file;
}

function keysOf(step: ConfigStep): string {
  return Object.keys(step.config.set).join(', ');
}

function short(sha256: string): string {
  return sha256.slice(0, 12);
}
