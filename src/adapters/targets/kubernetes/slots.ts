/**
 * The second slot is a Deployment like the first, told apart by the value of one label that is in the selector of
 * the Deployment and of the Service. So neither Deployment, no autoscaler and no Service ever takes the pods of the
 * one for those of the other. Pure.
 */
import { invalid } from '../../../platform/failures.js';
import type { Deployment, PodTemplate, Service } from '../../../tools/kubernetes/kinds.js';
import { nameOf, templateOf } from '../../../tools/kubernetes/releases.js';
import { selectorOfService, showLabels } from './place.js';

/** What tells the slots apart. */
export interface SlotLabel {
  key: string;
  /** In the first slot; the second one has `<first>-green`. */
  first: string;
  second: string;
}

type Labels = { [key: string]: string };

/** Labels that network policies and dashboards select by come last. */
const PREFERRED = [
  'slot',
  'track',
  'color',
  'app.kubernetes.io/instance',
  'app.kubernetes.io/name',
  'app',
  'k8s-app',
];
const LONGEST_LABEL = 63;

/** @throws ApplicationFailure `Invalid` when there is no label that both select by */
export function slotLabelOf(service: Service, first: Deployment, second: Deployment | undefined): SlotLabel {
  const own = first.spec?.selector.matchLabels ?? {};
  if (second) return existingLabel(first, own, second);
  const shared = Object.keys(selectorOfService(service)).filter((key) => own[key] !== undefined);
  const key = PREFERRED.find((each) => shared.includes(each)) ?? shared.sort()[0];
  const value = key === undefined ? undefined : own[key];
  if (key === undefined || value === undefined) {
    throw invalid(
      `Service ${nameOf(service)} selects ${showLabels(selectorOfService(service))}, and Deployment ${nameOf(first)} ${showLabels(own)}: no label is in both, so the Service could not tell two Deployments apart. Add one of the Deployment's to the Service's selector: kubectl -n ${service.metadata?.namespace} edit service ${nameOf(service)}`,
    );
  }
  const expressions = first.spec?.selector.matchExpressions ?? [];
  if (expressions.some((each) => each.key === key)) {
    throw invalid(
      `Deployment ${nameOf(first)} selects by ${key} in matchExpressions as well, so that its second slot could not have another value. Leave it in matchLabels only.`,
    );
  }
  const twin = `${value}-green`;
  if (twin.length > LONGEST_LABEL) {
    throw invalid(
      `The second slot of Deployment ${nameOf(first)} would have the label ${key}=${twin}, which is longer than ${LONGEST_LABEL} characters. Make the value shorter, or add a label "slot" to both selectors.`,
    );
  }
  return { key, first: value, second: twin };
}

function existingLabel(first: Deployment, own: Labels, second: Deployment): SlotLabel {
  const other = second.spec?.selector.matchLabels ?? {};
  const keys = [...new Set([...Object.keys(own), ...Object.keys(other)])].filter(
    (key) => own[key] !== other[key],
  );
  const [key = ''] = keys;
  const [mine, theirs] = [own[key], other[key]];
  if (keys.length === 1 && mine !== undefined && theirs !== undefined)
    return { key, first: mine, second: theirs };
  throw invalid(
    `Deployment ${nameOf(second)} is no second slot of ${nameOf(first)}: one selects ${showLabels(own)}, the other ${showLabels(other)}; expected the same labels with one other value. Rename it, or delete it if nobody needs it: kubectl -n ${second.metadata?.namespace} delete deployment ${nameOf(second)}`,
  );
}

/** The labels that the Service has to select to lead to `value`. */
export function selectorFor(service: Service, { key }: SlotLabel, value: string): Labels {
  return { ...selectorOfService(service), [key]: value };
}

/** The template as it is in the slot of `value`, with what in it means its own pods. */
export function templateForSlot(template: PodTemplate, label: SlotLabel, value: string): PodTemplate {
  const { spec, metadata } = template;
  return {
    ...template,
    metadata: { ...metadata, labels: { ...metadata?.labels, [label.key]: value } },
    ...(spec
      ? {
          spec: {
            ...spec,
            ...(spec.affinity ? { affinity: moveSelectors(spec.affinity, label, value) } : {}),
            ...(spec.topologySpreadConstraints
              ? { topologySpreadConstraints: moveSelectors(spec.topologySpreadConstraints, label, value) }
              : {}),
          },
        }
      : {}),
  };
}

/** Rules that keep the pods of a slot apart go on to mean the pods of their slot. */
function moveSelectors<T>(rules: T, { key, first, second }: SlotLabel, value: string): T {
  return JSON.parse(JSON.stringify(rules), (name, each: unknown) => {
    if (name !== 'matchLabels' || typeof each !== 'object' || each === null) return each;
    const labels = each as Labels;
    return [first, second].includes(labels[key] ?? '') ? { ...labels, [key]: value } : labels;
  }) as T;
}

/** The second slot, made after the first one. */
export function secondSlot(
  live: Deployment,
  label: SlotLabel,
  { name, template, replicas }: { name: string; template: PodTemplate; replicas: number },
): Deployment {
  const { spec, metadata } = live;
  const { matchLabels } = spec?.selector ?? {};
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: {
      name,
      namespace: metadata?.namespace,
      labels: {
        ...metadata?.labels,
        ...(metadata?.labels?.[label.key] ? { [label.key]: label.second } : {}),
      },
    },
    spec: {
      ...spec,
      paused: undefined,
      replicas,
      template,
      selector: { ...spec?.selector, matchLabels: { ...matchLabels, [label.key]: label.second } },
    },
  };
}

export function slotValueOf(deployment: Deployment, { key }: SlotLabel): string {
  return templateOf(deployment).metadata?.labels?.[key] ?? '';
}
