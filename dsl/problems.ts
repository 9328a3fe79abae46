import type { Problem } from './errors.ts';
import { Spelling } from './yaql/spelling.ts';

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

/**
 * A spot where what was read is not what the author meant, which has been said: `key`: the key only, `itself`: which keys there
 * are, `below`: all of it. Checks may go on around it.
 */
export interface Damage {
  readonly path: Path;
  readonly extent: 'key' | 'itself' | 'below';
}

/** Collects what is wrong while checks run; positions are worked out at the end, and only if there is something to place. */
export class Problems {
  /** Finds names near to misspelt ones, as long as its budget lasts. */
  readonly spelling = new Spelling();
  /** The languages that expressions may be in (spec/dsl.md D-13.6); undefined: all. */
  readonly languages: readonly ('yaql' | 'jinja')[] | undefined;
  private readonly strict: boolean;
  private readonly found: { readonly place: Place; readonly problem: Omit<Problem, 'line' | 'column' | 'path'> }[] = [];
  private errors = 0;
  private damages: readonly Damage[] = [];
  private readonly damagedPlaces = new Set<string>();

  /** `strict`: what has no effect is an error as well (spec/dsl.md §17-K). */
  constructor(options: { readonly strict?: boolean; readonly allowedLanguages?: readonly ('yaql' | 'jinja')[] } = {}) {
    this.strict = options.strict ?? false;
    this.languages = options.allowedLanguages;
  }

  /** From here on nothing more is said about these places: it would be about what somebody else made of them. */
  damaged(damages: readonly Damage[]): void {
    this.damages = damages;
    for (const { path, extent } of damages) this.damagedPlaces.add(damageKey(path, extent));
  }

  get hasDamage(): boolean {
    return this.damages.length > 0;
  }

  /** Whether a damage below `path` satisfies `test` by the rest of its way, or all of `path` is damaged. Of many it is not asked. */
  hasDamageBelow(path: Path, test: (rest: Path, extent: Damage['extent']) => boolean): boolean {
    if (this.damages.length > MAX_DAMAGES) return true;
    return this.damages.some((damage) =>
      startsWith(damage.path, path)
        ? test(damage.path.slice(path.length), damage.extent)
        : damage.extent === 'below' && startsWith(path, damage.path),
    );
  }

  error(place: Place, message: string, hint: string | null = null): void {
    if (this.isDamaged(place)) return;
    this.errors++;
    this.found.push({ place, problem: { severity: 'error', message, hint } });
  }

  warning(place: Place, message: string, hint: string | null = null): void {
    if (this.isDamaged(place)) return;
    this.found.push({ place, problem: { severity: 'warning', message, hint } });
  }

  /** A call of what the host did not list. */
  unknown(type: 'action' | 'workflow', name: string, place: Place, hint: string | null): void {
    if (this.isDamaged(place)) return;
    const problem = { severity: 'warning', message: `Unknown ${type} '${name}'`, hint } as const;
    this.found.push({ place, problem: type === 'action' ? { ...problem, unknownAction: name } : problem });
  }

  /** Something that the reference loses without a word. */
  lost(place: Place, message: string, hint: string | null = null): void {
    if (this.strict) this.error(place, message, hint);
    else this.warning(place, message, hint);
  }

  /** How much has been found so far; for {@link hasErrorSince}. */
  get count(): number {
    return this.found.length;
  }

  get errorCount(): number {
    return this.errors;
  }

  /** Whether an error was found after the first `count` findings whose place satisfies `test`. */
  hasErrorSince(count: number, test: (path: Path) => boolean): boolean {
    return this.found.slice(count).some(({ place, problem }) => problem.severity === 'error' && test(place.path));
  }

  private isDamaged({ path, at }: Place): boolean {
    if (this.damages.length === 0) return false;
    if (this.damagedPlaces.has(damageKey(path, 'itself'))) return true;
    if (at === 'key' && this.damagedPlaces.has(damageKey(path, 'key'))) return true;
    for (let length = 0; length <= path.length; length++) {
      if (this.damagedPlaces.has(damageKey(path.slice(0, length), 'below'))) return true;
    }
    return false;
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

function startsWith(path: Path, start: Path): boolean {
  return path.length >= start.length && start.every((segment, i) => path[i] === segment);
}

function damageKey(path: Path, extent: Damage['extent']): string {
  return JSON.stringify([extent, ...path]);
}

const MAX_DAMAGES = 1000;
const PLAIN_SEGMENT = /^[\p{L}\p{N}_-]+$/u;
