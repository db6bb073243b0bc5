/** What somebody else wrote stands among our own words as a text: on one line, in Markdown as it was written. */
import { describe, expect, it } from 'vitest';
import { disarmProgress, toAnswerText, toLine, toMarkdown } from '../../../src/contract/plain-text.js';
import { progressAt, waitingForApproval } from '../../support/progress.js';

describe('a line', () => {
  it.each([
    ['ana', 'ana'],
    [' ana \n', 'ana'],
    ['a\r\n\tb\u2028c', 'a b c'],
    ['\u001b[2Ja\u001b]8;;http://x\u0007b', '[2Ja]8;;http://xb'],
    ['a\u202eb\u2066c\u200bd\ufeff', 'abcd'],
    ['half \ud83d of a sign', 'half  of a sign'],
    ['a whole 😀, ä and 漢', 'a whole 😀, ä and 漢'],
    ['\0\u0085\u009b', ''],
  ])('%j is %j', (text, line) => {
    expect(toLine(text)).toBe(line);
  });
});

describe('in Markdown', () => {
  it.each([
    ['[a](http://x)', '\\[a\\](http://x)'],
    ['![a](x) <b> <!-- x', '!\\[a\\](x) \\<b> \\<!-- x'],
    ['rate = 1, expected < 0.01', 'rate = 1, expected < 0.01'],
    ['\\[a](x)', '\\\\\\[a\\](x)'],
    ['`x` ```', '\\`x\\` \\`\\`\\`'],
    ['# a', '\\# a'],
    ['[x]: http://x', '\\[x\\]: http://x'],
    ['- [x] done\n\n### Done', '\\- \\[x\\] done ### Done'],
  ])('%j stands as %j', (text, markdown) => {
    expect(toMarkdown(text)).toBe(markdown);
  });

  it('of a progress prose is, and commands, names and figures are not', () => {
    const progress = waitingForApproval();
    const [step] = progress.steps;
    const disarmed = disarmProgress({
      ...progress,
      left: ['[a](b)'],
      overrides: { '[k](x)': '[v](x)' },
      steps: step ? [{ ...step, summary: '`x`' }] : [],
      compensations: [
        {
          step: 'a/b',
          kind: 'run',
          description: '[a](b)',
          status: 'failed',
          command: "run `it` '[x]'\n--now",
        },
      ],
    });
    expect(disarmed.left).toEqual(['\\[a\\](b)']);
    expect(disarmed.overrides).toEqual({ '[k](x)': '\\[v\\](x)' });
    expect(disarmed.steps[0]?.summary).toBe('\\`x\\`');
    expect(disarmed.compensations).toMatchObject([
      { description: '\\[a\\](b)', command: "run `it` '[x]' --now" },
    ]);
    expect(disarmProgress(progressAt())).toEqual(progressAt());
  });
});

it('an answer is a line of at most 500 characters, or nothing', () => {
  expect(toAnswerText('a'.repeat(3 * 1024 * 1024))).toBe(`${'a'.repeat(499)}…`);
  expect(toAnswerText('\u200b \n')).toBeUndefined();
});
