/** "Did you mean". Pure. */

/** The known word that `word` was probably meant to be. */
export function suggest(word: string, known: readonly string[]): string | undefined {
  if (word.length > 100) return undefined;
  const most = Math.max(1, Math.floor(word.length / 3));
  const near = known
    .map((candidate) => ({ candidate, distance: measureDistance(fold(word), fold(candidate)) }))
    .filter(({ candidate, distance }) => distance <= most && candidate !== word)
    .sort((a, b) => a.distance - b.distance);
  return near[0]?.candidate;
}

/** A whole sentence: the suggestion, else what there is to choose from. */
export function adviseName(word: string, known: readonly string[], otherwise: string): string {
  const meant = suggest(word, known);
  return meant === undefined ? otherwise : `Did you mean "${meant}"?`;
}

/** `a, b or c`, at most twelve of them. */
export function listWords(words: readonly string[], conjunction = 'or'): string {
  const shown = words.length > 12 ? [...words.slice(0, 12), '…'] : [...words];
  const last = shown.pop();
  if (last === undefined) return 'none';
  return shown.length === 0 ? last : `${shown.join(', ')} ${conjunction} ${last}`;
}

function fold(word: string): string {
  return word.toLowerCase().replaceAll(/[\s_-]/g, '');
}

/** Levenshtein's distance; two neighbours in the wrong order count once. */
export function measureDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      const swapped =
        a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? (beforeLast[j - 2] ?? Infinity) + 1 : Infinity;
      row.push(Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + same, swapped));
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
