import { asciiDigits, parseInteger } from './arithmetic.ts';
import { YaqlSyntaxError } from './errors.ts';
import { toFloat, type PyNumber } from './numbers.ts';
import { formatNumber } from './python-text.ts';
import { characterByName } from './unicode-names.ts';

/** `symbol` covers operators, also those that are words, and all brackets; its text is the symbol. */
export type Token =
  | { readonly type: 'variable'; readonly text: string; readonly position: number }
  | { readonly type: 'number'; readonly value: PyNumber; readonly text: string; readonly position: number }
  | { readonly type: 'function'; readonly text: string; readonly position: number }
  | { readonly type: 'word'; readonly text: string; readonly position: number }
  | { readonly type: 'constant'; readonly value: boolean | null; readonly text: string; readonly position: number }
  | { readonly type: 'string'; readonly text: string; readonly position: number }
  | { readonly type: 'symbol'; readonly text: string; readonly position: number }
  | { readonly type: 'end'; readonly text: ''; readonly position: null };

/**
 * Splits an expression into tokens on demand, so that the first error in the text is the one reported
 * (spec/expressions.md §1). Positions count code points from 0.
 */
export class Lexer {
  readonly #text: string;
  readonly #wide: boolean;
  #at = 0;
  /** Code points in the first `#counted` units. */
  #points = 0;
  #counted = 0;

  constructor(text: string) {
    this.#text = text;
    this.#wide = /[\ud800-\udfff]/.test(text);
  }

  /** @throws YaqlSyntaxError at a character that begins no token or in a string with a bad escape. */
  next(): Token {
    return this.#common() ?? this.#any();
  }

  /** The tokens that nearly all expressions consist of, without regular expressions; null when it may be anything else. */
  #common(): Token | null {
    const text = this.#text;
    let start = this.#at;
    while (text.charCodeAt(start) === BLANK) start += 1;
    const first = text.charCodeAt(start);
    if (SINGLE_SYMBOLS.has(first)) {
      this.#at = start + 1;
      return { type: 'symbol', text: text.charAt(start), position: this.#position(start) };
    }
    if (first !== DOLLAR && (!isWordCharacter(first) || isDigit(first))) return null;
    if (start > 0 && isWordCharacter(text.charCodeAt(start - 1))) return null;
    let end = start + 1;
    while (isWordCharacter(text.charCodeAt(end))) end += 1;
    const behind = text.charCodeAt(end);
    // Words go on with letters of any script, and those with two underscores in front are none.
    if (behind >= 128 || text.startsWith('__', start)) return null;
    const position = this.#position(start);
    const name = text.slice(start, end);
    this.#at = end;
    if (first === DOLLAR) return { type: 'variable', text: name, position };
    if (behind !== OPENING) return wordToken(name, position);
    this.#at += 1;
    return { type: 'function', text: name, position };
  }

  #any(): Token {
    this.#match(this.#at === 0 ? OUTER_BLANKS : BLANKS);
    const start = this.#at;
    OUTER_BLANKS.lastIndex = start;
    if (start + (OUTER_BLANKS.exec(this.#text)?.[0].length ?? 0) >= this.#text.length)
      return { type: 'end', text: '', position: null };
    const position = this.#position(start);
    const variable = this.#match(VARIABLE);
    if (variable !== null) return { type: 'variable', text: variable, position };
    const number = this.#match(NUMBER);
    if (number !== null) return numberToken(number, position);
    const name = this.#match(FUNCTION);
    if (name !== null) return { type: 'function', text: name.slice(0, -1), position };
    const word = this.#match(WORD);
    if (word !== null) return wordToken(word, position);
    const string = this.#string(start, position);
    if (string) return string;
    const symbol = this.#match(SYMBOL);
    if (symbol !== null) return { type: 'symbol', text: symbol, position };
    const char = String.fromCodePoint(this.#text.codePointAt(start) ?? 0);
    throw new YaqlSyntaxError(
      'YaqlLexicalException',
      `Lexical error: illegal character '${char}' at position ${position}`,
      position,
    );
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text);
    if (!found) return null;
    this.#at = pattern.lastIndex;
    return found[0];
  }

  #string(start: number, position: number): Token | null {
    const quote = this.#text[start] ?? '';
    if (quote !== "'" && quote !== '"' && quote !== '`') return null;
    for (let at = start + 1; at < this.#text.length; at += 1) {
      const char = this.#text[at];
      if (char === '\\') {
        at += 1;
        if (this.#text[at] === '\n') return null;
      } else if (char === quote) {
        this.#at = at + 1;
        const raw = this.#text.slice(start + 1, at);
        const text = quote === '`' ? raw.replaceAll('\\`', '`') : decodeEscapes(raw, position);
        return { type: 'string', text, position };
      }
    }
    return null;
  }

  #position(unit: number): number {
    if (!this.#wide) return unit;
    // Tokens come in order: only what lies between two of them is counted.
    for (; this.#counted < unit; this.#points += 1) {
      this.#counted += (this.#text.codePointAt(this.#counted) ?? 0) > 0xffff ? 2 : 1;
    }
    return this.#points;
  }
}

// Python's \w is every alphanumeric code point of any script and the underscore; \d every decimal digit.
const W = '[\\p{L}\\p{N}_]';
const BLANKS = /[ \t\r\n]*/y;
// Around the whole text all that Python calls white space is ignored: callers of the reference strip it.
const OUTER_BLANKS = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*/y;
const VARIABLE = new RegExp(`\\$${W}*`, 'uy');
const NUMBER = new RegExp(`(?<!${W})\\p{Nd}+(?:\\.\\p{Nd}+)?(?!${W})|(?<!${W})\\p{Nd}+(?!${W})`, 'uy');
const FUNCTION = new RegExp(`(?<!${W})(?!\\p{Nd})${W}+\\(`, 'uy');
const WORD = new RegExp(`(?!__)(?<!${W})(?!\\p{Nd})${W}+`, 'uy');
const SYMBOL = /\?\.|=~|!~|->|=>|>=|<=|!=|[.+\-*/><=[{()\],}]/y;

const BLANK = 0x20;
const DOLLAR = 0x24;
const OPENING = 0x28;
/** Those that begin no longer symbol. */
const SINGLE_SYMBOLS: ReadonlySet<number> = new Set(Array.from('.+*/[{()],}', (symbol) => symbol.charCodeAt(0)));

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}

/** Of ASCII. */
function isWordCharacter(unit: number): boolean {
  return (unit >= 0x61 && unit <= 0x7a) || (unit >= 0x41 && unit <= 0x5a) || isDigit(unit) || unit === 0x5f;
}

const WORD_OPERATORS: ReadonlySet<string> = new Set(['mod', 'in', 'not', 'and', 'or']);
const CONSTANTS: ReadonlyMap<string, boolean | null> = new Map([
  ['true', true],
  ['false', false],
  ['null', null],
]);

function numberToken(digits: string, position: number): Token {
  const plain = asciiDigits(digits);
  const value = plain.includes('.') ? toFloat(Number(plain)) : parseInteger(plain);
  return { type: 'number', value, text: formatNumber(value), position };
}

function wordToken(word: string, position: number): Token {
  if (WORD_OPERATORS.has(word)) return { type: 'symbol', text: word, position };
  const constant = CONSTANTS.get(word);
  if (constant === undefined) return { type: 'word', text: word, position };
  return { type: 'constant', value: constant, text: CONSTANT_TEXTS[word] ?? word, position };
}

/** Errors show a constant as Python prints it. */
const CONSTANT_TEXTS: Readonly<Record<string, string>> = { true: 'True', false: 'False', null: 'None' };

const ESCAPE = /\\(?:U(.{8})|u(.{4})|x(.{2})|([0-7]{1,3})|N\{([^}]+)\}|([\\'"abfnrtv]))/gu;
const SIMPLE: Readonly<Record<string, string>> = {
  '\\': '\\',
  "'": "'",
  '"': '"',
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

function decodeEscapes(raw: string, position: number): string {
  if (!raw.includes('\\')) return raw;
  return raw.replace(ESCAPE, (whole, long, short, byte, octal, name, simple) => {
    if (simple !== undefined) return SIMPLE[simple] ?? '';
    if (octal !== undefined) return String.fromCodePoint(Number.parseInt(octal, 8));
    const decoded = name === undefined ? fromHex(long ?? short ?? byte) : characterByName(name);
    if (decoded !== null) return decoded;
    throw new YaqlSyntaxError('UnicodeDecodeError', `'unicodeescape' codec can't decode ${whole}`, position);
  });
}

function fromHex(hex: string): string | null {
  if (!/^[0-9A-Fa-f]+$/.test(hex)) return null;
  const code = Number.parseInt(hex, 16);
  return code > 0x10ffff ? null : String.fromCodePoint(code);
}
