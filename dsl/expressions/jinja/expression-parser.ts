import type {
  Arguments,
  BinaryOperator,
  CallExpression,
  CompareExpression,
  CompareOperator,
  Expression,
  FilterExpression,
  Target,
} from './ast.ts';
import { syntaxError } from './errors.ts';
import { describe, quoted, type TokenStream } from './token-stream.ts';

/** Nesting deeper than this is refused, so that a hostile text cannot exhaust the stack. */
const MAX_DEPTH = 200;

/** Jinja's expression grammar by recursive descent; each method is one level of precedence, loosest first. */
export class ExpressionParser {
  protected readonly stream: TokenStream;
  private depth = 0;

  constructor(stream: TokenStream) {
    this.stream = stream;
  }

  expression(withCondition = true): Expression {
    if (++this.depth > MAX_DEPTH) {
      throw syntaxError(`expressions may nest at most ${MAX_DEPTH} levels`, this.stream.current.offset);
    }
    const parsed = withCondition ? this.conditional() : this.or();
    this.depth--;
    return parsed;
  }

  /** Expressions with commas between them make a tuple; one without a comma is itself. */
  tuple(options: TupleOptions = {}): Expression {
    const { offset } = this.stream.current;
    const items: Expression[] = [];
    let isTuple = false;
    while (true) {
      if (items.length > 0) this.stream.expectOperator(',');
      if (this.isTupleEnd(options.endName)) break;
      items.push(options.simplified === true ? this.primary(options.namespace) : this.expression(options.condition));
      if (!this.stream.isOperator(',')) break;
      isTuple = true;
    }
    const [only] = items;
    if (!isTuple && only !== undefined) return only;
    if (!isTuple && options.parentheses !== true) {
      this.fail(`Expected an expression, got ${quoted(describe(this.stream.current))}`);
    }
    return { kind: 'tuple', items, offset };
  }

  target(options: { endName?: string; namespace?: boolean } = {}): Target {
    return this.toTarget(this.tuple({ simplified: true, ...options }));
  }

  targetName(): string {
    const token = this.stream.expect('name');
    this.checkAssignable(token.value, token.offset);
    return token.value;
  }

  /** One or more `| name(args)`; with `inline` the first comes without its bar (`{% filter … %}`). */
  filterChain(operand: Expression | null, inline = false): FilterExpression | null {
    let filter: FilterExpression | null = null;
    let isFirst = inline;
    while (isFirst || this.stream.isOperator('|')) {
      if (!isFirst) this.stream.next();
      const token = this.stream.expect('name');
      const name = token.value + this.dottedRest();
      const args = this.stream.isOperator('(') ? this.callArguments() : NO_ARGUMENTS;
      filter = { kind: 'filter', operand: filter ?? operand, name, args, offset: token.offset };
      isFirst = false;
    }
    return filter;
  }

  protected fail(message: string, offset = this.stream.current.offset): never {
    throw syntaxError(message, offset);
  }

  private toTarget(expression: Expression): Target {
    switch (expression.kind) {
      case 'name':
        this.checkAssignable(expression.name, expression.offset);
        return expression;
      case 'nsref':
        return expression;
      case 'tuple':
        return { kind: 'tuple', items: expression.items.map((item) => this.toTarget(item)), offset: expression.offset };
      default:
        return this.fail(`can't assign to '${expression.kind}'`, expression.offset);
    }
  }

  private checkAssignable(name: string, offset: number): void {
    if (RESERVED_TARGETS.has(name)) this.fail("can't assign to 'name'", offset);
  }

  private isTupleEnd(endName: string | undefined): boolean {
    const { type } = this.stream.current;
    if (type === 'variable_end' || type === 'block_end' || this.stream.isOperator(')')) return true;
    return endName !== undefined && this.stream.isName(endName);
  }

  private conditional(): Expression {
    let { offset } = this.stream.current;
    let value = this.or();
    while (this.stream.skipName('if')) {
      const condition = this.or();
      const otherwise = this.stream.skipName('else') ? this.expression() : null;
      value = { kind: 'conditional', condition, then: value, otherwise, offset };
      offset = this.stream.current.offset;
    }
    return value;
  }

  private or(): Expression {
    let left = this.and();
    while (this.stream.skipName('or')) left = { kind: 'or', left, right: this.and(), offset: left.offset };
    return left;
  }

  private and(): Expression {
    let left = this.not();
    while (this.stream.skipName('and')) left = { kind: 'and', left, right: this.not(), offset: left.offset };
    return left;
  }

  private not(): Expression {
    const { offset } = this.stream.current;
    let negations = 0;
    while (this.stream.skipName('not')) negations++;
    let value = this.compare();
    for (; negations > 0; negations--) value = { kind: 'not', operand: value, offset };
    return value;
  }

  private compare(): Expression {
    const first = this.sum();
    const rest: CompareExpression['rest'][number][] = [];
    for (let operator = this.compareOperator(); operator !== null; operator = this.compareOperator()) {
      rest.push({ operator, operand: this.sum() });
    }
    return rest.length === 0 ? first : { kind: 'compare', first, rest, offset: first.offset };
  }

  private compareOperator(): CompareOperator | null {
    const { current } = this.stream;
    if (current.type === 'operator' && isComparison(current.value)) {
      this.stream.next();
      return current.value;
    }
    if (this.stream.skipName('in')) return 'in';
    if (!this.stream.isName('not')) return null;
    const following = this.stream.look();
    if (following.type !== 'name' || following.value !== 'in') return null;
    this.stream.next();
    this.stream.next();
    return 'not in';
  }

  private sum(): Expression {
    return this.binary(SUM_OPERATORS, () => this.concat());
  }

  private concat(): Expression {
    const first = this.product();
    const parts = [first];
    while (this.stream.skipOperator('~')) parts.push(this.product());
    return parts.length === 1 ? first : { kind: 'concat', parts, offset: first.offset };
  }

  private product(): Expression {
    return this.binary(PRODUCT_OPERATORS, () => this.binary(POWER_OPERATORS, () => this.unary()));
  }

  private binary(operators: readonly BinaryOperator[], operand: () => Expression): Expression {
    let left = operand();
    while (true) {
      const operator = operators.find((candidate) => this.stream.isOperator(candidate));
      if (operator === undefined) return left;
      this.stream.next();
      left = { kind: 'binary', operator, left, right: operand(), offset: left.offset };
    }
  }

  private unary(withFilter = true): Expression {
    const { offset } = this.stream.current;
    const kind = this.stream.isOperator('-') ? 'neg' : this.stream.isOperator('+') ? 'pos' : null;
    let value: Expression;
    if (kind === null) {
      value = this.primary();
    } else {
      this.stream.next();
      value = { kind, operand: this.nested(() => this.unary(false)), offset };
    }
    value = this.postfix(value);
    return withFilter ? this.filtersAndTests(value) : value;
  }

  private nested<Result>(parse: () => Result): Result {
    if (++this.depth > MAX_DEPTH) this.fail(`expressions may nest at most ${MAX_DEPTH} levels`);
    const parsed = parse();
    this.depth--;
    return parsed;
  }

  private primary(namespace = false): Expression {
    const token = this.stream.current;
    const { offset } = token;
    if (token.type === 'name') return this.nameOrConstant(namespace);
    if (token.type === 'string') return this.strings();
    if (token.number !== null) {
      this.stream.next();
      return { kind: 'const', value: token.number, offset };
    }
    if (this.stream.skipOperator('(')) {
      const value = this.tuple({ parentheses: true });
      this.stream.expectOperator(')');
      return value;
    }
    if (this.stream.isOperator('[')) return this.list();
    if (this.stream.isOperator('{')) return this.dict();
    return this.fail(`unexpected ${quoted(describe(token))}`);
  }

  private nameOrConstant(namespace: boolean): Expression {
    const { value: name, offset } = this.stream.next();
    if (CONSTANTS.has(name)) return { kind: 'const', value: CONSTANTS.get(name) ?? null, offset };
    if (!namespace || !this.stream.skipOperator('.')) return { kind: 'name', name, offset };
    return { kind: 'nsref', name, attribute: this.stream.expect('name').value, offset };
  }

  private strings(): Expression {
    const { offset } = this.stream.current;
    let value = '';
    while (this.stream.current.type === 'string') value += this.stream.next().value;
    return { kind: 'const', value, offset };
  }

  private list(): Expression {
    const { offset } = this.stream.expectOperator('[');
    const items = this.commaSeparated(']', () => this.expression());
    return { kind: 'list', items, offset };
  }

  private dict(): Expression {
    const { offset } = this.stream.expectOperator('{');
    const pairs = this.commaSeparated('}', (): readonly [Expression, Expression] => {
      const key = this.expression();
      this.stream.expectOperator(':');
      return [key, this.expression()];
    });
    return { kind: 'dict', pairs, offset };
  }

  private commaSeparated<Item>(closing: ']' | '}', parse: () => Item): Item[] {
    const items: Item[] = [];
    while (!this.stream.isOperator(closing)) {
      if (items.length > 0) this.stream.expectOperator(',');
      if (this.stream.isOperator(closing)) break;
      items.push(parse());
    }
    this.stream.expectOperator(closing);
    return items;
  }

  private postfix(start: Expression): Expression {
    let value = start;
    while (true) {
      if (this.stream.isOperator('.')) value = this.attribute(value);
      else if (this.stream.isOperator('[')) value = this.subscript(value);
      else if (this.stream.isOperator('(')) value = this.call(value);
      else return value;
    }
  }

  private filtersAndTests(start: Expression): Expression {
    let value = start;
    while (true) {
      if (this.stream.isOperator('|')) value = this.filterChain(value) ?? value;
      else if (this.stream.isName('is')) value = this.test(value);
      else if (this.stream.isOperator('(')) value = this.call(value);
      else return value;
    }
  }

  private attribute(object: Expression): Expression {
    const { offset } = this.stream.next();
    const token = this.stream.next();
    if (token.type === 'name') return { kind: 'getattr', object, attribute: token.value, offset };
    if (token.type !== 'integer') this.fail('expected name or number', token.offset);
    const index: Expression = { kind: 'const', value: token.number, offset: token.offset };
    return { kind: 'getitem', object, index, offset };
  }

  private subscript(object: Expression): Expression {
    const { offset } = this.stream.next();
    const items: Expression[] = [];
    while (!this.stream.isOperator(']')) {
      if (items.length > 0) this.stream.expectOperator(',');
      items.push(this.subscribed());
    }
    this.stream.expectOperator(']');
    const [only] = items;
    const index: Expression = items.length === 1 && only !== undefined ? only : { kind: 'tuple', items, offset };
    return { kind: 'getitem', object, index, offset };
  }

  private subscribed(): Expression {
    const { offset } = this.stream.current;
    let start: Expression | null = null;
    if (!this.stream.skipOperator(':')) {
      start = this.expression();
      if (!this.stream.skipOperator(':')) return start;
    }
    const stop = this.sliceBound();
    const step = this.stream.skipOperator(':') ? this.sliceBound() : null;
    return { kind: 'slice', start, stop, step, offset };
  }

  private sliceBound(): Expression | null {
    const ends = [':', ']', ','].some((end) => this.stream.isOperator(end));
    return ends ? null : this.expression();
  }

  protected call(callee: Expression): CallExpression {
    const { offset } = this.stream.current;
    return { kind: 'call', callee, args: this.callArguments(), offset };
  }

  private callArguments(): Arguments {
    const { offset } = this.stream.expectOperator('(');
    const positional: Expression[] = [];
    const keywords: (readonly [string, Expression])[] = [];
    let restPositional: Expression | null = null;
    let restKeywords: Expression | null = null;
    const ensure = (valid: boolean): void => {
      if (!valid) this.fail('invalid syntax for function call expression', offset);
    };
    for (let isFirst = true; !this.stream.isOperator(')'); isFirst = false) {
      if (!isFirst) this.stream.expectOperator(',');
      if (this.stream.isOperator(')')) break;
      if (this.stream.isOperator('*')) {
        ensure(restPositional === null && restKeywords === null);
        this.stream.next();
        restPositional = this.expression();
      } else if (this.stream.isOperator('**')) {
        ensure(restKeywords === null);
        this.stream.next();
        restKeywords = this.expression();
      } else if (this.isKeyword()) {
        ensure(restKeywords === null);
        const key = this.stream.next().value;
        this.stream.next();
        keywords.push([key, this.expression()]);
      } else {
        ensure(restPositional === null && restKeywords === null && keywords.length === 0);
        positional.push(this.expression());
      }
    }
    this.stream.expectOperator(')');
    return { positional, keywords, restPositional, restKeywords };
  }

  private isKeyword(): boolean {
    if (this.stream.current.type !== 'name') return false;
    const following = this.stream.look();
    return following.type === 'operator' && following.value === '=';
  }

  private test(operand: Expression): Expression {
    const { offset } = this.stream.next();
    const isNegated = this.stream.skipName('not');
    const name = this.stream.expect('name').value + this.dottedRest();
    const test: Expression = { kind: 'test', operand, name, args: this.testArguments(), offset };
    return isNegated ? { kind: 'not', operand: test, offset } : test;
  }

  /** In parentheses like a call's, or one bare operand (`is divisibleby 3`). */
  private testArguments(): Arguments {
    if (this.stream.isOperator('(')) return this.callArguments();
    if (!this.startsBareArgument()) return NO_ARGUMENTS;
    if (this.stream.isName('is')) this.fail('You cannot chain multiple tests with is');
    return { ...NO_ARGUMENTS, positional: [this.postfix(this.primary())] };
  }

  private startsBareArgument(): boolean {
    const { type, value } = this.stream.current;
    if (type === 'name') return value !== 'else' && value !== 'or' && value !== 'and';
    return type === 'string' || type === 'integer' || type === 'float' || (type === 'operator' && '[{'.includes(value));
  }

  private dottedRest(): string {
    let rest = '';
    while (this.stream.skipOperator('.')) rest += `.${this.stream.expect('name').value}`;
    return rest;
  }
}

interface TupleOptions {
  /** Only names and literals. */
  readonly simplified?: boolean;
  readonly condition?: boolean;
  /** A word that ends the tuple as well. */
  readonly endName?: string;
  readonly parentheses?: boolean;
  readonly namespace?: boolean;
}

export const NO_ARGUMENTS: Arguments = { positional: [], keywords: [], restPositional: null, restKeywords: null };

const CONSTANTS: ReadonlyMap<string, null | boolean> = new Map<string, null | boolean>([
  ['true', true],
  ['True', true],
  ['false', false],
  ['False', false],
  ['none', null],
  ['None', null],
]);

const RESERVED_TARGETS: ReadonlySet<string> = new Set(CONSTANTS.keys());
const SUM_OPERATORS: readonly BinaryOperator[] = ['+', '-'];
const PRODUCT_OPERATORS: readonly BinaryOperator[] = ['*', '/', '//', '%'];
const POWER_OPERATORS: readonly BinaryOperator[] = ['**'];

function isComparison(value: string): value is '==' | '!=' | '<' | '<=' | '>' | '>=' {
  return ['==', '!=', '<', '<=', '>', '>='].includes(value);
}
