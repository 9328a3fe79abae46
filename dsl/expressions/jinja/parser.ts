import type {
  BlockStatement,
  Body,
  Expression,
  ForStatement,
  IfStatement,
  LoaderStatement,
  Signature,
  Statement,
  WithStatement,
} from './ast.ts';
import { assertionError, syntaxError } from './errors.ts';
import { ExpressionParser } from './expression-parser.ts';
import { TokenStream } from './token-stream.ts';

/**
 * The tree of a template, as Jinja2's `Environment.parse`: filters and tests need not exist.
 *
 * @throws JinjaError `TemplateSyntaxError`, with the offset.
 */
export function parseTemplate(source: string): Body {
  return new Parser(new TokenStream(source, 'template')).template();
}

/** The tree of the inside of one `{{ … }}`, as `Environment.compile_expression`. */
export function parseExpression(source: string): Expression {
  const stream = new TokenStream(source, 'variable');
  const expression = new ExpressionParser(stream).expression();
  if (stream.current.type !== 'eof') throw syntaxError('chunk after expression', stream.current.offset);
  return expression;
}

const MAX_NESTED_STATEMENTS = 100;

class Parser extends ExpressionParser {
  private readonly tags: string[] = [];
  private readonly awaited: (readonly string[])[] = [];

  template(): Body {
    return this.statements(null);
  }

  /** Statements up to one of the end tags, which is then the current token; null: up to the end of the text. */
  private statements(ends: readonly string[] | null): Body {
    const body: Statement[] = [];
    if (ends !== null) this.awaited.push(ends);
    while (this.stream.current.type !== 'eof') {
      const token = this.stream.next();
      if (token.type === 'data') {
        body.push({ kind: 'text', text: token.value, offset: token.offset });
      } else if (token.type === 'variable_begin') {
        body.push({ kind: 'print', value: this.tuple(), offset: token.offset });
        this.stream.expect('variable_end');
      } else {
        if (ends?.some((end) => this.stream.isName(end)) === true) break;
        body.push(...this.statement());
        this.stream.expect('block_end');
      }
    }
    if (ends !== null) this.awaited.pop();
    return body;
  }

  /** The body of a tag: its end, the statements, and the end tag, which is left for the caller or dropped. */
  private body(ends: readonly string[], dropEnd: boolean): Body {
    this.stream.skipOperator(':');
    this.stream.expect('block_end');
    const body = this.statements(ends);
    if (this.stream.current.type === 'eof') this.failUnclosed(null, [...this.awaited, ends]);
    if (dropEnd) this.stream.next();
    return body;
  }

  private statement(): readonly Statement[] {
    const token = this.stream.current;
    if (token.type !== 'name') this.fail('tag name expected');
    const parse = STATEMENTS.get(token.value);
    if (parse === undefined) return this.failUnclosed(token.value, this.awaited);
    this.tags.push(token.value);
    if (this.tags.length > MAX_NESTED_STATEMENTS) this.fail(`tags may nest at most ${MAX_NESTED_STATEMENTS} levels`);
    const statements = parse(this, this.stream.next().offset);
    this.tags.pop();
    return statements;
  }

  set(offset: number): Statement {
    const target = this.target({ namespace: true });
    if (this.stream.skipOperator('=')) return { kind: 'set', target, value: this.tuple(), offset };
    const filter = this.filterChain(null);
    return { kind: 'set-block', target, filter, body: this.body(['endset'], true), offset };
  }

  for(offset: number): ForStatement {
    const target = this.target({ endName: 'in' });
    this.stream.expectName('in');
    const iterable = this.tuple({ condition: false, endName: 'recursive' });
    const condition = this.stream.skipName('if') ? this.expression() : null;
    const recursive = this.stream.skipName('recursive');
    const body = this.body(['endfor', 'else'], false);
    const otherwise = this.stream.next().value === 'endfor' ? [] : this.body(['endfor'], true);
    return { kind: 'for', target, iterable, body, otherwise, condition, recursive, offset };
  }

  if(offset: number): IfStatement {
    const branches: IfStatement['branches'][number][] = [];
    while (true) {
      const condition = this.tuple({ condition: false });
      branches.push({ condition, body: this.body(['elif', 'else', 'endif'], false) });
      const end = this.stream.next().value;
      if (end === 'elif') continue;
      const otherwise = end === 'else' ? this.body(['endif'], true) : [];
      return { kind: 'if', branches, otherwise, offset };
    }
  }

  with(offset: number): WithStatement {
    const bindings: WithStatement['bindings'][number][] = [];
    while (this.stream.current.type !== 'block_end') {
      if (bindings.length > 0) this.stream.expectOperator(',');
      const target = this.target();
      this.stream.expectOperator('=');
      bindings.push({ target, value: this.expression() });
    }
    return { kind: 'with', bindings, body: this.body(['endwith'], true), offset };
  }

  autoescape(offset: number): Statement {
    const value = this.expression();
    return { kind: 'autoescape', value, body: this.body(['endautoescape'], true), offset };
  }

  block(offset: number): BlockStatement {
    const name = this.stream.expect('name').value;
    const scoped = this.stream.skipName('scoped');
    const required = this.stream.skipName('required');
    if (this.stream.isOperator('-')) {
      this.fail(
        'Block names in Jinja have to be valid Python identifiers and may not contain hyphens, use an underscore instead.',
      );
    }
    const body = this.body(['endblock'], true);
    if (required && body.some((part) => part.kind !== 'text' || part.text.trim() !== '')) {
      this.fail('Required blocks can only contain comments or whitespace');
    }
    this.stream.skipName(name);
    return { kind: 'block', name, scoped, required, body, offset };
  }

  macro(offset: number): Statement {
    const name = this.targetName();
    const signature = this.signature();
    return { kind: 'macro', name, signature, body: this.body(['endmacro'], true), offset };
  }

  callBlock(offset: number): Statement {
    const signature = this.stream.isOperator('(') ? this.signature() : { parameters: [], defaults: [] };
    const call = this.expression();
    if (call.kind !== 'call') this.fail('expected call', offset);
    return { kind: 'call-block', call, signature, body: this.body(['endcall'], true), offset };
  }

  filterBlock(offset: number): Statement {
    const filter = this.filterChain(null, true);
    if (filter === null) this.fail('expected a filter', offset);
    return { kind: 'filter-block', filter, body: this.body(['endfilter'], true), offset };
  }

  print(offset: number): readonly Statement[] {
    const statements: Statement[] = [];
    while (this.stream.current.type !== 'block_end') {
      if (statements.length > 0) this.stream.expectOperator(',');
      statements.push({ kind: 'print', value: this.expression(), offset });
    }
    return statements;
  }

  extends(offset: number): LoaderStatement {
    return { kind: 'loader', keyword: 'extends', template: this.expression(), offset };
  }

  include(offset: number): LoaderStatement {
    const template = this.expression();
    if (this.stream.isName('ignore') && this.stream.look().value === 'missing') this.skipTwo();
    this.importContext();
    return { kind: 'loader', keyword: 'include', template, offset };
  }

  import(offset: number): LoaderStatement {
    const template = this.expression();
    this.stream.expectName('as');
    this.targetName();
    this.importContext();
    return { kind: 'loader', keyword: 'import', template, offset };
  }

  from(offset: number): LoaderStatement {
    const template = this.expression();
    this.stream.expectName('import');
    for (let isFirst = true; ; isFirst = false) {
      if (!isFirst) this.stream.expectOperator(',');
      if (this.stream.current.type !== 'name') this.stream.expect('name');
      if (this.importContext()) break;
      this.importedName();
      if (this.importContext() || !this.stream.isOperator(',')) break;
    }
    return { kind: 'loader', keyword: 'from', template, offset };
  }

  private importedName(): void {
    const { offset } = this.stream.current;
    const name = this.targetName();
    if (name.startsWith('_')) throw assertionError('names starting with an underline can not be imported', offset);
    if (this.stream.skipName('as')) this.targetName();
  }

  private importContext(): boolean {
    if (!this.stream.isName('with') && !this.stream.isName('without')) return false;
    if (this.stream.look().value !== 'context') return false;
    this.skipTwo();
    return true;
  }

  private skipTwo(): void {
    this.stream.next();
    this.stream.next();
  }

  private signature(): Signature {
    const parameters: string[] = [];
    const defaults: Expression[] = [];
    this.stream.expectOperator('(');
    while (!this.stream.isOperator(')')) {
      if (parameters.length > 0) this.stream.expectOperator(',');
      const name = this.targetName();
      if (this.stream.skipOperator('=')) defaults.push(this.expression());
      else if (defaults.length > 0) this.fail('non-default argument follows default argument');
      parameters.push(name);
    }
    this.stream.expectOperator(')');
    return { parameters, defaults };
  }

  /** An unknown tag (`name`), or the end of the text (null), where end tags are awaited. */
  private failUnclosed(name: string | null, awaited: readonly (readonly string[])[]): never {
    const message = [name === null ? 'Unexpected end of template.' : `Encountered unknown tag '${name}'.`];
    const innermost = awaited
      .at(-1)
      ?.map((tag) => `'${tag}'`)
      .join(' or ');
    if (innermost !== undefined) {
      message.push(
        name !== null && awaited.some((tags) => tags.includes(name))
          ? `You probably made a nesting mistake. Jinja is expecting this tag, but currently looking for ${innermost}.`
          : `Jinja was looking for the following tags: ${innermost}.`,
      );
    }
    const tag = this.tags.at(-1);
    if (tag !== undefined) message.push(`The innermost block that needs to be closed is '${tag}'.`);
    return this.fail(message.join(' '));
  }
}

const STATEMENTS: ReadonlyMap<string, (parser: Parser, offset: number) => readonly Statement[]> = new Map<
  string,
  (parser: Parser, offset: number) => readonly Statement[]
>([
  ['for', (parser, offset) => [parser.for(offset)]],
  ['if', (parser, offset) => [parser.if(offset)]],
  ['block', (parser, offset) => [parser.block(offset)]],
  ['extends', (parser, offset) => [parser.extends(offset)]],
  ['print', (parser, offset) => parser.print(offset)],
  ['macro', (parser, offset) => [parser.macro(offset)]],
  ['include', (parser, offset) => [parser.include(offset)]],
  ['from', (parser, offset) => [parser.from(offset)]],
  ['import', (parser, offset) => [parser.import(offset)]],
  ['set', (parser, offset) => [parser.set(offset)]],
  ['with', (parser, offset) => [parser.with(offset)]],
  ['autoescape', (parser, offset) => [parser.autoescape(offset)]],
  ['call', (parser, offset) => [parser.callBlock(offset)]],
  ['filter', (parser, offset) => [parser.filterBlock(offset)]],
]);
