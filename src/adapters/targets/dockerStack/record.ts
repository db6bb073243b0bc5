/**
 * What the services of a stack were before a rollout, kept in the swarm itself as a config: the undo may come from
 * another worker, days later. Digests and names of images only; what a service's environment holds is not copied.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { CallDocker } from './docker.js';
import { parseLines, parseReply, type Stack } from './stack.js';

const serviceSchema = z.object({ digest: z.string(), image: z.string(), imageLabel: z.string() });
const recordSchema = z.record(z.string(), serviceSchema);

const configsSchema = z.array(z.object({ Spec: z.object({ Data: z.string() }) }));

export type StackRecord = z.infer<typeof recordSchema>;
export type ServiceRecord = z.infer<typeof serviceSchema>;

const STACK_LABEL = 'headgate.stack';

/** At most 64 characters, whatever the stack is called. */
function nameOf(stack: string, id: string): string {
  return `headgate-${createHash('sha256').update(`${stack} ${id}`).digest('hex').slice(0, 32)}`;
}

/** Once; what earlier rollouts of this stack have left is removed. */
export async function writeRecord(docker: CallDocker, { name: stack, id, services }: Stack): Promise<void> {
  const entries = services.map(({ name, digest, image, imageLabel }) => [
    name,
    { digest, image, imageLabel },
  ]);
  const name = nameOf(stack, id);
  const labels = ['--label', `${STACK_LABEL}=${stack}`, '--label', `headgate.release=${id}`];
  await docker(['config', 'create', ...labels, name, '-'], {
    input: JSON.stringify(Object.fromEntries(entries)),
    answers: /already exists|conflicts with an existing object/i,
  });
  const filter = ['--filter', `label=${STACK_LABEL}=${stack}`];
  const { stdout } = await docker(['config', 'ls', ...filter, '--format', '{{json .}}']);
  const others = parseLines('docker config ls', stdout, z.object({ Name: z.string() })).filter(
    ({ Name }) => Name !== name,
  );
  for (const { Name } of others)
    await docker(['config', 'rm', Name], { answers: /not found|no such config/i });
}

/** Undefined when no rollout has begun from this release. */
export async function readRecord(
  docker: CallDocker,
  stack: string,
  id: string,
): Promise<StackRecord | undefined> {
  const { ok, stdout } = await docker(['config', 'inspect', nameOf(stack, id)], {
    answers: /not found|no such config/i,
  });
  if (!ok) return undefined;
  const [config] = parseReply('docker config inspect', stdout, configsSchema);
  const text = Buffer.from(config?.Spec.Data ?? '', 'base64').toString('utf8');
  return parseReply(`docker config inspect ${nameOf(stack, id)}`, text, recordSchema);
}
