/** `infra` with a real terraform, whose provisioner is held. */
import { execFile } from 'node:child_process';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import { heldAt, type Subject, type World } from './crash-kind.js';
import { type Place, program } from './crash-place.js';

interface InfraSeen {
  /** Attributes by address, as the state has them. */
  resources: Record<string, unknown>;
  /** Of the provisioner: what it has set, in order. */
  set: string[];
  /** Times that it was killed after it had set it. */
  killedAfter: number;
  /** Locks of the state that are left. */
  locks: string[];
}

export const infra: Subject<World<InfraSeen>> = {
  name: 'infra',
  acts: ['applyInfra'],

  async open(place) {
    const { folder } = place;
    const state = join(folder, 'state', 'terraform.tfstate');
    await mkdir(join(folder, 'plan', 'infra'), { recursive: true });
    await writeFile(join(folder, 'plan', 'infra', 'main.tf'), configurationOf(place));
    await applyBefore(folder, state);
    return {
      steps: [
        {
          infra: {
            terraform: 'infra',
            backendConfig: { path: state },
            vars: { size: 50 },
            allow: ['terraform_data.setting'],
            undo: { vars: { size: 20 } },
          },
        },
      ],
      read: () => readState(place, state),
      expectPromoted(before, after) {
        expectSet(after, '50', before.set);
        expect(after).toMatchObject({ resources: withSize(before, 50), locks: [] });
      },
      expectRestored(before, after) {
        expectSet(after, '20', [...before.set, '50']);
        expect(after).toMatchObject({ resources: before.resources, locks: [] });
      },
    };
  },

  during: [heldAt('its provisioner has begun', 'before setting 50'), heldAt('it is set', 'after setting 50')],
  undo: [
    heldAt('its provisioner has begun', 'before setting 20'),
    heldAt('it is set back', 'after setting 20'),
  ],
};

/**
 * Once; only when terraform is killed after the provisioner has done its work, nobody can know, and it is done again.
 */
function expectSet({ set, killedAfter }: InfraSeen, value: string, before: string[]): void {
  expect(set).toEqual([...before, ...Array(1 + killedAfter).fill(value)]);
}

function withSize({ resources }: InfraSeen, size: number): Record<string, unknown> {
  return { ...resources, 'terraform_data.setting': { size } };
}

function configurationOf({ folder }: Place): string {
  return `terraform {
  backend "local" {}
}
variable "size" { type = number }
resource "terraform_data" "setting" {
  triggers_replace = var.size
  provisioner "local-exec" {
    interpreter = ${JSON.stringify(program('crash-program.mjs', folder, 'setting'))}
    command     = var.size
  }
}
resource "terraform_data" "other" {
  input = "kept"
}
`;
}

/** As somebody has left it: in a folder of its own, so that the plan's has never seen a terraform. */
async function applyBefore(folder: string, state: string): Promise<void> {
  const own = join(folder, 'before');
  await cp(join(folder, 'plan', 'infra'), own, { recursive: true });
  const terraform = process.env.HEADGATE_TOOL_TERRAFORM || 'terraform';
  const call = (...args: string[]) => promisify(execFile)(terraform, args, { cwd: own });
  await call('init', '-input=false', `-backend-config=path=${state}`);
  await call('apply', '-auto-approve', '-input=false', '-var=size=20');
}

interface State {
  resources: {
    type: string;
    name: string;
    instances: { status?: string; attributes: { triggers_replace?: { value: unknown }; input?: unknown } }[];
  }[];
}

async function readState(place: Place, file: string): Promise<InfraSeen> {
  const state: State = JSON.parse(await readFile(file, 'utf8'));
  const events = await place.events();
  const resources = state.resources.map(({ type, name, instances }) => {
    const [instance] = instances;
    const { triggers_replace: triggers, input } = instance?.attributes ?? {};
    const status = instance?.status ?? (instances.length === 1 ? undefined : `${instances.length} of it`);
    const seen = { ...(triggers ? { size: triggers.value } : { input }), ...(status ? { status } : {}) };
    return [`${type}.${name}`, seen] as const;
  });
  return {
    resources: Object.fromEntries(resources),
    set: events.flatMap((event) => /^did setting (\d+)$/.exec(event)?.[1] ?? []),
    killedAfter: events.filter((event) => event.startsWith('held after setting')).length,
    locks: (await readdir(join(file, '..'))).filter((name) => name.includes('.lock')),
  };
}
