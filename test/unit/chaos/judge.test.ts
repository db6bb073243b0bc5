/** The judge of the chaos runs: each thing that has to hold is missed when it does not. */
import proto from '@temporalio/proto';
import { describe, expect, it } from 'vitest';
import type { Struck } from '../../../chaos/inject.js';
import type { Seen } from '../../../chaos/items/item.js';
import { type Case, judge } from '../../../chaos/judge.js';
import { judgeHistory } from '../../../chaos/judge-history.js';
import type { LeftOpen } from '../../../chaos/operator.js';
import type { Fault, FaultName, Schedule } from '../../../chaos/schedule.js';
import type { Compensation, Progress, Waiting } from '../../../src/contract/progress.js';

const seen = (standing: Seen['standing'], isAsBefore = standing === 'before', lost?: string): Seen => ({
  standing,
  isAsBefore,
  ...(lost ? { lost } : {}),
  what: `it is ${standing}`,
});

const struckBy = (name: FaultName): Struck => {
  const fault: Fault = { name, stage: 'production', at: { afterMs: 0 }, times: 1, forMs: 0, same: true };
  return { fault, afterMs: 0 };
};

const schedule: Schedule = {
  seed: 1,
  stages: [{ name: 'production', steps: [{ kind: 'secret' }, { kind: 'config', onRollback: 'keep' }] }],
  ending: 'passes',
  faults: [],
  whenStuck: 'mend',
  whenAsked: 'go on',
  awayMs: 0,
};

function caseOf(
  outcome: Progress['outcome'],
  change: Partial<Case> = {},
  more: Partial<Progress> = {},
): Case {
  const progress = { outcome, approvals: [], compensations: [], ...more } as unknown as Progress;
  const things = outcome === 'promoted' ? seen('target') : seen('before');
  return {
    schedule,
    struck: [],
    temporalStatus: outcome === 'rollbackIncomplete' ? 'FAILED' : 'COMPLETED',
    progress,
    seen: new Map([['production/secret', things]]),
    leftOpen: [],
    kept: new Set(),
    ...change,
  };
}

const withSecret = (secret: Seen) => ({ seen: new Map([['production/secret', secret]]) });

describe('the judge', () => {
  it('lets pass what is promoted, restored or refused', () => {
    for (const outcome of ['promoted', 'rolledBack', 'refused'] as const) {
      expect(judge(caseOf(outcome)), outcome).toEqual([]);
    }
  });

  it.each([
    ['promoted', seen('before')],
    ['promoted', seen('broken')],
    ['promoted', seen('theirs')],
    ['rolledBack', seen('target', false)],
    ['rolledBack', seen('broken')],
    ['rolledBack', seen('before', false)],
    ['refused', seen('target', false)],
  ] as const)('misses nothing: %s, and something is %o', (outcome, secret) => {
    expect(judge(caseOf(outcome, withSecret(secret)))).toHaveLength(1);
  });

  it('a change of a colleague may stand, and must not be lost', () => {
    const struck = [struckBy('secret changed by a colleague')];
    expect(judge(caseOf('rolledBack', { struck, ...withSecret(seen('theirs')) }))).toEqual([]);
    expect(judge(caseOf('promoted', { struck, ...withSecret(seen('theirs')) }))).toEqual([]);
    expect(judge(caseOf('rolledBack', { struck, ...withSecret(seen('target', false)) }))).toHaveLength(1);
    const lost = seen('before', true, 'their key is gone');
    expect(judge(caseOf('rolledBack', { struck, ...withSecret(lost) }))).toEqual([
      'production/secret: their key is gone. it is before',
    ]);
    const failed = [{ ...struckBy('secret changed by a colleague'), failed: 'no connection' }];
    expect(judge(caseOf('rolledBack', { struck: failed, ...withSecret(seen('theirs')) }))).toHaveLength(1);
  });

  it('what the plan or a person keeps may stay', () => {
    const config = { seen: new Map([['production/config', seen('target', false)]]) };
    expect(judge(caseOf('rolledBack', config))).toEqual([]);
    const answered = { ...withSecret(seen('target', false)), kept: new Set(['production/secret']) };
    expect(judge(caseOf('rolledBack', answered))).toEqual([]);
  });

  it('the workflow has to close as its outcome says', () => {
    expect(judge(caseOf('promoted', { temporalStatus: 'FAILED' }))).toHaveLength(1);
    expect(judge(caseOf('rolledBack', { temporalStatus: 'TERMINATED' }))).toHaveLength(1);
    const stop = { kind: 'cancel', message: '', at: '' } as const;
    expect(judge(caseOf('rolledBack', { temporalStatus: 'CANCELLED' }, { stop }))).toEqual([]);
    expect(judge(caseOf('rolledBack', {}, { stop }))).toHaveLength(1);
    expect(judge(caseOf('promoted', { temporalStatus: 'RUNNING' }))).toEqual([
      'still open: it waits for nothing it names',
    ]);
    expect(judge(caseOf('promoted', { progress: undefined }))).toHaveLength(1);
  });

  describe('of what is left open', () => {
    const waiting = { message: 'not restored', answers: ['retry', 'accept'] } as unknown as Waiting;
    const text = '{"step":"production/secret","command":"aws …"}';
    const left = (change: Partial<LeftOpen> = {}): LeftOpen => ({
      waiting,
      named: [{ step: 'production/secret', expected: 'version 1', text }],
      seen: new Map([['production/secret', seen('theirs')]]),
      ...change,
    });
    const struck = [struckBy('secret changed by a colleague')];
    const judged = (change: Partial<LeftOpen>, more: Partial<Case> = {}) =>
      judge(caseOf('rolledBack', { struck, leftOpen: [left(change)], ...more }));

    it('each thing is named that differs, with a command, and nothing else is', () => {
      expect(judged({})).toEqual([]);
      const asBefore = { seen: new Map([['production/secret', seen('before')]]) };
      expect(judged(asBefore)).toEqual([]);
      expect(judged(asBefore, { struck: [struckBy('file cannot be written')] })).toHaveLength(1);
      expect(judged({ named: [] })).toEqual([]);
      expect(judged({ named: [], seen: new Map([['production/secret', seen('broken')]]) })).toHaveLength(1);
      expect(judged({ named: [{ step: 'production/secret', expected: '', text: '{}' }] })).toHaveLength(1);
      expect(judged({ named: [{ step: 'production/other', expected: '', text }] })).toHaveLength(1);
      expect(judged({ waiting: { ...waiting, answers: ['retry'] } })).toHaveLength(1);
    });

    it('somebody has to have had a hand in it', () => {
      expect(judged({}, { struck: [struckBy('worker killed')] })).not.toEqual([]);
    });

    it('accepted, only what was named may differ', () => {
      const compensations = [{ step: 'production/secret', status: 'failed' }] as Compensation[];
      const accepted = (secret: Seen, more: Partial<Progress>) =>
        judge(caseOf('rollbackIncomplete', { struck: [], ...withSecret(secret) }, more));
      expect(accepted(seen('target', false), { compensations, acceptedBy: 'ana' })).toEqual([]);
      expect(accepted(seen('target', false), { acceptedBy: 'ana' })).toHaveLength(1);
      expect(accepted(seen('target', false), { compensations })).toHaveLength(1);
    });
  });

  it('an answer that nobody may give was not taken', () => {
    const approvals = [{ by: 'mallory' }] as Progress['approvals'];
    expect(judge(caseOf('promoted', {}, { approvals }))).toEqual(['an answer of mallory was taken']);
  });
});

describe('the judge of histories', () => {
  const planted = { store: 'planted-value-1' };
  const history = (text: string, signalName?: string) => {
    const payloads = [{ data: Buffer.from(JSON.stringify(text)) }];
    return {
      events: [
        signalName
          ? { eventId: 4, workflowExecutionSignaledEventAttributes: { signalName, input: { payloads } } }
          : { eventId: 4, activityTaskCompletedEventAttributes: { result: { payloads } } },
      ],
    } as unknown as Parameters<typeof judgeHistory>[0]['history'];
  };
  const judged = (events: ReturnType<typeof history>, ownSignals: string[] = []) =>
    judgeHistory({ history: events, planted, ownSignals: new Set(ownSignals) });

  it('finds a planted value in every form in which a program writes it', () => {
    expect(judged(history('nothing'))).toEqual([]);
    for (const text of [
      planted.store,
      encodeURIComponent(planted.store),
      Buffer.from(planted.store).toString('base64'),
    ]) {
      expect(judged(history(`so ${text} it is`))).toEqual(["the store's secret value is in event 4"]);
    }
  });

  it('finds what is larger than 16 KB, unless the run itself has sent it', () => {
    expect(judged(history('x'.repeat(16_000)))).toEqual([]);
    expect(judged(history('x'.repeat(17_000)))).toHaveLength(1);
    expect(judged(history('x'.repeat(17_000), 'approve'))).toHaveLength(1);
    expect(judged(history('x'.repeat(17_000), 'approve'), ['approve'])).toEqual([]);
  });

  it('finds a workflow task that failed by the fault of the workflow', () => {
    const { WorkflowTaskFailedCause: cause } = proto.temporal.api.enums.v1;
    const failed = (why: keyof typeof cause) =>
      judged({
        events: [{ workflowTaskFailedEventAttributes: { cause: cause[why], failure: { message: 'no' } } }],
      } as unknown as ReturnType<typeof history>);
    expect(failed('WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND')).toEqual([]);
    for (const why of ['NON_DETERMINISTIC_ERROR', 'WORKFLOW_WORKER_UNHANDLED_FAILURE'] as const) {
      expect(failed(`WORKFLOW_TASK_FAILED_CAUSE_${why}`)).toEqual([`a workflow task failed: ${why}, no`]);
    }
  });
});
