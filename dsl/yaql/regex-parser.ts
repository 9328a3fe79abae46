import { YaqlError } from './errors.ts';
import { widthOf, type Anchor, type RegexNode, type RegexTree, type SetItem } from './regex-tree.ts';
import { characterByName } from './unicode-names.ts';

export interface RegexFlags {
  readonly ignoreCase?: boolean;
  readonly multiLine?: boolean;
  readonly dotAll?: boolean;
}

/**
 * Parses Python regular expression syntax.
 *
 * @throws YaqlError of class `error` (Python's `re.error`) with the reason and its offset in code points.
 */
export function parseRegex(pattern: string, flags: RegexFlags = {}): RegexTree {
  const scope: Scope = {
    ignoreCase: flags.ignoreCase ?? false,
    multiLine: flags.multiLine ?? false,
    dotAll: flags.dotAll ?? false,
    verbose: false,
    ascii: false,
  };
  const characters = Array.from(pattern);
  const first = new Parser(characters, scope);
  const tree = first.parse();
  return first.global === scope ? tree : new Parser(characters, first.global).parse();
}

export function regexError(message: string, position?: number): YaqlError {
  return new YaqlError('error', position === undefined ? message : `${message} at position ${position}`);
}

interface Scope {
  readonly ignoreCase: boolean;
  readonly multiLine: boolean;
  readonly dotAll: boolean;
  readonly verbose: boolean;
  readonly ascii: boolean;
}

const MAX_DEPTH = 200;

class Parser {
  /** Flags of the whole expression, with those of a leading `(?i)`. When they change, the text is parsed again with them. */
  global: Scope;
  readonly #text: readonly string[];
  readonly #names = new Map<string, number>();
  readonly #open = new Set<number>();
  readonly #widths = new Map<number, readonly [number, number]>();
  /** Groups that conditions ask for, with the offset; they may follow. */
  readonly #conditions: [number, number][] = [];
  /** Groups that exist at the start of the innermost look-behind; those inside cannot be referred to. */
  #lookBehindGroups: number | null = null;
  #groups = 0;
  #at = 0;
  #depth = 0;
  /** Nothing but global flags has been read so far. */
  #pristine = true;

  constructor(text: readonly string[], scope: Scope) {
    this.#text = text;
    this.global = scope;
  }

  parse(): RegexTree {
    const node = this.#choice(this.global);
    if (this.#at < this.#text.length) throw regexError('unbalanced parenthesis', this.#at);
    for (const [index, at] of this.#conditions) {
      if (index > this.#groups) throw regexError(`invalid group reference ${index}`, at);
    }
    return { node, groups: this.#groups, names: this.#names, ascii: this.global.ascii };
  }

  #peek(): string | undefined {
    return this.#text[this.#at];
  }

  #take(): string | undefined {
    const char = this.#text[this.#at];
    if (char !== undefined) this.#at += 1;
    return char;
  }

  #accept(char: string): boolean {
    if (this.#text[this.#at] !== char) return false;
    this.#at += 1;
    return true;
  }

  #choice(scope: Scope): RegexNode {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw regexError('the expression is nested too deeply', this.#at);
    const options = [this.#sequence(scope)];
    while (this.#accept('|')) {
      this.#pristine = false;
      options.push(this.#sequence(scope));
    }
    this.#depth -= 1;
    return options.length === 1 ? (options[0] as RegexNode) : { type: 'choice', options };
  }

  #sequence(scope: Scope): RegexNode {
    const items: RegexNode[] = [];
    for (;;) {
      const start = this.#at;
      const char = this.#peek();
      if (char === undefined || char === '|' || char === ')') break;
      this.#at += 1;
      if (scope.verbose && this.#skipVerbose(char)) continue;
      if (this.#isQuantifier(char, start)) {
        this.#quantify(items, char, start);
        continue;
      }
      const item = this.#atom(char, start, scope);
      if (item === null) continue;
      this.#pristine = false;
      items.push(item);
    }
    if (items.length === 0) return { type: 'empty' };
    return items.length === 1 ? (items[0] as RegexNode) : { type: 'sequence', items };
  }

  #skipVerbose(char: string): boolean {
    if (' \t\n\r\v\f'.includes(char)) return true;
    if (char !== '#') return false;
    for (let next = this.#take(); next !== undefined && next !== '\n'; next = this.#take());
    return true;
  }

  /** A `{` that does not begin a well-formed count is an ordinary character. */
  #isQuantifier(char: string, start: number): boolean {
    if (char === '*' || char === '+' || char === '?') return true;
    return char === '{' && /^\{(\d+(,\d*)?|,\d*)\}/.test(this.#text.slice(start, start + 30).join(''));
  }

  #quantify(items: RegexNode[], char: string, start: number): void {
    const [min, max] = this.#bounds(char, start);
    const target = items.at(-1);
    if (!target || target.type === 'anchor') throw regexError('nothing to repeat', start);
    if (target.type === 'repeat' || (target.type === 'atomic' && target.possessive))
      throw regexError('multiple repeat', start);
    const lazy = this.#accept('?');
    const possessive = !lazy && this.#accept('+');
    const repeat: RegexNode = { type: 'repeat', min, max, mode: lazy ? 'lazy' : 'greedy', node: target };
    items[items.length - 1] = possessive ? { type: 'atomic', possessive, node: repeat } : repeat;
  }

  #bounds(char: string, start: number): [number, number] {
    if (char === '?') return [0, 1];
    if (char === '*') return [0, Number.POSITIVE_INFINITY];
    if (char === '+') return [1, Number.POSITIVE_INFINITY];
    let text = '';
    for (let next = this.#take(); next !== '}'; next = this.#take()) text += next;
    const [low = '', high] = text.split(',');
    const min = low === '' ? 0 : Number(low);
    const max = high === undefined ? min : high === '' ? Number.POSITIVE_INFINITY : Number(high);
    if (min > 4_294_967_294 || (Number.isFinite(max) && max > 4_294_967_294)) {
      throw new YaqlError('OverflowError', 'the repetition number is too large');
    }
    if (max < min) throw regexError('min repeat greater than max repeat', start);
    return [min, max];
  }

  #atom(char: string, start: number, scope: Scope): RegexNode | null {
    switch (char) {
      case '.':
        return scope.dotAll
          ? { type: 'set', negated: true, ignoreCase: false, items: [] }
          : { type: 'set', negated: true, ignoreCase: false, items: [{ from: 10, to: 10 }] };
      case '^':
        return { type: 'anchor', anchor: scope.multiLine ? 'line-start' : 'text-start', ascii: false };
      case '$':
        return { type: 'anchor', anchor: scope.multiLine ? 'line-end' : 'end', ascii: false };
      case '[':
        return this.#set(start, scope);
      case '(':
        return this.#group(start, scope);
      case '\\':
        return this.#escape(start, scope);
      default:
        return literal(char.codePointAt(0) ?? 0, scope);
    }
  }

  #set(start: number, scope: Scope): RegexNode {
    const negated = this.#accept('^');
    const items: SetItem[] = [];
    for (let first = true; ; first = false) {
      const at = this.#at;
      const char = this.#take();
      if (char === undefined) throw regexError('unterminated character set', start);
      if (char === ']' && !first) break;
      const low = char === '\\' ? this.#setEscape(at, scope) : charRange(char);
      if (this.#peek() !== '-' || this.#text[this.#at + 1] === ']') {
        items.push(low);
        continue;
      }
      this.#at += 1;
      const highAt = this.#at;
      const end = this.#take();
      if (end === undefined) throw regexError('unterminated character set', start);
      const high = end === '\\' ? this.#setEscape(highAt, scope) : charRange(end);
      if (!('from' in low) || !('from' in high) || high.from < low.from) {
        throw regexError(`bad character range ${this.#text.slice(at, this.#at).join('')}`, at);
      }
      items.push({ from: low.from, to: high.from });
    }
    return { type: 'set', negated, ignoreCase: scope.ignoreCase, items };
  }

  #setEscape(start: number, scope: Scope): SetItem {
    const char = this.#take();
    if (char === undefined) throw regexError('bad escape (end of pattern)', start);
    const category = categoryOf(char, scope);
    if (category) return category;
    if (char === 'b') return { from: 8, to: 8 };
    const code = this.#codeEscape(char, start);
    if (code !== null) return { from: code, to: code };
    if (/[0-7]/.test(char)) return charRange(String.fromCodePoint(this.#octal(char, start, 3)));
    if (/[0-9A-Za-z]/.test(char)) throw regexError(`bad escape \\${char}`, start);
    return charRange(char);
  }

  #escape(start: number, scope: Scope): RegexNode {
    const char = this.#take();
    if (char === undefined) throw regexError('bad escape (end of pattern)', start);
    const anchor = ANCHORS[char];
    if (anchor) return { type: 'anchor', anchor, ascii: scope.ascii };
    const category = categoryOf(char, scope);
    if (category) return { type: 'set', negated: false, ignoreCase: false, items: [category] };
    const code = this.#codeEscape(char, start);
    if (code !== null) return literal(code, scope);
    if (char === '0') return literal(this.#octal(char, start, 3), scope);
    if (/[1-9]/.test(char)) return this.#digitEscape(char, start, scope);
    if (/[A-Za-z]/.test(char)) throw regexError(`bad escape \\${char}`, start);
    return literal(char.codePointAt(0) ?? 0, scope);
  }

  /** The escapes that name one character by number or name; null for others. */
  #codeEscape(char: string, start: number): number | null {
    const simple = SIMPLE_ESCAPES[char];
    if (simple !== undefined) return simple;
    const digits = { x: 2, u: 4, U: 8 }[char];
    if (digits !== undefined) {
      const hex = this.#text.slice(this.#at, this.#at + digits).join('');
      if (hex.length !== digits || !/^[0-9A-Fa-f]+$/.test(hex))
        throw regexError(`incomplete escape \\${char}${hex}`, start);
      this.#at += digits;
      const code = Number.parseInt(hex, 16);
      if (code > 0x10ffff) throw regexError(`bad escape \\${char}${hex}`, start);
      return code;
    }
    if (char !== 'N') return null;
    const end = this.#text.indexOf('}', this.#at);
    if (this.#peek() !== '{' || end < 0) throw regexError('missing {', this.#at);
    const name = this.#text.slice(this.#at + 1, end).join('');
    const named = characterByName(name);
    if (named === null) throw regexError(`undefined character name '${name}'`, start);
    this.#at = end + 1;
    return named.codePointAt(0) ?? 0;
  }

  #octal(first: string, start: number, most: number): number {
    let digits = first;
    while (digits.length < most && /^[0-7]$/.test(this.#peek() ?? '')) digits += this.#take();
    const code = Number.parseInt(digits, 8);
    if (code > 0o377) throw regexError(`octal escape value \\${digits} outside of range 0-0o377`, start);
    return code;
  }

  #digitEscape(first: string, start: number, scope: Scope): RegexNode {
    let digits = first;
    if (/^\d$/.test(this.#peek() ?? '')) {
      digits += this.#take();
      if (/^[0-3][0-7]$/.test(digits) && /^[0-7]$/.test(this.#peek() ?? '')) {
        return literal(Number.parseInt(digits + this.#take(), 8), scope);
      }
      if (/^[4-7][0-7]$/.test(digits) && /^[0-7]$/.test(this.#peek() ?? '')) {
        throw regexError(`octal escape value \\${digits}${this.#peek()} outside of range 0-0o377`, start);
      }
    }
    return this.#backReference(Number(digits), digits, start, scope);
  }

  #backReference(index: number, shown: string, start: number, scope: Scope): RegexNode {
    if (index > this.#groups) throw regexError(`invalid group reference ${shown}`, start + 1);
    if (this.#open.has(index)) throw regexError('cannot refer to an open group', start);
    if (this.#lookBehindGroups !== null && index > this.#lookBehindGroups) {
      throw regexError('cannot refer to group defined in the same lookbehind subpattern', start);
    }
    return { type: 'back-reference', index, ignoreCase: scope.ignoreCase };
  }

  #group(start: number, scope: Scope): RegexNode | null {
    if (!this.#accept('?')) return this.#capture(start, scope, null);
    const char = this.#take();
    switch (char) {
      case undefined:
        throw regexError('unexpected end of pattern', this.#at);
      case 'P':
        return this.#pythonExtension(start, scope);
      case ':':
        return this.#plainGroup(start, scope);
      case '>':
        return { type: 'atomic', possessive: false, node: this.#inside(start, scope) };
      case '#':
        return this.#comment(start);
      case '=':
      case '!':
        return { type: 'look', ahead: true, negative: char === '!', node: this.#inside(start, scope) };
      case '<':
        return this.#lookBehind(start, scope);
      case '(':
        return this.#conditional(start, scope);
      default:
        return this.#flags(char, start, scope);
    }
  }

  #plainGroup(start: number, scope: Scope): RegexNode {
    this.#pristine = false;
    const node = this.#inside(start, scope);
    // Wrapped, because a quantifier may follow that would be refused behind the bare item: `(?:a*)*`.
    return { type: 'sequence', items: [node] };
  }

  #inside(start: number, scope: Scope): RegexNode {
    this.#pristine = false;
    const node = this.#choice(scope);
    if (!this.#accept(')')) throw regexError('missing ), unterminated subpattern', start);
    return node;
  }

  #capture(start: number, scope: Scope, name: string | null): RegexNode {
    this.#groups += 1;
    const index = this.#groups;
    if (name !== null) {
      const earlier = this.#names.get(name);
      if (earlier !== undefined) {
        throw regexError(`redefinition of group name '${name}' as group ${index}; was group ${earlier}`, start);
      }
      this.#names.set(name, index);
    }
    this.#open.add(index);
    const node = this.#inside(start, scope);
    this.#open.delete(index);
    this.#widths.set(index, widthOf(node, this.#widths));
    return { type: 'group', index, node };
  }

  #pythonExtension(start: number, scope: Scope): RegexNode {
    if (this.#accept('<')) return this.#capture(start, scope, this.#name('>'));
    if (this.#accept('=')) {
      const name = this.#name(')');
      const index = this.#names.get(name);
      if (index === undefined) throw regexError(`unknown group name '${name}'`, start + 4);
      return this.#backReference(index, name, start, scope);
    }
    const char = this.#take();
    throw char === undefined
      ? regexError('unexpected end of pattern', this.#at)
      : regexError(`unknown extension ?P${char}`, start + 1);
  }

  #name(end: string): string {
    const start = this.#at;
    let name = '';
    for (let char = this.#take(); char !== end; char = this.#take()) {
      if (char === undefined) throw regexError(`missing ${end}, unterminated name`, start);
      name += char;
    }
    if (name === '') throw regexError('missing group name', start);
    if (end === '>' || !/^\d+$/.test(name)) checkGroupName(name, start);
    return name;
  }

  #comment(start: number): null {
    for (let char = this.#take(); char !== ')'; char = this.#take()) {
      if (char === undefined) throw regexError('missing ), unterminated comment', start);
    }
    return null;
  }

  #lookBehind(start: number, scope: Scope): RegexNode {
    const char = this.#take();
    if (char === undefined) throw regexError('unexpected end of pattern', this.#at);
    if (char !== '=' && char !== '!') throw regexError(`unknown extension ?<${char}`, start + 1);
    const outer = this.#lookBehindGroups;
    this.#lookBehindGroups ??= this.#groups;
    const node = this.#inside(start, scope);
    this.#lookBehindGroups = outer;
    const [low, high] = widthOf(node, this.#widths);
    if (low !== high) throw regexError('look-behind requires fixed-width pattern');
    return { type: 'look', ahead: false, negative: char === '!', node };
  }

  #conditional(start: number, scope: Scope): RegexNode {
    const at = this.#at;
    const name = this.#name(')');
    const index = /^\d+$/.test(name) ? Number(name) : this.#names.get(name);
    if (index === undefined) throw regexError(`unknown group name '${name}'`, at);
    if (index === 0) throw regexError('bad group number', at);
    // Unlike a back reference, the condition may name a group that follows.
    this.#pristine = false;
    const yes = this.#sequence(scope);
    const no: RegexNode = this.#accept('|') ? this.#sequence(scope) : { type: 'empty' };
    if (this.#peek() === '|') throw regexError('conditional backref with more than two branches', this.#at);
    if (!this.#accept(')')) throw regexError('missing ), unterminated subpattern', start);
    this.#conditions.push([index, at]);
    return { type: 'conditional', index, yes, no };
  }

  #flags(first: string, start: number, scope: Scope): RegexNode | null {
    const at = this.#at - 1;
    const changed: Record<string, boolean> = {};
    let removing = false;
    for (let char: string | undefined = first; ; char = this.#take()) {
      if (char === undefined) throw regexError('missing -, : or )', this.#at);
      if (char === ')' || char === ':') {
        if (removing && char === ')') throw regexError('missing :', this.#at - 1);
        const next = applyFlags(scope, changed);
        if (char === ':') return this.#plainGroup(start, next);
        if (!this.#pristine) throw regexError('global flags not at the start of the expression', start);
        const global = applyFlags(this.global, changed);
        if (sameFlags(global, this.global)) return null;
        // The flags hold for the whole text, which is parsed again with them: leave the rest alone.
        this.global = global;
        this.#at = this.#text.length;
        return null;
      }
      if (char === '-' && !removing) {
        removing = true;
        continue;
      }
      if (!(char in FLAG_NAMES) || (removing && 'aLu'.includes(char))) {
        throw regexError(char === first ? `unknown extension ?${char}` : 'unknown flag', at);
      }
      if (char === 'L') throw regexError("bad inline flags: cannot use 'L' flag with a str pattern", at);
      changed[FLAG_NAMES[char] ?? ''] = !removing;
    }
  }
}

const ANCHORS: Readonly<Record<string, Anchor>> = { A: 'text-start', Z: 'text-end', b: 'word', B: 'not-word' };
const SIMPLE_ESCAPES: Readonly<Record<string, number>> = { a: 7, f: 12, n: 10, r: 13, t: 9, v: 11, '\\': 92 };
/** `t` and `u` are accepted and change nothing. */
const FLAG_NAMES: Readonly<Record<string, string>> = {
  i: 'ignoreCase',
  m: 'multiLine',
  s: 'dotAll',
  x: 'verbose',
  a: 'ascii',
  u: 'unicode',
  L: 'locale',
};

function applyFlags(scope: Scope, changed: Readonly<Record<string, boolean>>): Scope {
  return {
    ignoreCase: changed.ignoreCase ?? scope.ignoreCase,
    multiLine: changed.multiLine ?? scope.multiLine,
    dotAll: changed.dotAll ?? scope.dotAll,
    verbose: changed.verbose ?? scope.verbose,
    ascii: changed.ascii ?? (changed.unicode ? false : scope.ascii),
  };
}

function sameFlags(a: Scope, b: Scope): boolean {
  return (['ignoreCase', 'multiLine', 'dotAll', 'verbose', 'ascii'] as const).every((flag) => a[flag] === b[flag]);
}

function categoryOf(char: string, scope: Scope): SetItem | null {
  const lower = char.toLowerCase();
  if (lower !== 'd' && lower !== 's' && lower !== 'w') return null;
  return { category: lower, negated: char !== lower, ascii: scope.ascii };
}

function literal(code: number, scope: Scope): RegexNode {
  return { type: 'char', code, ignoreCase: scope.ignoreCase };
}

function charRange(char: string): { from: number; to: number } {
  const code = char.codePointAt(0) ?? 0;
  return { from: code, to: code };
}

/** A group's name is a Python identifier. @throws YaqlError of class `error`. */
export function checkGroupName(name: string, position: number): void {
  if (!/^[\p{L}\p{Nl}_][\p{L}\p{N}\p{Mn}\p{Mc}\p{Pc}]*$/u.test(name)) {
    throw regexError(`bad character in group name '${name}'`, position);
  }
}
