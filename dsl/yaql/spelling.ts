/**
 * Guesses which name a misspelt one was meant to be. The work is bounded over all questions to one instance, so that a text
 * full of faults costs no more than a sound one; when the budget is spent there are no more guesses.
 */
export class Spelling {
  private budget = 5_000_000;

  /** The name among `names` that `word` is most likely a slip of; null when none is near. */
  nearest(word: string, names: Iterable<string>): string | null {
    let best: string | null = null;
    // One slip in a short word, up to three in a long one; a word of two letters is like any other one.
    let bestDistance = Math.min(3, Math.floor(word.length / 3)) + 1;
    const folded = fold(word);
    for (const name of names) {
      this.budget -= name.length;
      if (this.budget <= 0) return best;
      if (name === word || Math.abs(name.length - word.length) >= bestDistance + 2) continue;
      const distance = fold(name) === folded ? 0 : this.distance(word, name, bestDistance);
      if (distance < bestDistance) {
        best = name;
        bestDistance = distance;
      }
    }
    return best;
  }

  /** `did you mean 'x'?`, or null when no name is near. */
  didYouMean(word: string, names: Iterable<string>): string | null {
    const name = this.nearest(word, names);
    return name === null ? null : `did you mean '${name}'?`;
  }

  /** As {@link didYouMean}; when no name is near, the names that there are, or the first of them. */
  didYouMeanOneOf(word: string, names: readonly string[], what: string): string {
    const shown = names.slice(0, SHOWN_NAMES).map((name) => `'${name}'`);
    const more = names.length > shown.length ? ', …' : '';
    return this.didYouMean(word, names) ?? `${what} ${shown.join(', ')}${more}`;
  }

  /**
   * Insertions, deletions, changes and swaps of neighbours. Only the cells near the diagonal are looked at: those farther off
   * stand for `limit` slips or more.
   */
  private distance(a: string, b: string, limit: number): number {
    if (Math.abs(a.length - b.length) >= limit) return limit;
    let before: number[] = [];
    let last = Array.from({ length: b.length + 1 }, (_, j) => j);
    for (let i = 1; i <= a.length; i++) {
      const row: number[] = [];
      const from = Math.max(0, i - limit);
      const to = Math.min(b.length, i + limit);
      let smallest = limit;
      for (let j = from; j <= to; j++) {
        row[j] = j === 0 ? i : cheapest(a, b, i, j, row, last, before, limit);
        smallest = Math.min(smallest, row[j] ?? limit);
      }
      this.budget -= to - from + 1;
      if (smallest >= limit) return limit;
      before = last;
      last = row;
    }
    return last[b.length] ?? limit;
  }
}

function cheapest(
  a: string,
  b: string,
  i: number,
  j: number,
  row: readonly number[],
  last: readonly number[],
  before: readonly number[],
  limit: number,
): number {
  const change = (last[j - 1] ?? limit) + (a[i - 1] === b[j - 1] ? 0 : 1);
  const cost = Math.min(change, (last[j] ?? limit) + 1, (row[j - 1] ?? limit) + 1);
  const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
  return isSwap ? Math.min(cost, (before[j - 2] ?? limit) + 1) : cost;
}

function fold(name: string): string {
  return name.toLowerCase().replaceAll(/[-_\s]/g, '');
}

const SHOWN_NAMES = 8;
