/** What goes where: results to stdout, the rest to stderr, and a drawing over the one before. */
import { describe, expect, it } from 'vitest';
import { Output, type OutputOptions } from '../../../src/cli/output.js';

function open(change: Partial<OutputOptions> = {}) {
  const out: string[] = [];
  const err: string[] = [];
  const output = new Output({
    json: false,
    terminal: true,
    color: true,
    columns: 80,
    rows: 24,
    stdout: (text) => void out.push(text),
    stderr: (text) => void err.push(text),
    ...change,
  });
  return { output, out, err };
}

describe('output', () => {
  it('prints results for people, and with --json nothing but objects', () => {
    const text = open();
    text.output.print('a result');
    text.output.note('a note');
    text.output.line({ type: 'step' });
    expect([text.out, text.err]).toEqual([['a result\n'], ['a note\n']]);
    const json = open({ json: true });
    json.output.print('a result');
    json.output.note('a note');
    json.output.line({ type: 'step', step: 'deploy', status: 'running' });
    expect(json.out.map((line) => JSON.parse(line))).toEqual([
      { v: 1, type: 'step', step: 'deploy', status: 'running', at: expect.any(String), data: {} },
    ]);
    expect(json.err).toEqual(['a note\n']);
    expect([json.output.terminal, json.output.color]).toEqual([false, false]);
  });

  it.each([
    ['a line break and a tab', 'a\n\tb', 'a\n\tb'],
    ['our own colours', 'a \u001b[31mred\u001b[39m b', 'a \u001b[31mred\u001b[39m b'],
    ['a title of the window', '\u001b]0;evil\u0007', '\\u001b]0;evil\\u0007'],
    ['a cleared screen', '\u001b[2J\u001b[1;1H', '\\u001b[2J\\u001b[1;1H'],
    ['a line that is written over', 'failed\rpromoted', 'failed\\u000dpromoted'],
    ['writing turned round', '\u202edetomorp', '\\u202edetomorp'],
    ['half a sign', '\ud83d', '\\ud83d'],
  ])('shows %s, and nothing of it acts', (_what, text, shown) => {
    const { output, out, err } = open();
    output.print(text);
    output.note(text);
    expect([out, err]).toEqual([[`${shown}\n`], [`${shown}\n`]]);
    output.draw([text]);
    expect(out[1]).toBe(`${shown}\n`);
    const plain = open({ color: false });
    plain.output.print('\u001b[31mred');
    expect(plain.out).toEqual(['\\u001b[31mred\n']);
  });

  it('the outcome is the last line, whoever says it', () => {
    const { output, out } = open({ json: true });
    output.line({ type: 'outcome', status: 'promoted' });
    output.conclude(0);
    output.line({ type: 'step' });
    expect(out.map((line) => JSON.parse(line).status)).toEqual(['promoted']);
  });

  it('draws over what it drew, and no more than the terminal is high', () => {
    const { output, out } = open({ rows: 3 });
    output.draw(['1', '2', '3', '4']);
    output.draw(['1', '2']);
    output.keepDrawn();
    output.draw(['new']);
    expect(out).toEqual(['3\n4\n', '\u001b[2A\u001b[0J1\n2\n', 'new\n']);
  });
});
