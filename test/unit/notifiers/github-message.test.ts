import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  composeComment,
  composeIssue,
  composeTitle,
  LONGEST_BODY,
  LONGEST_TITLE,
} from '../../../src/adapters/notifiers/githubIssue/message.js';
import { noticeOf } from '../../support/notice.js';

it('an issue says what it is about, what to type and where to look', () => {
  const notice = noticeOf({ link: 'http://ui/run' });
  expect(composeTitle(notice)).toBe('booking v1.0.1: staging/check: nobody can tell');
  expect(composeIssue(notice)).toBe(
    [
      '<!-- headgate:booking/run-1 -->',
      '<!-- headgate:booking/run-1 notice 7 -->',
      '',
      '**waiting** of `booking/run-1`',
      '',
      '```text',
      'staging/check: nobody can tell',
      'one',
      'two',
      '```',
      '',
      '```sh',
      'headgate retry booking/run-1 staging/check',
      '```',
      '',
      '[The run in the Temporal UI](<http://ui/run>)',
    ].join('\n'),
  );
});

it('a title that names its application and version names them once', () => {
  expect(composeTitle(noticeOf({ title: 'booking v1.0.1: rolledBack' }))).toBe('booking v1.0.1: rolledBack');
});

/** What is outside of every block of code, by the rules of CommonMark for fences. */
function proseOf(markdown: string): string[] {
  let fence: string | undefined;
  return markdown.split('\n').filter((line) => {
    const ticks = /^(`{3,})([^`]*)$/.exec(line);
    if (fence === undefined) {
      fence = ticks?.[1];
      return fence === undefined;
    }
    if (ticks?.[1] && ticks[1].length >= fence.length && ticks[2]?.trim() === '') fence = undefined;
    return false;
  });
}

it('what a log says mentions nobody, refers to no issue and is no HTML: it never leaves its block', () => {
  const nasty = fc.string({
    unit: fc.constantFrom(
      '```',
      '````',
      '\n',
      '@everyone',
      ' Fixes #1 ',
      '-->',
      '<img src=x>',
      '~~~',
      'x',
      '😀',
    ),
    maxLength: 300,
  });
  fc.assert(
    fc.property(nasty, fc.array(nasty, { maxLength: 70 }), (title, lines) => {
      const notice = noticeOf({ title, lines });
      const body = composeComment(notice);
      expect(proseOf(body)).toEqual(proseOf(composeComment(noticeOf({ title: 'quiet', lines: ['quiet'] }))));
      expect(body).toContain('headgate retry booking/run-1 staging/check');
      expect(body.isWellFormed()).toBe(true);
      expect(composeTitle(notice)).not.toContain('\n');
    }),
  );
});

it('the check of blocks finds a line that escapes', () => {
  expect(proseOf('```text\nquiet\n```\n@everyone\n```')).toEqual(['@everyone']);
});

it('fits into what GitHub takes, with every command', () => {
  const lines = Array.from({ length: 60 }, () => '😀'.repeat(2_000));
  const notice = noticeOf({ title: '😀'.repeat(2_000), lines, link: `http://ui/${'x'.repeat(2_000)}` });
  const body = composeIssue(notice);
  expect(body.length).toBeLessThanOrEqual(LONGEST_BODY);
  expect(body).toMatch(/… and \d+ more\n```/);
  expect(body).toContain('headgate retry');
  expect(composeTitle(notice).length).toBeLessThanOrEqual(LONGEST_TITLE);
});
