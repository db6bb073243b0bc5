/** The terraform configuration of every run, and a state in which it has been applied as before: made once. */
import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { resolveTool } from '../src/platform/tool-resolver.js';
import type { Ground } from './items/item.js';

export async function prepareTerraform(folder: string): Promise<Ground['terraform']> {
  const { path: program } = await resolveTool('terraform');
  const own = join(folder, 'terraform');
  const state = join(own, 'before.tfstate');
  await mkdir(own);
  await writeFile(join(own, 'main.tf'), configuration(['/bin/true']));
  const call = (...args: string[]) => promisify(execFile)(program, args, { cwd: own });
  await call('init', '-input=false', `-backend-config=path=${state}`);
  await call('apply', '-auto-approve', '-input=false', '-var=size=20');
  return { program, state, configuration };
}

/** @param call program that sets what it gets as its last argument */
function configuration(call: string[]): string {
  return `terraform {
  backend "local" {}
}
variable "size" { type = number }
resource "terraform_data" "setting" {
  triggers_replace = var.size
  provisioner "local-exec" {
    interpreter = ${JSON.stringify(call)}
    command     = var.size
  }
}
resource "terraform_data" "other" {
  input = "kept"
}
`;
}
