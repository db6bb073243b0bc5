import fc from 'fast-check';
import { expect, it } from 'vitest';
import { composeText, LONGEST_TEXT } from '../../../src/adapters/notifiers/slack/message.js';
import { noticeOf } from '../../support/notice.js';

const compose = (more: Parameters<typeof noticeOf>[0]) => composeText(noticeOf({ commands: [], ...more }));

it('is a title in bold and a list', () => {
  expect(compose({ title: 'shop v1: promoted', lines: ['one', 'two'] })).toBe(
    '*shop v1: promoted*\n• one\n• two',
  );
  expect(compose({ title: 'shop v1: promoted', lines: [] })).toBe('*shop v1: promoted*');
});

it('ends with what to type and where to look', () => {
  const commands = ['headgate approve shop/r1 gate --digest 1a', 'headgate reject shop/r1 gate --digest 1a'];
  expect(compose({ title: 'x', lines: ['one'], commands, link: 'http://ui/a&b' })).toBe(
    '*x*\n• one\n`headgate approve shop/r1 gate --digest 1a`\n`headgate reject shop/r1 gate --digest 1a`\n<http://ui/a&amp;b|in the Temporal UI>',
  );
});

it('calls nobody, links nothing, and is one line each', () => {
  const text = compose({ title: 'a <!channel> & more', lines: ['<https://x|y>\n• forged'] });
  expect(text).toBe('*a &lt;!channel&gt; &amp; more*\n• &lt;https://x|y&gt; • forged');
});

it('counts the lines that do not fit, and never leaves out a command', () => {
  const lines = Array.from({ length: 100 }, (_unused, index) => `${index} ${'x'.repeat(100)}`);
  const text = compose({ title: 'title', lines, commands: ['headgate watch shop/r1'] });
  const shown = text.split('\n').filter((line) => line.startsWith('•')).length;
  expect(shown).toBeGreaterThan(30);
  expect(text.endsWith(`\n… and ${100 - shown} more\n\`headgate watch shop/r1\``)).toBe(true);
});

it('never is longer than Slack shows as one message, and never cuts a sign in two', () => {
  const signs = fc.string({ unit: fc.constantFrom('&', '<', 'x', '😀', '\n'), maxLength: 3_000 });
  fc.assert(
    fc.property(signs, fc.array(signs, { maxLength: 30 }), (title, lines) => {
      const text = compose({ title, lines, commands: ['headgate watch shop/r1'], link: 'http://ui/run' });
      expect(text.length).toBeLessThanOrEqual(LONGEST_TEXT);
      expect(text.isWellFormed()).toBe(true);
      const [, ...rest] = text.split('\n').reverse();
      expect(rest.join('\n').replaceAll(/&(amp|lt|gt);/g, '')).not.toMatch(/[&<>]/);
    }),
  );
});
