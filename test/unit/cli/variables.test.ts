/** `--var name=value`, as often as there are variables. */
import { expect, it } from 'vitest';
import { collectVariable } from '../../../src/cli/context.js';

it('is collected, also with an equals sign in the value, and as an own key whatever it is called', () => {
  const all = ['a=1', 'b=c=d', 'e=', '__proto__=x'].reduce<Record<string, string>>(
    (before, text) => collectVariable(text, before),
    {},
  );
  expect(Object.entries(all)).toEqual([
    ['a', '1'],
    ['b', 'c=d'],
    ['e', ''],
    ['__proto__', 'x'],
  ]);
  expect(Object.getPrototypeOf(all)).toBe(Object.prototype);
});

it.each(['a', '=1', '', 'no value'])('%j is none', (text) => {
  expect(() => collectVariable(text)).toThrow(expect.objectContaining({ exitCode: 2 }));
});

it('that stands twice: the last one counts', () => {
  expect(collectVariable('a=2', collectVariable('a=1'))).toEqual({ a: '2' });
});
