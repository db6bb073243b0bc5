/** A notice, for tests of how it is put into words. */
import type { Notification } from '../../src/adapters/notifiers/notifier.js';
import { subjectOf } from './subject.js';

export function noticeOf(more: Partial<Notification> = {}): Notification {
  return {
    context: subjectOf('/').context,
    id: '7',
    moment: 'waiting',
    title: 'staging/check: nobody can tell',
    lines: ['one', 'two'],
    commands: ['headgate retry booking/run-1 staging/check'],
    ...more,
  };
}
