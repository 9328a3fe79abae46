import {
  type Insert,
  type Update,
  toValue,
  type BinaryOp,
  type Expr,
  type ResultColumn,
  type Select,
  type Source,
  type Statement,
} from './syntax.ts';

/** Reads a statement as the store writes them; `bindings` replace `??` (names) in order and stand for each `?` when it runs. */
export function parseSql(sql: string, bindings: readonly unknown[] = []): Statement {
  const known = STATEMENTS.get(sql);
  if (known !== undefined && known.bound === bindings.length) return known.statement;
  const parser = new Parser(sql, bindings, true);
  const statement = parser.statement();
  parser.end();
  if (!parser.needsBindings) STATEMENTS.set(sql, { statement, bound: bindings.length });
  return statement;
}

/** A piece of SQL inside a built statement: a condition or a value. */
export function parseExpression(sql: string, bindings: readonly unknown[] = []): Expr {
  const known = bindings.length === 0 ? EXPRESSIONS.get(sql) : undefined;
  if (known !== undefined) return known;
  const parser = new Parser(sql, bindings, false);
  const expr = parser.expression();
  parser.end();
  if (bindings.length === 0) EXPRESSIONS.set(sql, expr);
  return expr;
}

export function parseOrder(sql: string, bindings: readonly unknown[] = []): Select['orderBy'] {
  const parser = new Parser(sql, bindings, false);
  const order = parser.order();
  parser.end();
  return order;
}

/** The store has a limited number of texts: each is read once. */
const STATEMENTS = new Map<string, { readonly statement: Statement; readonly bound: number }>();
const EXPRESSIONS = new Map<string, Expr>();

const TOKEN =
  /\s*(?:('(?:[^']|'')*')|("[^"]*"|`[^`]*`)|(\d+(?:\.\d+)?)|([A-Za-z_][A-Za-z_0-9]*)|(\?\?|\?|<>|!=|<=|>=|\|\||[-+*=<>(),.]))/y;

type Token =
  | { readonly kind: 'text' | 'name' | 'word' | 'sign'; readonly text: string }
  | { readonly kind: 'number'; readonly text: string };

function tokens(sql: string): Token[] {
  const found: Token[] = [];
  TOKEN.lastIndex = 0;
  const text = sql.trimEnd();
  while (TOKEN.lastIndex < text.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null) throw new Error(`the model store cannot read SQL at: ${text.slice(at, at + 40)}`);
    const [, string, quoted, number, word, sign] = match;
    if (string !== undefined) found.push({ kind: 'text', text: string.slice(1, -1).replaceAll("''", "'") });
    else if (quoted !== undefined) found.push({ kind: 'name', text: quoted.slice(1, -1) });
    else if (number !== undefined) found.push({ kind: 'number', text: number });
    else if (word !== undefined) found.push({ kind: 'word', text: word });
    else found.push({ kind: 'sign', text: sign ?? '' });
  }
  return found;
}

class Parser {
  private readonly sql: string;
  private readonly tokens: readonly Token[];
  private readonly bindings: readonly unknown[];
  /** Whether each `?` stays open until the statement runs. */
  private readonly isOpen: boolean;
  private at = 0;
  private bound = 0;
  /** Whether what was read depends on the bindings. */
  needsBindings = false;

  constructor(sql: string, bindings: readonly unknown[], isOpen: boolean) {
    this.sql = sql;
    this.tokens = tokens(sql);
    this.bindings = bindings;
    this.isOpen = isOpen;
  }

  end(): void {
    if (this.at < this.tokens.length) throw this.wrong('the end');
  }

  statement(): Statement {
    if (this.isWord('create')) {
      this.at = this.tokens.length;
      return { kind: 'create-table', sql: this.sql };
    }
    if (this.isWord('insert')) return this.insert();
    if (this.isWord('update')) return this.update();
    if (this.isWord('delete')) return this.delete();
    return this.select();
  }

  expression(): Expr {
    let left = this.conjunction();
    while (this.takeWord('or')) left = { kind: 'binary', op: 'or', left, right: this.conjunction() };
    return left;
  }

  order(): Select['orderBy'] {
    return this.list(() => {
      const by = this.expression();
      const descending = this.takeWord('desc');
      if (!descending) this.takeWord('asc');
      return { by, descending };
    });
  }

  private select(): Select {
    const withs: Select['with'][number][] = [];
    if (this.takeWord('with')) {
      this.takeWord('recursive');
      withs.push(...this.list(() => this.commonTable()));
    }
    this.word('select');
    const distinct = this.takeWord('distinct');
    const columns = this.list(() => this.resultColumn());
    const from: Source[] = this.takeWord('from') ? this.sources() : [];
    const where = this.takeWord('where') ? this.expression() : null;
    const groupBy = this.takeWord('group') && this.takeWord('by') ? this.list(() => this.expression()) : [];
    const orderBy = this.takeWord('order') && this.takeWord('by') ? this.order() : [];
    const limit = this.takeWord('limit') ? Number(this.constant()) : null;
    const offset = this.takeWord('offset') ? Number(this.constant()) : 0;
    return { kind: 'select', with: withs, from, where, groupBy, columns, distinct, orderBy, limit, offset };
  }

  private commonTable(): Select['with'][number] {
    const name = this.name();
    const columns = this.takeSign('(') ? this.list(() => this.name()) : [];
    if (columns.length > 0) this.sign(')');
    this.word('as');
    this.sign('(');
    const first = this.select();
    const then = this.takeWord('union') ? (this.takeWord('all'), this.select()) : null;
    this.sign(')');
    return { name, columns, first, then };
  }

  private insert(): Statement {
    this.word('insert');
    this.word('into');
    const table = this.name();
    let columns: string[] = [];
    if (this.takeSign('(')) {
      columns = this.list(() => this.name());
      this.sign(')');
    }
    let rows: readonly (readonly Expr[])[] | Select;
    if (this.takeWord('values')) {
      rows = this.list(() => {
        this.sign('(');
        const row = this.list(() => this.expression());
        this.sign(')');
        return row;
      });
    } else rows = this.select();
    let onConflict: Insert['onConflict'] = 'fail';
    if (this.takeWord('on')) {
      this.word('conflict');
      if (this.takeSign('(')) {
        this.list(() => this.name());
        this.sign(')');
      }
      this.word('do');
      if (this.takeWord('nothing')) onConflict = 'ignore';
      else {
        this.word('update');
        this.word('set');
        const set = this.assignments();
        onConflict = { set, where: this.takeWord('where') ? this.expression() : null };
      }
    }
    return { kind: 'insert', table, columns, rows, onConflict, returning: this.returning() };
  }

  private assignments(): Update['set'] {
    return this.list((): readonly [string, Expr] => {
      const column = this.name();
      this.sign('=');
      return [column, this.expression()];
    });
  }

  private update(): Statement {
    this.word('update');
    const table = this.name();
    this.word('set');
    const set = this.assignments();
    const from = this.takeWord('from') ? this.sources() : [];
    const where = this.takeWord('where') ? this.expression() : null;
    return { kind: 'update', table, set, from, where, returning: this.returning() };
  }

  private delete(): Statement {
    this.word('delete');
    this.word('from');
    const table = this.name();
    const where = this.takeWord('where') ? this.expression() : null;
    return { kind: 'delete', table, where, returning: this.returning() };
  }

  private returning(): readonly ResultColumn[] {
    return this.takeWord('returning') ? this.list(() => this.resultColumn()) : [];
  }

  private resultColumn(): ResultColumn {
    if (this.takeSign('*')) return { kind: 'all', table: null };
    const next = this.tokens[this.at + 1];
    const after = this.tokens[this.at + 2];
    if (next?.text === '.' && after?.text === '*') {
      const table = this.name();
      this.at += 2;
      return { kind: 'all', table };
    }
    const begin = this.at;
    const expr = this.expression();
    const written = this.tokens
      .slice(begin, this.at)
      .map((token) => token.text)
      .join('');
    const named = this.takeWord('as') ? this.name() : null;
    return { kind: 'expr', expr, as: named ?? (expr.kind === 'column' ? expr.name : written) };
  }

  private sources(): Source[] {
    const sources = [this.source(false)];
    for (;;) {
      if (this.takeSign(',')) sources.push(this.source(false));
      else if (this.isWord('join') || this.isWord('inner') || this.isWord('left')) {
        const isLeft = this.takeWord('left');
        this.takeWord('inner');
        this.takeWord('outer');
        this.word('join');
        const source = this.source(isLeft);
        sources.push(this.takeWord('on') ? { ...source, on: this.expression() } : source);
      } else return sources;
    }
  }

  private source(isLeft: boolean): Source {
    const alias = (otherwise: string): string => {
      if (this.takeWord('as')) return this.name();
      const next = this.tokens[this.at];
      const isName =
        next !== undefined &&
        (next.kind === 'name' || (next.kind === 'word' && !KEYWORDS.has(next.text.toLowerCase())));
      return isName ? this.name() : otherwise;
    };
    if (this.takeSign('(')) {
      const query = this.select();
      this.sign(')');
      return { of: { kind: 'query', query }, alias: alias('source'), on: null, isLeft };
    }
    const name = this.name();
    if (name === 'json_each') {
      this.sign('(');
      const of = this.expression();
      this.sign(')');
      return { of: { kind: 'json-each', of }, alias: alias(name), on: null, isLeft };
    }
    return { of: { kind: 'table', name }, alias: alias(name), on: null, isLeft };
  }

  private conjunction(): Expr {
    let left = this.negation();
    while (this.takeWord('and')) left = { kind: 'binary', op: 'and', left, right: this.negation() };
    return left;
  }

  private negation(): Expr {
    if (this.takeWord('not')) return { kind: 'not', of: this.negation() };
    return this.comparison();
  }

  private comparison(): Expr {
    const left = this.sum();
    const isNegative = this.takeWord('not');
    const turned = (expr: Expr): Expr => (isNegative ? { kind: 'not', of: expr } : expr);
    if (this.takeWord('in')) {
      this.sign('(');
      const list = this.isWord('select') || this.isWord('with') ? this.select() : this.list(() => this.expression());
      this.sign(')');
      return turned({ kind: 'in', of: left, list });
    }
    if (this.takeWord('like')) return turned({ kind: 'binary', op: 'like', left, right: this.sum() });
    if (isNegative) throw this.wrong("'in' or 'like'");
    if (this.takeWord('is')) {
      const not = this.takeWord('not');
      this.word('null');
      const expr: Expr = { kind: 'is-null', of: left };
      return not ? { kind: 'not', of: expr } : expr;
    }
    for (const [sign, op] of COMPARISONS)
      if (this.takeSign(sign)) return { kind: 'binary', op, left, right: this.sum() };
    return left;
  }

  private sum(): Expr {
    let left = this.operand();
    for (;;) {
      const op = (['+', '-', '||', '*'] as const).find((sign) => this.takeSign(sign));
      if (op === undefined) return left;
      left = { kind: 'binary', op, left, right: this.operand() };
    }
  }

  private operand(): Expr {
    if (this.takeSign('(')) {
      const inner = this.expression();
      this.sign(')');
      return inner;
    }
    if (this.takeSign('?')) {
      const index = this.bound;
      const value = this.binding();
      return this.isOpen ? { kind: 'bound', index } : { kind: 'value', value: toValue(value) };
    }
    if (this.takeSign('-'))
      return { kind: 'binary', op: '-', left: { kind: 'value', value: 0 }, right: this.operand() };
    if (this.takeWord('null')) return { kind: 'value', value: null };
    if (this.takeWord('true')) return { kind: 'value', value: 1 };
    if (this.takeWord('false')) return { kind: 'value', value: 0 };
    if (this.takeWord('exists')) {
      this.sign('(');
      const query = this.select();
      this.sign(')');
      return { kind: 'exists', query };
    }
    if (this.takeWord('case')) return this.cases();
    if (this.isWord('cast')) return this.cast();
    const token = this.tokens[this.at];
    if (token?.kind === 'number' || token?.kind === 'text') {
      this.at++;
      return { kind: 'value', value: token.kind === 'number' ? Number(token.text) : token.text };
    }
    const name = this.name();
    if (this.takeSign('(')) {
      if (this.takeSign('*')) {
        this.sign(')');
        return { kind: 'call', name: name.toLowerCase(), args: [] };
      }
      const args = this.takeSign(')') ? null : this.list(() => this.expression());
      if (args !== null) this.sign(')');
      return { kind: 'call', name: name.toLowerCase(), args: args ?? [] };
    }
    if (this.takeSign('.')) return { kind: 'column', table: name, name: this.name() };
    return { kind: 'column', table: null, name };
  }

  /** `cast(… as integer)`, the only one in use. */
  private cast(): Expr {
    this.word('cast');
    this.sign('(');
    const arg = this.expression();
    this.word('as');
    this.word('integer');
    this.sign(')');
    return { kind: 'call', name: 'integer', args: [arg] };
  }

  private cases(): Expr {
    const whens: (readonly [Expr, Expr])[] = [];
    while (this.takeWord('when')) {
      const when = this.expression();
      this.word('then');
      whens.push([when, this.expression()]);
    }
    const otherwise: Expr = this.takeWord('else') ? this.expression() : { kind: 'value', value: null };
    this.word('end');
    return { kind: 'case', whens, otherwise };
  }

  private constant(): unknown {
    if (this.takeSign('?')) {
      this.needsBindings = true;
      return this.binding();
    }
    const token = this.tokens[this.at++];
    if (token?.kind !== 'number') throw this.wrong('a number');
    return token.text;
  }

  private binding(): unknown {
    if (this.bound >= this.bindings.length) throw new Error(`too few bindings for: ${this.sql}`);
    return this.bindings[this.bound++];
  }

  private name(): string {
    if (this.takeSign('??')) {
      this.needsBindings = true;
      return String(this.binding());
    }
    const token = this.tokens[this.at++];
    if (token === undefined || (token.kind !== 'word' && token.kind !== 'name')) throw this.wrong('a name');
    return token.text;
  }

  private list<T>(one: () => T): T[] {
    const items = [one()];
    while (this.takeSign(',')) items.push(one());
    return items;
  }

  private isWord(word: string): boolean {
    const token = this.tokens[this.at];
    return token?.kind === 'word' && token.text.toLowerCase() === word;
  }

  private takeWord(word: string): boolean {
    if (!this.isWord(word)) return false;
    this.at++;
    return true;
  }

  private word(word: string): void {
    if (!this.takeWord(word)) throw this.wrong(`'${word}'`);
  }

  private takeSign(sign: string): boolean {
    const token = this.tokens[this.at];
    if (token?.kind !== 'sign' || token.text !== sign) return false;
    this.at++;
    return true;
  }

  private sign(sign: string): void {
    if (!this.takeSign(sign)) throw this.wrong(`'${sign}'`);
  }

  private wrong(wanted: string): Error {
    const seen = this.tokens[this.at]?.text ?? 'the end';
    return new Error(`the model store expected ${wanted} and found '${seen}' in: ${this.sql}`);
  }
}

const COMPARISONS: readonly (readonly [string, BinaryOp])[] = [
  ['=', '='],
  ['<>', '<>'],
  ['!=', '<>'],
  ['<=', '<='],
  ['>=', '>='],
  ['<', '<'],
  ['>', '>'],
];

const KEYWORDS: ReadonlySet<string> = new Set([
  'join',
  'inner',
  'left',
  'outer',
  'on',
  'where',
  'group',
  'order',
  'limit',
  'offset',
  'returning',
  'union',
  'set',
  'do',
  'for',
]);
