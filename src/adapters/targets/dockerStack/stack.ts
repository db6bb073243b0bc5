/** The services of a stack as they are meant to be, and how far they are. */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Scale } from '../../../contract/activities.js';
import { toCanonicalJson } from '../../../plan/canonical.js';
import { invalid } from '../../../platform/failures.js';
import type { CallDocker } from './docker.js';

export const IMAGE_LABEL = 'com.docker.stack.image';

const specSchema = z.looseObject({
  Name: z.string(),
  Labels: z.record(z.string(), z.string()).nullish(),
  Mode: z.looseObject({ Replicated: z.looseObject({}).nullish() }).nullish(),
  TaskTemplate: z.looseObject({ ContainerSpec: z.looseObject({ Image: z.string() }) }),
  UpdateConfig: z.looseObject({ Parallelism: z.number().optional(), Order: z.string().optional() }).nullish(),
});
type Spec = z.infer<typeof specSchema>;

const inspectedSchema = z.array(
  z.object({
    ID: z.string(),
    Spec: specSchema,
    PreviousSpec: specSchema.nullish(),
    UpdateStatus: z.object({ State: z.string().optional(), Message: z.string().optional() }).nullish(),
  }),
);
const listedSchema = z.object({
  ID: z.string().min(1),
  Name: z.string(),
  /** `3/3`, `3/3 (max 1 per node)`, `0/1 (1/1 completed)`. What is no such figure must not pass for "none is wanted". */
  Replicas: z.string().regex(/^\d{1,9}\/\d{1,9}( |$)/),
});

export interface Service {
  name: string;
  /** With its digest, where swarm has one. */
  image: string;
  /** As the stack file had it. */
  imageLabel: string;
  /** Of the whole specification; starting it again changes nothing of it. */
  digest: string;
  /** Of the same without how many of it run. */
  unscaledDigest: string;
  /** Of what `docker service rollback` would bring back. */
  previousDigest?: string;
  running: number;
  wanted: number;
  /** `updating`, `paused`, `completed`, `rollback_started`, …: of the last change; undefined before it has begun. */
  update?: { state: string; message: string };
  scale: Scale;
}

export interface Stack {
  name: string;
  /** What identifies the release: the same again when it is restored. */
  id: string;
  /** The same, however many of each service run. */
  unscaled: string;
  services: Service[];
  /** The one that is the application. */
  main: Service;
}

const DIGEST_LENGTH = 16;
const JSON_LINES = '{{json .}}';

/** @throws ApplicationFailure `Invalid` when the stack, or the service that is the application, is not there */
export async function readStack(
  docker: CallDocker,
  stack: string,
  service: string | undefined,
): Promise<Stack> {
  requireName(stack);
  const { stdout, ok } = await docker(['stack', 'services', '--format', JSON_LINES, stack], {
    answers: /nothing found in stack/i,
  });
  const listed = ok ? parseLines('docker stack services', stdout, listedSchema) : [];
  if (listed.length === 0) {
    throw invalid(
      `The swarm has no stack "${stack}", so there is nothing that an undo could bring back. Deploy it once (docker stack deploy), or correct "stack".`,
    );
  }
  const { stdout: inspected } = await docker(['service', 'inspect', ...listed.map(({ ID }) => ID)]);
  const services = parseReply('docker service inspect', inspected, inspectedSchema)
    .map((one) => describe(one, listed.find(({ ID }) => one.ID.startsWith(ID))?.Replicas ?? ''))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  if (services.length !== listed.length) {
    throw new Error(`docker service inspect tells of ${services.length} services of ${listed.length}.`);
  }
  const idBy = (digestBy: (service: Service) => string) =>
    `${stack}@${digestOf(Object.fromEntries(services.map((one) => [one.name, digestBy(one)])))}`;
  return {
    name: stack,
    id: idBy(({ digest }) => digest),
    unscaled: idBy(({ unscaledDigest }) => unscaledDigest),
    services,
    main: findMain(services, stack, service),
  };
}

/** What could be taken for an option of docker. */
function requireName(stack: string): void {
  if (!/^[A-Za-z0-9][\w.-]*$/.test(stack))
    throw invalid(`"${stack}" can be no name of a stack. Correct "stack".`);
}

function findMain(services: Service[], stack: string, service: string | undefined): Service {
  const [only, ...others] = services;
  const found =
    service === undefined
      ? others.length === 0 && only
      : services.find(({ name }) => name === `${stack}_${service}` || name === service);
  if (found) return found;
  const names = services.map(({ name }) => name.replace(`${stack}_`, '')).join(', ');
  throw invalid(
    service === undefined
      ? `Stack ${stack} has several services: ${names}. Say by "service" which of them is the application.`
      : `Stack ${stack} has no service "${service}"; it has: ${names}. Correct "service".`,
  );
}

function describe(
  { Spec: spec, PreviousSpec: previous, UpdateStatus: update }: z.infer<typeof inspectedSchema>[number],
  replicas: string,
): Service {
  const [, running = '0', wanted = '0'] = /^(\d+)\/(\d+)/.exec(replicas) ?? [];
  const image = spec.TaskTemplate.ContainerSpec.Image;
  return {
    name: spec.Name,
    image,
    imageLabel: spec.Labels?.[IMAGE_LABEL] ?? image,
    digest: digestOf(withoutStarts(spec)),
    unscaledDigest: digestOf(withoutStarts(withoutScale(spec))),
    ...(previous ? { previousDigest: digestOf(withoutStarts(previous)) } : {}),
    running: Number(running),
    wanted: Number(wanted),
    ...(update?.State ? { update: { state: update.State, message: update.Message ?? '' } } : {}),
    scale: scaleOf(spec, Number(wanted)),
  };
}

/** Old ones beside new ones only where the new are started first. */
function scaleOf({ UpdateConfig: update }: Spec, replicas: number): Scale {
  if (update?.Order !== 'start-first') return { replicas, surge: 0 };
  const parallelism = update.Parallelism ?? 1;
  return { replicas, surge: parallelism === 0 ? replicas : Math.min(parallelism, replicas) };
}

function withoutScale(spec: Spec): Spec {
  if (!spec.Mode?.Replicated) return spec;
  const { Replicas: _replicas, ...replicated } = spec.Mode.Replicated;
  return { ...spec, Mode: { ...spec.Mode, Replicated: replicated } };
}

/** `service update --force` counts here; absent and null mean the same to swarm. */
function withoutStarts(spec: Spec): unknown {
  const { ForceUpdate: _starts, ...template } = spec.TaskTemplate;
  return withoutNull({ ...spec, TaskTemplate: template });
}

function withoutNull(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNull);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).filter(([, entry]) => entry !== null);
  return Object.fromEntries(entries.map(([key, entry]) => [key, withoutNull(entry)]));
}

function digestOf(value: unknown): string {
  return createHash('sha256').update(toCanonicalJson(value)).digest('hex').slice(0, DIGEST_LENGTH);
}

/** One object a line. @throws as `parseReply` */
export function parseLines<T>(verb: string, stdout: string, schema: z.ZodType<T>): T[] {
  const lines = stdout.split('\n').filter((line) => line.trim() !== '');
  return lines.map((line) => parseReply(verb, line, schema));
}

/** @throws Error that may be repeated when it is cut off, ApplicationFailure `Invalid` when it is something else */
export function parseReply<T>(verb: string, stdout: string, schema: z.ZodType<T>): T {
  let reply: unknown;
  try {
    reply = JSON.parse(stdout);
  } catch {
    throw new Error(`${verb} printed something that is cut off or is not JSON.`);
  }
  const { success, data, error } = schema.safeParse(reply);
  if (success) return data;
  const places = error.issues.slice(0, 3).map(({ path }) => path.join('.') || 'all of it');
  throw invalid(
    `${verb} printed something else than expected (${places.join(', ')}). Is it Docker 20.10 or newer?`,
  );
}

/** The tag of its image; without one the start of its digest. */
export function versionOf({ image }: Pick<Service, 'image'>): string {
  const [named = '', digest] = image.split('@');
  const tag = named.slice(named.lastIndexOf('/') + 1).split(':')[1];
  return tag ?? digest?.slice(0, 19) ?? 'latest';
}
