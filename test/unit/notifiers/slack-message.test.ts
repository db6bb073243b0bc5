import fc from 'fast-check';
import { expect, it } from 'vitest';
import { composeText, LONGEST_TEXT } from '../../../src/adapters/notifiers/slack/message.js';

it('is a title in bold and a list', () => {
  expect(composeText({ title: 'shop v1: promoted', lines: ['one', 'two'] })).toBe(
    '*shop v1: promoted*\n• one\n• two',
  );
  expect(composeText({ title: 'shop v1: promoted', lines: [] })).toBe('*shop v1: promoted*');
});

it('calls nobody, links nothing, and is one line each', () => {
  const text = composeText({ title: 'a <!channel> & more', lines: ['<https://x|y>\n• forged'] });
  expect(text).toBe('*a &lt;!channel&gt; &amp; more*\n• &lt;https://x|y&gt; • forged');
});

it('counts the lines that do not fit', () => {
  const lines = Array.from({ length: 100 }, (_unused, index) => `${index} ${'x'.repeat(100)}`);
  const text = composeText({ title: 'title', lines });
  const shown = text.split('\n').filter((line) => line.startsWith('•')).length;
  expect(shown).toBeGreaterThan(30);
  expect(text.endsWith(`\n… and ${100 - shown} more`)).toBe(true);
});

it('never is longer than Slack shows as one message, and never cuts a sign in two', () => {
  const signs = fc.string({ unit: fc.constantFrom('&', '<', 'x', '😀', '\n'), maxLength: 3_000 });
  fc.assert(
    fc.property(signs, fc.array(signs, { maxLength: 30 }), (title, lines) => {
      const text = composeText({ title, lines });
      expect(text.length).toBeLessThanOrEqual(LONGEST_TEXT);
      expect(text.isWellFormed()).toBe(true);
      expect(text.replaceAll(/&(amp|lt|gt);/g, '')).not.toMatch(/[&<>]/);
    }),
  );
});
