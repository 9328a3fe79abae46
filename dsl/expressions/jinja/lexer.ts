import { toFloat, toInteger, type Float } from '../../yaql/numbers.ts';
import { syntaxError } from './errors.ts';
import { isIdentifier, NAME_AT } from './identifiers.ts';
import { decodeStringLiteral } from './string-literal.ts';
import { stripBlanks, textLength } from './text.ts';

/**
 * Tokens of Jinja2 3.1 with the default delimiters, `trim_blocks` and `lstrip_blocks` (spec/expressions.md §12). The types of
 * operators are their names in messages; comments and raw tags leave nothing but data behind.
 */
export interface Token {
  readonly type: TokenType;
  /** Decoded text of data, names and strings; the spelling of operators. */
  readonly value: string;
  /** Set for `integer` and `float`. */
  readonly number: number | bigint | Float | null;
  /** Offset in UTF-16 units in the source as given. */
  readonly offset: number;
}

export type TokenType =
  | 'data'
  | 'name'
  | 'string'
  | 'integer'
  | 'float'
  | 'operator'
  | 'variable_begin'
  | 'variable_end'
  | 'block_begin'
  | 'block_end'
  | 'eof';

/**
 * The tokens of a template, or (`inside`) of the inside of one `{{ … }}`.
 *
 * Lazy, because the parser may meet a grammar error before a lexical one that stands further on.
 */
export function* tokenize(source: string, inside: 'template' | 'variable'): Generator<Token, void> {
  yield* new Lexer(source).run(inside);
}

const ROOT = /([^]*?)(?:(\{%(?:-|\+|)\s*raw\s*(?:-%\}\s*|%\}))|(\{\{(?:-|\+|))|(\{%(?:-|\+|))|(\{#(?:-|\+|)))/y;
const COMMENT = /[^]*?(?:\+#\}|-#\}\s*|#\}\n?)/y;
const RAW = /([^]*?)(\{%(-|\+|)\s*endraw\s*(?:\+%\}|-%\}\s*|%\}\n?))/y;
const BLOCK_END = /(?:\+%\}|-%\}\s*|%\}\n?)/y;
const VARIABLE_END = /-\}\}\s*|\}\}/y;
const SPACE = /[\s\x1c-\x1f\x85]+/y;
const FLOAT =
  /(?<!\.)(?:\p{Nd}+_)*\p{Nd}+(?:(?:\.(?:\p{Nd}+_)*\p{Nd}+)?[eE][+-]?(?:\p{Nd}+_)*\p{Nd}+|\.(?:\p{Nd}+_)*\p{Nd}+)/uy;
const INTEGER = /0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[0-9a-fA-F])+|[1-9](?:_?[0-9])*|0(?:_?0)*/y;
const STRING = /'[^'\\]*(?:\\[^][^'\\]*)*'|"[^"\\]*(?:\\[^][^"\\]*)*"/y;
const OPERATOR = /\/\/|\*\*|==|!=|>=|<=|[-+/*%~[\](){}><=.:|,;]/y;
const CLOSING: Readonly<Record<string, string>> = { '{': '}', '(': ')', '[': ']' };

class Lexer {
  private readonly source: string;
  private readonly offsets: (at: number) => number;
  private at = 0;
  private lineStarting = true;

  constructor(source: string) {
    const normalized = normalizeNewlines(source);
    this.source = normalized.endsWith('\n') ? normalized.slice(0, -1) : normalized;
    this.offsets = source.includes('\r') ? crlfOffsets(source) : (at) => at;
  }

  *run(inside: 'template' | 'variable'): Generator<Token, void> {
    if (inside === 'variable') yield* this.tag(VARIABLE_END, 'variable_end');
    while (this.at < this.source.length) yield* this.root();
    yield this.token('eof', '', this.at);
  }

  private *root(): Generator<Token, void> {
    const match = this.match(ROOT);
    if (match === null) {
      yield this.token('data', this.source.slice(this.at), this.at);
      this.at = this.source.length;
      return;
    }
    const [whole, text = '', raw, variable, block] = match;
    const opening = whole.slice(text.length);
    const start = this.at + text.length;
    yield* this.data(text, opening.charAt(2), variable === undefined);
    this.moveBy(whole);
    if (raw !== undefined) {
      yield* this.raw(start);
    } else if (variable !== undefined) {
      yield this.token('variable_begin', opening, start);
      yield* this.tag(VARIABLE_END, 'variable_end');
    } else if (block !== undefined) {
      yield this.token('block_begin', opening, start);
      yield* this.tag(BLOCK_END, 'block_end');
    } else {
      this.comment(start);
    }
  }

  /** Text before a tag, with the blanks taken away that `-` or lstrip_blocks ask for. */
  private *data(text: string, sign: string, stripsLine: boolean): Generator<Token, void> {
    const kept = this.stripBefore(text, sign, stripsLine);
    if (kept !== '') yield this.token('data', kept, this.at);
  }

  private stripBefore(text: string, sign: string, stripsLine: boolean): string {
    if (sign === '-') return stripBlanks(text, 'right');
    if (sign === '+' || !stripsLine) return text;
    const line = text.lastIndexOf('\n') + 1;
    return (line > 0 || this.lineStarting) && stripBlanks(text.slice(line)) === '' ? text.slice(0, line) : text;
  }

  private *raw(start: number): Generator<Token, void> {
    const match = this.match(RAW);
    if (match === null) {
      if (this.at >= this.source.length) return;
      throw syntaxError('Missing end of raw directive', this.offsets(start));
    }
    yield* this.data(match[1] ?? '', match[3] ?? '', true);
    this.moveBy(match[0]);
  }

  private comment(start: number): void {
    const match = this.match(COMMENT);
    if (match !== null) this.moveBy(match[0]);
    else if (this.at < this.source.length) throw syntaxError('Missing end of comment tag', this.offsets(start));
  }

  /** The inside of `{{ }}` or `{% %}` with its closing delimiter; end of text ends it silently, as the parser will notice. */
  private *tag(end: RegExp, endType: TokenType): Generator<Token, void> {
    const open: string[] = [];
    while (this.at < this.source.length) {
      const closing = open.length === 0 ? this.match(end) : null;
      const start = this.at;
      if (closing !== null) {
        this.moveBy(closing[0]);
        yield this.token(endType, closing[0], start);
        return;
      }
      const token = this.inner();
      if (token === null) continue;
      if (token.type === 'operator') this.balance(open, token);
      yield token;
    }
  }

  private inner(): Token | null {
    const start = this.at;
    const space = this.match(SPACE);
    if (space !== null) return this.skip(space[0]);
    const float = this.match(FLOAT);
    if (float !== null) return this.number('float', float[0], start);
    const integer = this.match(INTEGER);
    if (integer !== null) return this.number('integer', integer[0], start);
    const name = this.match(NAME_AT);
    if (name !== null) return this.name(name[0], start);
    const string = this.match(STRING);
    if (string !== null) {
      this.moveBy(string[0]);
      return this.token('string', decodeStringLiteral(string[0].slice(1, -1), this.offsets(start)), start);
    }
    const operator = this.match(OPERATOR);
    if (operator === null) return this.illegal();
    this.moveBy(operator[0]);
    return this.token('operator', operator[0], start);
  }

  private name(text: string, start: number): Token {
    this.moveBy(text);
    if (!isIdentifier(text)) throw syntaxError('Invalid character in identifier', this.offsets(start));
    return this.token('name', text, start);
  }

  private number(type: 'integer' | 'float', text: string, start: number): Token {
    this.moveBy(text);
    const digits = asciiDigits(text.replaceAll('_', ''));
    const value = type === 'float' ? toFloat(Number(digits)) : toInteger(BigInt(digits));
    return { type, value: text, number: value, offset: this.offsets(start) };
  }

  private skip(text: string): null {
    this.moveBy(text);
    return null;
  }

  private balance(open: string[], token: Token): void {
    const closing = CLOSING[token.value];
    if (closing !== undefined) {
      open.push(closing);
    } else if (token.value === '}' || token.value === ')' || token.value === ']') {
      const expected = open.pop();
      if (expected === undefined) throw syntaxError(`unexpected '${token.value}'`, token.offset);
      if (expected !== token.value) {
        throw syntaxError(`unexpected '${token.value}', expected '${expected}'`, token.offset);
      }
    }
  }

  private illegal(): never {
    const character = String.fromCodePoint(this.source.codePointAt(this.at) ?? 0);
    const position = textLength(this.source.slice(0, this.at));
    const quoted = character === "'" ? `"'"` : character === '\\' ? `'\\\\'` : `'${character}'`;
    throw syntaxError(`unexpected char ${quoted} at ${position}`, this.offsets(this.at));
  }

  private token(type: TokenType, value: string, at: number): Token {
    return { type, value, number: null, offset: this.offsets(at) };
  }

  private match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.at;
    return pattern.exec(this.source);
  }

  private moveBy(text: string): void {
    this.at += text.length;
    this.lineStarting = text.endsWith('\n');
  }
}

function normalizeNewlines(text: string): string {
  return text.includes('\r') ? text.replace(/\r\n?/g, '\n') : text;
}

/** Offsets in the normalised text to offsets in the text as given: one more for each CR LF before. */
function crlfOffsets(source: string): (at: number) => number {
  const shortened = [...source.matchAll(/\r\n/g)].map((match, i) => match.index - i);
  return (at) => {
    let low = 0;
    let high = shortened.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((shortened[middle] ?? 0) < at) low = middle + 1;
      else high = middle;
    }
    return at + low;
  };
}

function asciiDigits(text: string): string {
  return text.replace(/[^\x00-\x7f]/gu, (digit) => String(decimalDigitValue(digit.codePointAt(0) ?? 0)));
}

/** Decimal digits of any script come in runs of ten; the value is the distance from the run's zero. */
function decimalDigitValue(codePoint: number): number {
  let zero = codePoint;
  while (codePoint - zero < 9 && /\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero--;
  return (codePoint - zero) % 10;
}
