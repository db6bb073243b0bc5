/** The notify activity in a test: what it is told, and its attempts. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { expect } from 'vitest';
import { createNotifyActivities } from '../../src/activities/notify.js';
import { createNotifiers, type Notifiers } from '../../src/adapters/notifiers/registry.js';
import type { NotifyInput, NotifyResult } from '../../src/contract/activities.js';
import type { Json, NotifierSpec, NotifyMoment } from '../../src/plan/resolved.js';
import { Redactor } from '../../src/platform/redaction.js';
import { References } from '../../src/platform/references.js';
import { subjectOf } from './subject.js';

export const NOW = '2026-01-16T12:00:00Z';
/** A secret that somebody else has told the worker. */
export const CANARY = 'canary-of-a-line';

/** One attempt. */
export interface Attempt {
  attempt?: number;
  /** Of the attempt before. */
  heartbeat?: unknown;
  /** Of the notice. */
  id?: string;
  env?: NodeJS.ProcessEnv;
}

export interface Teller {
  tell: (what: NotifyInput, attempt?: Attempt) => Promise<NotifyResult>;
  /** An attempt that fails, and what is left of it: its error and its last heartbeat. */
  failToTell: (what: NotifyInput, attempt?: Attempt) => Promise<{ error: unknown; heartbeat: unknown }>;
}

export interface TellerOptions {
  /** What references may name, with their values. */
  env: () => NodeJS.ProcessEnv;
  /** In place of the product's own. */
  notifiers?: () => Notifiers;
  temporalUi?: string;
}

export function createTeller({ env, notifiers, temporalUi }: TellerOptions): Teller {
  const activitiesOf = (more: NodeJS.ProcessEnv = {}) => {
    const redactor = new Redactor();
    redactor.add(CANARY);
    const values = { ...env(), ...more };
    const references = new References({
      allowed: Object.keys(values),
      env: values,
      readSecret: async () => '',
      redactor,
    });
    const own = createNotifiers({ now: () => Date.parse(NOW) });
    return createNotifyActivities({
      notifiers: new Map([...own, ...(notifiers?.() ?? [])]),
      references,
      redactor,
      temporalUi,
    });
  };
  const environmentOf = ({ attempt = 1, heartbeat, id = '7' }: Attempt) =>
    new MockActivityEnvironment({
      attempt,
      heartbeatDetails: heartbeat,
      activityId: id,
      scheduledTimestampMs: Date.parse(NOW),
      workflowNamespace: 'shop-prod.a1b2c',
      workflowExecution: { workflowId: 'rollout/booking', runId: 'run-1' },
    });
  return {
    tell: (what, attempt = {}) => environmentOf(attempt).run(() => activitiesOf(attempt.env).notify(what)),
    async failToTell(what, attempt = {}) {
      const beats: unknown[] = [];
      const environment = environmentOf(attempt);
      environment.on('heartbeat', (beat) => beats.push(beat));
      const error = await environment
        .run(() => activitiesOf(attempt.env).notify(what))
        .then(
          () => expect.unreachable('it was told'),
          (reason: unknown) => reason,
        );
      return { error, heartbeat: beats.at(-1) };
    },
  };
}

export function notifierOf(
  kind: string,
  config: { [key: string]: Json },
  when: NotifyMoment[] = ['outcome'],
): NotifierSpec {
  return { kind, config, when };
}

export function inputOf(notifiers: NotifierSpec[], more: Partial<NotifyInput> = {}): NotifyInput {
  return {
    context: subjectOf('/').context,
    moment: 'outcome',
    notifiers,
    title: 'booking v1.0.1: promoted',
    lines: ['a line'],
    ...more,
  };
}
