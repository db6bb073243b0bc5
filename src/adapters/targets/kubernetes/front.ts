/** The Service in front of the slots: where it leads to, and what really stands behind it. */
import { drift, invalid } from '../../../platform/failures.js';
import { isUnprocessable } from '../../../tools/kubernetes/errors.js';
import type { Autoscaler, Deployment, Service } from '../../../tools/kubernetes/kinds.js';
import { nameOf, selectorOf } from '../../../tools/kubernetes/releases.js';
import { waitForFact } from '../../../tools/kubernetes/waiting.js';
import { type Place, selectorOfService, showLabels } from './place.js';

type Labels = { [key: string]: string };

/** The lab takes 0.3 s, a large cluster some; then somebody has to look. */
const ENDPOINTS_MS = 60_000;
const SERVICE_LABEL = 'kubernetes.io/service-name';

export interface Endpoints {
  /** Ready ones that are pods of the slot. */
  own: number;
  /** Ready ones that are not. */
  foreign: number;
}

/** Pods by their uids: a pod may come back under its name. */
export async function readEndpoints(
  { cluster, call }: Place,
  service: string,
  slot: Deployment,
): Promise<Endpoints> {
  const { namespace } = call.config;
  const [slices, pods] = await Promise.all([
    cluster.list('endpointslices', namespace, { labelSelector: `${SERVICE_LABEL}=${service}` }),
    cluster.list('pods', namespace, { labelSelector: selectorOf(slot) }),
  ]);
  const uids = new Set(pods.items.map(({ metadata }) => metadata?.uid));
  const ready = slices.items
    .flatMap(({ endpoints }) => endpoints ?? [])
    .flatMap(({ conditions, targetRef }) => (conditions?.ready === false ? [] : [targetRef?.uid]));
  // A Service of two address families has a slice for each, with the same pods in both.
  const each = [...new Set(ready)];
  const own = each.filter((uid) => uids.has(uid)).length;
  return { own, foreign: each.length - own };
}

/** @throws ApplicationFailure `Invalid` when it does not come true within a minute */
export async function untilEndpoints(
  place: Place,
  service: string,
  slot: Deployment,
  isRight: (endpoints: Endpoints) => boolean,
  expected: string,
): Promise<void> {
  const { cluster, call } = place;
  const { namespace } = call.config;
  const startedAt = performance.now();
  const labelSelector = `${SERVICE_LABEL}=${service}`;
  await waitForFact(
    { cluster, namespace, signal: call.signal },
    [{ kind: 'endpointslices', labelSelector }],
    async () => {
      const endpoints = await readEndpoints(place, service, slot);
      if (isRight(endpoints)) return true;
      const found = `${endpoints.own} ready endpoints of ${nameOf(slot)} and ${endpoints.foreign} others`;
      if (performance.now() - startedAt > ENDPOINTS_MS) {
        throw invalid(
          `Service ${service} has ${found}, expected ${expected}. What it leads to shows: kubectl -n ${namespace} get endpointslices -l ${labelSelector}`,
        );
      }
      call.tell(`Service ${service}: ${found}; waiting for ${expected}`);
      return undefined;
    },
  );
}

/** Nothing between the looking and the switching: the patch holds only where the selector is what was read. */
export async function switchService(
  { cluster, call }: Place,
  service: Service,
  selector: Labels,
): Promise<void> {
  const before = selectorOfService(service);
  try {
    await cluster.patch('services', call.config.namespace, nameOf(service), [
      { op: 'test', path: '/spec/selector', value: before },
      { op: 'replace', path: '/spec/selector', value: selector },
    ]);
  } catch (error) {
    if (!isUnprocessable(error)) throw error;
    const now = selectorOfService(await cluster.read('services', call.config.namespace, nameOf(service)));
    if (showLabels(now) === showLabels(before)) throw error;
    throw drift(
      `${call.step}: Service ${nameOf(service)} selects ${showLabels(now)}, expected ${showLabels(before)}, which was looked at. Somebody else changed it meanwhile; nothing was switched.`,
      { item: `Service ${nameOf(service)}`, found: showLabels(now), expected: showLabels(before) },
    );
  }
}

export function previewNameOf({
  previewService,
  service,
}: {
  previewService?: string;
  service: string;
}): string {
  return previewService ?? `${service}-preview`;
}

const MANAGED_BY = 'app.kubernetes.io/managed-by';

/** Makes the preview Service, or has it lead to `selector`. */
export async function leadPreview(
  { cluster, call }: Place,
  service: Service,
  selector: Labels,
): Promise<void> {
  const { namespace, previewService } = call.config;
  const name = previewNameOf(call.config);
  const present = await cluster.find('services', namespace, name);
  if (!present) {
    await cluster.create('services', namespace, previewAfter(service, name, selector));
    return;
  }
  if (previewService === undefined && present.metadata?.labels?.[MANAGED_BY] !== 'headgate') {
    throw invalid(
      `There is a Service ${name} already that Headgate has not made. If it may be led to the candidate, name it in the plan: previewService: ${name}; else name another one.`,
    );
  }
  if (showLabels(selectorOfService(present)) === showLabels(selector)) return;
  await cluster.patch('services', namespace, name, [{ op: 'add', path: '/spec/selector', value: selector }]);
}

function previewAfter({ spec }: Service, name: string, selector: Labels): Service {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, labels: { [MANAGED_BY]: 'headgate' } },
    spec: {
      selector,
      ports: spec?.ports?.map((port) => ({ ...port, nodePort: undefined })),
    },
  };
}

/** Where the candidate is reached. */
export function previewUrlOf({ call }: Place, service: Service): string {
  const { previewUrl, namespace } = call.config;
  const port = service.spec?.ports?.[0]?.port ?? 80;
  return (
    previewUrl ?? `http://${previewNameOf(call.config)}.${namespace}.svc${port === 80 ? '' : `:${port}`}`
  );
}

/** Those that scale one of the slots. */
export async function autoscalersOf({ cluster, call }: Place, slots: string[]): Promise<Autoscaler[]> {
  const { items } = await cluster.list('horizontalpodautoscalers', call.config.namespace);
  return items.filter(({ spec }) => {
    const { kind, name = '' } = spec?.scaleTargetRef ?? {};
    return kind === 'Deployment' && slots.includes(name);
  });
}

/** What scales goes with the traffic: measured at a release without any, it would shrink it. */
export async function leadAutoscalers(
  { cluster, call }: Place,
  all: Autoscaler[],
  live: string,
): Promise<void> {
  const strayed = all.filter(({ spec }) => spec?.scaleTargetRef.name !== live);
  for (const autoscaler of strayed) {
    await cluster.patch('horizontalpodautoscalers', call.config.namespace, nameOf(autoscaler), [
      { op: 'replace', path: '/spec/scaleTargetRef/name', value: live },
    ]);
  }
}
