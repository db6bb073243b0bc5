/** Going on from page to page. */

/**
 * The mark to go on from; undefined after the last page.
 * @param seen those of this list so far; the mark is added
 * @throws Error when it was there before: whoever followed it would never end
 */
export function nextPage(mark: string | undefined, seen: Set<string>): string | undefined {
  if (mark === undefined || mark === '') return undefined;
  if (seen.has(mark)) throw new Error('AWS gives the same page of a list again and again.');
  seen.add(mark);
  return mark;
}
