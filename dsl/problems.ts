import type { Problem } from './errors.ts';

/** The way from the root of a document to a node: keys of mappings and indices of lists. */
export type Path = readonly (string | number)[];

/** A spot in a document: the node at `path`, or its key. */
export interface Place {
  readonly path: Path;
  readonly at?: 'key' | 'value';
  /** Within a text: how many UTF-16 units after its start, counted in the text's value. */
  readonly offset?: number;
  /** Offset in the document itself; goes before the node's own position. */
  readonly source?: number;
}

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Collects what is wrong while checks run; positions are worked out at the end, and only if there is something to place. */
export class Problems {
  private readonly found: { readonly place: Place; readonly problem: Omit<Problem, 'line' | 'column' | 'path'> }[] = [];
  private errors = 0;

  error(place: Place, message: string, hint: string | null = null): void {
    this.errors++;
    this.found.push({ place, problem: { severity: 'error', message, hint } });
  }

  warning(place: Place, message: string, hint: string | null = null): void {
    this.found.push({ place, problem: { severity: 'warning', message, hint } });
  }

  get errorCount(): number {
    return this.errors;
  }

  /** Whether an error was found at a node below `path` that satisfies `test`, which gets the rest of the way. */
  hasErrorBelow(path: Path, test: (rest: Path) => boolean = () => true): boolean {
    return this.found.some(
      ({ place, problem }) =>
        problem.severity === 'error' &&
        path.every((segment, i) => place.path[i] === segment) &&
        test(place.path.slice(path.length)),
    );
  }

  /** Everything that was found, in the order of the text; errors before warnings where both stand at one place. */
  sorted(locate: (place: Place) => Position): Problem[] {
    return this.found
      .map(({ place, problem }): Problem => ({ ...problem, ...locate(place), path: formatPath(place.path) }))
      .sort((a, b) => a.line - b.line || a.column - b.column || a.severity.localeCompare(b.severity));
  }
}

/** `wf.tasks.load.on-success[1]`; names that would blur the path stand in brackets: `wf.tasks["a.b"]`. */
export function formatPath(path: Path): string {
  let text = '';
  for (const segment of path) {
    if (typeof segment === 'number') text += `[${segment}]`;
    else if (!PLAIN_SEGMENT.test(segment)) text += `[${JSON.stringify(segment)}]`;
    else text += text === '' ? segment : `.${segment}`;
  }
  return text;
}

const PLAIN_SEGMENT = /^[\p{L}\p{N}_-]+$/u;

/** The name among `names` that `word` is most likely a slip of; null when none is near. */
export function nearest(word: string, names: Iterable<string>): string | null {
  let best: string | null = null;
  // One slip in a short word, up to three in a long one; a word of two letters is like any other one.
  let bestDistance = Math.min(3, Math.floor(word.length / 3)) + 1;
  const folded = fold(word);
  for (const name of names) {
    if (name === word || Math.abs(name.length - word.length) >= bestDistance) continue;
    const distance = fold(name) === folded ? 0 : editDistance(word, name, bestDistance);
    if (distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** `did you mean 'x'?`, or null when no name is near. */
export function didYouMean(word: string, names: Iterable<string>): string | null {
  const name = nearest(word, names);
  return name === null ? null : `did you mean '${name}'?`;
}

function fold(name: string): string {
  return name.toLowerCase().replaceAll(/[-_\s]/g, '');
}

/** Insertions, deletions, changes and swaps of neighbours; gives up with `limit` once no better result is possible. */
function editDistance(a: string, b: string, limit: number): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    let smallest = i;
    for (let j = 1; j <= b.length; j++) {
      const change = (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(change, (last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      row.push(cost);
      smallest = Math.min(smallest, cost);
    }
    if (smallest >= limit) return limit;
    before = last;
    last = row;
  }
  return last[b.length] ?? limit;
}
