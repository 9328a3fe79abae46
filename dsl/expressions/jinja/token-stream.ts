import { syntaxError } from './errors.ts';
import { type Token, type TokenType, tokenize } from './lexer.ts';

/** The tokens of a source with one token of look-ahead, read from the lexer only when the parser gets there. */
export class TokenStream {
  current: Token;
  private readonly tokens: Iterator<Token, void>;
  private pushed: Token | null = null;

  constructor(source: string, inside: 'template' | 'variable') {
    this.tokens = tokenize(source, inside);
    this.current = this.read();
  }

  /** Steps on and gives the token that was current. */
  next(): Token {
    const token = this.current;
    if (token.type === 'eof') return token;
    this.current = this.pushed ?? this.read();
    this.pushed = null;
    return token;
  }

  /** The token after the current one. */
  look(): Token {
    this.pushed ??= this.read();
    return this.pushed;
  }

  isName(value: string): boolean {
    return this.current.type === 'name' && this.current.value === value;
  }

  isOperator(value: string): boolean {
    return this.current.type === 'operator' && this.current.value === value;
  }

  skipName(value: string): boolean {
    if (!this.isName(value)) return false;
    this.next();
    return true;
  }

  skipOperator(value: string): boolean {
    if (!this.isOperator(value)) return false;
    this.next();
    return true;
  }

  expect(type: TokenType): Token {
    if (this.current.type !== type) this.unexpected(describeType(type));
    return this.next();
  }

  expectName(value: string): Token {
    if (!this.isName(value)) this.unexpected(value);
    return this.next();
  }

  expectOperator(value: string): Token {
    if (!this.isOperator(value)) this.unexpected(value);
    return this.next();
  }

  private unexpected(expected: string): never {
    const wanted = quoted(expected);
    if (this.current.type === 'eof') {
      throw syntaxError(`unexpected end of template, expected ${wanted}.`, this.current.offset);
    }
    throw syntaxError(`expected token ${wanted}, got ${quoted(describe(this.current))}`, this.current.offset);
  }

  private read(): Token {
    const result = this.tokens.next();
    // The lexer ends with an eof token, after which nothing reads on.
    return result.done === true ? { type: 'eof', value: '', number: null, offset: 0 } : result.value;
  }
}

export function describe(token: Token): string {
  return token.type === 'name' || token.type === 'operator' ? token.value : describeType(token.type);
}

/** Python's `repr` of a short message word. */
export function quoted(text: string): string {
  return text.includes("'") && !text.includes('"') ? `"${text}"` : `'${text}'`;
}

const DESCRIPTIONS: Readonly<Partial<Record<TokenType, string>>> = {
  block_begin: 'begin of statement block',
  block_end: 'end of statement block',
  variable_begin: 'begin of print statement',
  variable_end: 'end of print statement',
  data: 'template data / text',
  eof: 'end of template',
};

function describeType(type: TokenType): string {
  return DESCRIPTIONS[type] ?? type;
}
