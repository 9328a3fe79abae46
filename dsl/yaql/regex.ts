import { parseRegex, type RegexFlags } from './regex-parser.ts';
import { createMatcher, type Finder } from './regex-matcher.ts';
import { toNative, type NativeRegex } from './regex-native.ts';
import { parseTemplate } from './regex-template.ts';
import { widthOf, type RegexTree } from './regex-tree.ts';
import { PyList, YaqlValue, type Kind } from './values.ts';

export type { RegexFlags } from './regex-parser.ts';

/** Texts for which the worst case of JavaScript's engine stays below this many steps are given to it. */
const NATIVE_BUDGET = 30_000_000;

/** One group of a match; positions count code points. A group that took no part has null and -1. */
export interface RegexGroup {
  readonly value: string | null;
  readonly start: number;
  readonly end: number;
}

export interface RegexMatch {
  /** The whole match, then the groups in order. */
  readonly groups: readonly [RegexGroup, ...RegexGroup[]];
}

/**
 * A compiled Python regular expression (spec/expressions.md §14.2). Expressions that could make JavaScript's engine run away are
 * matched by an interpreter with a step limit instead, so a hostile pattern is an error and never blocks.
 */
export class Regex extends YaqlValue {
  readonly yaqlKind: Kind = 'regex';
  readonly pattern: string;
  readonly flags: RegexFlags;
  readonly #tree: RegexTree;
  readonly #native: NativeRegex | null;
  readonly #canBeEmpty: boolean;
  #matcher: ((text: Uint32Array) => Finder) | undefined;

  /** @throws YaqlError of class `error`. */
  constructor(pattern: string, flags: RegexFlags = {}) {
    super();
    this.pattern = pattern;
    this.flags = flags;
    this.#tree = parseRegex(pattern, flags);
    this.#native = toNative(this.#tree);
    this.#canBeEmpty = widthOf(this.#tree.node, new Map())[0] === 0;
  }

  /** `(?a)` stands at the start. */
  get isAscii(): boolean {
    return this.#tree.ascii;
  }

  get groupNames(): ReadonlyMap<string, number> {
    return this.#tree.names;
  }

  /** A match anywhere in the text. */
  test(text: string): boolean {
    const native = this.#nativeFor(text);
    if (!native) return this.#finder(text)(0, false) !== null;
    native.lastIndex = 0;
    return native.test(text);
  }

  /** The first match. */
  search(text: string): RegexMatch | null {
    const native = this.#nativeFor(text);
    const slots = native ? nativeFinder(native, text)(0) : this.#finder(text)(0, false);
    return slots && matchOf(slots, slicer(text));
  }

  /** All matches from left to right; an empty one is found between characters and right after a non-empty match. */
  *matches(text: string): Generator<RegexMatch> {
    // JavaScript's engine cannot be asked for a match that is not empty, which is what must follow an empty one.
    const native = this.#canBeEmpty ? null : this.#nativeFor(text);
    const find = native ? nativeFinder(native, text) : this.#finder(text);
    const slice = slicer(text);
    for (let slots = find(0, false); slots; ) {
      yield matchOf(slots, slice);
      slots = find(slots[1] as number, slots[0] === slots[1]);
    }
  }

  /** Python's `split`: the pieces with the captured groups between them; `most` 0 is no limit. */
  split(text: string, most = 0): PyList {
    const pieces = new PyList<unknown>();
    const slice = slicer(text);
    let last = 0;
    let count = 0;
    for (const match of most < 0 ? [] : this.matches(text)) {
      if (most > 0 && count >= most) break;
      const [whole, ...groups] = match.groups;
      pieces.push(slice(last, whole.start), ...groups.map((group) => group.value));
      last = whole.end;
      count += 1;
    }
    pieces.push(slice(last));
    return pieces;
  }

  /** Python's `sub`; `most` 0 is no limit. */
  replace(text: string, replacement: (match: RegexMatch) => string, most = 0): string {
    const slice = slicer(text);
    let result = '';
    let last = 0;
    let count = 0;
    for (const match of most < 0 ? [] : this.matches(text)) {
      if (most > 0 && count >= most) break;
      const whole = match.groups[0];
      result += slice(last, whole.start) + replacement(match);
      last = whole.end;
      count += 1;
    }
    return result + slice(last);
  }

  /** Reads replacement text: `\1`, `\g<name>`, `\n` … @throws YaqlError of class `error`. */
  template(replacement: string): (match: RegexMatch) => string {
    return parseTemplate(replacement, this.#tree);
  }

  #nativeFor(text: string): RegExp | null {
    return this.#native && this.#native.worstCase(text.length) <= NATIVE_BUDGET ? this.#native.regex : null;
  }

  #finder(text: string): Finder {
    this.#matcher ??= createMatcher(this.#tree);
    return this.#matcher(Uint32Array.from(text, (char) => char.codePointAt(0) ?? 0));
  }
}

/** Code-point slices of a text. */
type Slicer = (from: number, to?: number) => string;

function slicer(text: string): Slicer {
  if (!hasSurrogates(text)) return (from, to) => text.slice(from, to);
  const characters = Array.from(text);
  return (from, to) => characters.slice(from, to).join('');
}

function matchOf(slots: ArrayLike<number>, slice: Slicer): RegexMatch {
  const group = (i: number): RegexGroup => {
    const [start, end] = [slots[i * 2] as number, slots[i * 2 + 1] as number];
    return end < 0 ? { value: null, start: -1, end: -1 } : { value: slice(start, end), start, end };
  };
  const groups: [RegexGroup, ...RegexGroup[]] = [group(0)];
  for (let i = 1; i * 2 < slots.length; i += 1) groups.push(group(i));
  return { groups };
}

function nativeFinder(regex: RegExp, text: string): (from: number) => number[] | null {
  const wide = hasSurrogates(text);
  const units = wide ? offsets(text) : null;
  return (from) => {
    regex.lastIndex = units ? units.unitOf(from) : from;
    const match = regex.exec(text);
    if (!match?.indices) return null;
    const slots: number[] = [];
    for (const pair of match.indices as readonly (readonly [number, number] | undefined)[]) {
      const [start, end] = pair ?? [-1, -1];
      slots.push(units ? units.pointOf(start) : start, units ? units.pointOf(end) : end);
    }
    return slots;
  };
}

/** Translates between offsets in UTF-16 units and in code points. */
function offsets(text: string): { unitOf(point: number): number; pointOf(unit: number): number } {
  const unitOfPoint: number[] = [];
  const pointOfUnit: number[] = [];
  let unit = 0;
  for (const char of text) {
    for (let i = 0; i < char.length; i += 1) pointOfUnit.push(unitOfPoint.length);
    unitOfPoint.push(unit);
    unit += char.length;
  }
  pointOfUnit.push(unitOfPoint.length);
  return {
    unitOf: (point) => unitOfPoint[point] ?? unit,
    pointOf: (at) => (at < 0 ? -1 : (pointOfUnit[at] ?? unitOfPoint.length)),
  };
}

function hasSurrogates(text: string): boolean {
  return /[\ud800-\udfff]/.test(text);
}
