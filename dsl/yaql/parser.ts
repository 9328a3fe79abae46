import type { Argument, Ast, BinaryOperator, UnaryOperator } from './ast.ts';
import { YaqlSyntaxError, recursionError } from './errors.ts';
import { Lexer, type Token } from './lexer.ts';

/** Deeper nesting than this is refused: the parser, like the evaluation, is recursive. */
const MAX_DEPTH = 500;

/**
 * Parses an expression (spec/expressions.md §2) by precedence climbing.
 *
 * @throws YaqlSyntaxError with the position of the offending token; RecursionError (YaqlError) when nested too deeply.
 */
export function parseTree(text: string): Ast {
  return new Parser(text).parse();
}

/** Binding powers; the loosest is 1. */
const BINARY: ReadonlyMap<string, number> = new Map([
  ['->', 1],
  ['or', 2],
  ['and', 3],
  ...(['>', '<', '>=', '<=', '!=', '=', 'in'] as const).map((operator) => [operator, 5] as const),
  ['+', 6],
  ['-', 6],
  ['*', 7],
  ['/', 7],
  ['mod', 7],
  ['=~', 8],
  ['!~', 8],
  ['.', 11],
  ['?.', 11],
]);
const PREFIX: ReadonlyMap<string, number> = new Map([
  ['not', 4],
  ['+', 9],
  ['-', 9],
]);
const INDEX_POWER = 10;

class Parser {
  readonly #text: string;
  readonly #lexer: Lexer;
  #token: Token;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
    this.#lexer = new Lexer(text);
    this.#token = this.#lexer.next();
  }

  parse(): Ast {
    const tree = this.#value(0);
    if (this.#token.type !== 'end') throw this.#unexpected();
    return tree;
  }

  #value(power: number): Ast {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw recursionError();
    let left = this.#operand();
    for (;;) {
      const { type, text, position } = this.#token;
      if (type !== 'symbol') break;
      if (text === '[') {
        if (INDEX_POWER < power) break;
        this.#advance();
        left = { kind: 'index', target: left, args: this.#arguments(']'), position };
        continue;
      }
      const own = BINARY.get(text);
      if (own === undefined || own < power) break;
      this.#advance();
      const right = this.#value(text === '->' ? own : own + 1);
      left = { kind: 'binary', operator: text as BinaryOperator, left, right, position };
    }
    this.#depth -= 1;
    return left;
  }

  #operand(): Ast {
    const token = this.#token;
    switch (token.type) {
      case 'string':
        this.#advance();
        return { kind: 'constant', value: token.text, position: token.position };
      case 'number':
      case 'constant':
        this.#advance();
        return { kind: 'constant', value: token.value, position: token.position };
      case 'word':
        this.#advance();
        return { kind: 'keyword', value: token.text, position: token.position };
      case 'variable':
        this.#advance();
        return { kind: 'variable', name: token.text === '$' ? '$1' : token.text, position: token.position };
      case 'function':
        this.#advance();
        return { kind: 'call', name: token.text, args: this.#arguments(')'), position: token.position };
      case 'symbol':
        return this.#symbol(token.text, token.position);
      case 'end':
        throw this.#unexpected();
    }
  }

  #symbol(text: string, position: number): Ast {
    const power = PREFIX.get(text);
    if (power !== undefined) {
      this.#advance();
      return { kind: 'unary', operator: text as UnaryOperator, operand: this.#value(power), position };
    }
    if (text === '[' || text === '{') {
      this.#advance();
      return text === '['
        ? { kind: 'list', args: this.#arguments(']'), position }
        : { kind: 'map', args: this.#arguments('}'), position };
    }
    if (text !== '(') throw this.#unexpected();
    this.#advance();
    const inner = this.#value(0);
    this.#expect(')');
    return { kind: 'group', inner, position };
  }

  /**
   * Positional arguments, in which a slot may be empty but not the last one, then named ones. Between the two parts one empty slot
   * may stand; named ones cannot follow leading commas.
   */
  #arguments(close: string): Argument[] {
    const args: Argument[] = [];
    if (this.#isSymbol(close)) {
      this.#advance();
      return args;
    }
    for (;;) {
      while (this.#isSymbol(',')) {
        args.push({ kind: 'empty' });
        this.#advance();
      }
      const value = this.#value(0);
      if (this.#isSymbol('=>')) {
        if (!mayBeginNamed(args)) throw this.#unexpected();
        return this.#named(args, value, close);
      }
      args.push(value);
      if (this.#isSymbol(close)) break;
      this.#expect(',');
    }
    this.#advance();
    return args;
  }

  /** At the `=>` behind the first key. */
  #named(args: Argument[], first: Ast, close: string): Argument[] {
    for (let key = first; ; key = this.#value(0)) {
      const position = this.#token.position ?? 0;
      this.#expect('=>');
      args.push({ kind: 'mapping', key, value: this.#value(0), position });
      if (this.#isSymbol(close)) break;
      this.#expect(',');
    }
    this.#advance();
    return args;
  }

  #isSymbol(text: string): boolean {
    return this.#token.type === 'symbol' && this.#token.text === text;
  }

  #expect(text: string): void {
    if (!this.#isSymbol(text)) throw this.#unexpected();
    this.#advance();
  }

  #advance(): void {
    this.#token = this.#lexer.next();
  }

  #unexpected(): YaqlSyntaxError {
    const { type, text, position } = this.#token;
    if (type === 'end') {
      return new YaqlSyntaxError('YaqlGrammarException', 'Parse error: unexpected end of statement', null);
    }
    const message = `Parse error: unexpected '${text}' at position ${position} of expression '${this.#text}'`;
    return new YaqlSyntaxError('YaqlGrammarException', message, position);
  }
}

function mayBeginNamed(args: readonly Argument[]): boolean {
  let empties = 0;
  while (empties < args.length && args[args.length - 1 - empties]?.kind === 'empty') empties += 1;
  return args.length === 0 || (empties < args.length && empties <= 1);
}
