/** A setting that terraform's provisioner makes, with its state in a file. */
import { execFile } from 'node:child_process';
import { copyFile, cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Thing } from '../control.js';
import { type Ground, type Item, lostOf, type Meddling, programOf, type Seen, standingOf } from './item.js';

const VALUES = { before: '20', target: '50', theirs: '33' } as const;
const STATE = 'terraform.tfstate';

export async function openInfra(ground: Ground, stage: string): Promise<Item> {
  const { control, folder, planFolder, terraform } = ground;
  const name = `${stage}/setting`;
  let real: string = VALUES.before;
  const thing: Thing = {
    reading: () => false,
    fact: ({ value }) => `set ${value}`,
    async carryOut({ value }) {
      real = value;
      return { code: 0, out: '' };
    },
  };
  control.things.set(name, thing);
  const state = join(folder, 'state', STATE);
  await mkdir(join(folder, 'state'));
  await copyFile(terraform.state, state);
  const text = terraform.configuration([...programOf(ground, name), 'set']);
  await mkdir(join(planFolder, 'infra'));
  await writeFile(join(planFolder, 'infra', 'main.tf'), text);
  const own = join(folder, 'theirs-infra');
  await cp(join(planFolder, 'infra'), own, { recursive: true });
  let meddling: Meddling | undefined;
  const apply = async (size: string) => {
    const call = (...args: string[]) => promisify(execFile)(terraform.program, args, { cwd: own });
    await call('init', '-input=false', `-backend-config=path=${state}`);
    await call('apply', '-auto-approve', '-input=false', '-lock-timeout=60s', `-var=size=${size}`);
  };
  return {
    step: `${stage}/infra`,
    config: {
      infra: {
        terraform: 'infra',
        backendConfig: { path: state },
        vars: { size: 50 },
        allow: ['terraform_data.setting'],
        undo: { vars: { size: 20 } },
        abortGrace: '20s',
      },
    },

    async look(): Promise<Seen> {
      const recorded = await readSizes(state);
      const locks = (await readdir(join(folder, 'state'))).filter((file) => file.includes('.lock'));
      const agrees = recorded === real;
      const standing = agrees && locks.length === 0 ? standingOf(real, VALUES) : 'broken';
      return {
        standing,
        isAsBefore: standing === 'before',
        lost: lostOf(meddling, standing),
        what: `setting ${real}, in the state ${recorded}${locks.length > 0 ? `, locks ${locks.join(', ')}` : ''}`,
      };
    },

    async meddle() {
      const afterOurs = real === VALUES.target;
      await apply(VALUES.theirs);
      meddling = { same: true, afterOurs };
    },

    async mend() {
      // What came before our look is what the rollout found.
      const wanted = meddling && !meddling.afterOurs ? VALUES.theirs : VALUES.before;
      if (wanted === VALUES.before) meddling = undefined;
      await apply(wanted);
    },
  };
}

interface State {
  resources: {
    type: string;
    name: string;
    instances: { status?: string; attributes: { triggers_replace?: { value: unknown }; input?: unknown } }[];
  }[];
}

/** The size as the state has it; anything else there as a text that no size is. */
async function readSizes(file: string): Promise<string> {
  const state: State = JSON.parse(await readFile(file, 'utf8'));
  const seen = state.resources.map(({ name, instances }) => {
    const [instance] = instances;
    const { triggers_replace: triggers, input } = instance?.attributes ?? {};
    if (instances.length !== 1 || instance?.status) return `${name}: ${instance?.status ?? instances.length}`;
    return String(triggers ? triggers.value : typeof input === 'object' ? JSON.stringify(input) : input);
  });
  const [size = 'nothing', ...rest] = seen.filter((each) => !each.includes('kept'));
  return seen.some((each) => each.includes('kept')) && rest.length === 0 ? size : seen.join(', ');
}
