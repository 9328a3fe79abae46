import { runDelete, runInsert, runSelect, runUpdate, type Data } from './run.ts';
import { parseExpression, parseOrder } from './sql.ts';
import {
  and,
  columnOf,
  toValue,
  type BinaryOp,
  type Expr,
  type ResultColumn,
  type Select,
  type Source,
  type Statement,
} from './syntax.ts';
import type { Row, Value } from './tables.ts';

/** A piece of SQL, alone or inside a statement. */
export class RawSql {
  readonly sql: string;
  readonly bindings: readonly unknown[];
  private readonly run: (raw: RawSql) => Promise<unknown>;

  constructor(sql: string, bindings: unknown, run: (raw: RawSql) => Promise<unknown>) {
    this.sql = sql;
    this.bindings = Array.isArray(bindings) ? bindings : bindings === undefined ? [] : [bindings];
    this.run = run;
  }

  // oxlint-disable-next-line unicorn/no-thenable -- knex's raw statements are
  then<A, B>(done?: ((value: unknown) => A) | null, failed?: ((error: unknown) => B) | null): Promise<A | B> {
    return this.run(this).then(done, failed);
  }
}

export type Answer = 'rows' | 'first' | 'count' | 'pluck';

/** How a connection runs a statement. */
export interface Connection {
  run<T>(isWrite: boolean, what: string, work: (data: Data) => T): Promise<T>;
}

type Where = (query: Query) => unknown;

/** The part of knex's builder that the store uses, with the same meaning. Anything else throws by its name. */
export class Query {
  private readonly connection: Connection;
  private source: Source;
  private readonly joins: Source[] = [];
  private conditions: { readonly op: 'and' | 'or'; readonly expr: Expr }[] = [];
  private isNext: 'and' | 'or' = 'and';
  private columns: ResultColumn[] = [];
  private orders: Select['orderBy'][number][] = [];
  private groups: Expr[] = [];
  private isDistinct = false;
  private most: number | null = null;
  private skipped = 0;
  private answer: Answer = 'rows';
  private change: Statement['kind'] = 'select';
  private values: readonly Readonly<Record<string, unknown>>[] = [];
  private returned: ResultColumn[] | null = null;
  private ignores = false;

  constructor(connection: Connection, table: string) {
    this.connection = connection;
    this.source = sourceOf(table);
  }

  from(table: string): this {
    this.source = sourceOf(table);
    return this;
  }

  where(first: unknown, second?: unknown, third?: unknown): this {
    return this.add(this.conditionOf(first, second, third, arguments.length));
  }

  andWhere(first: unknown, second?: unknown, third?: unknown): this {
    return this.add(this.conditionOf(first, second, third, arguments.length));
  }

  orWhere(first: unknown, second?: unknown, third?: unknown): this {
    this.isNext = 'or';
    return this.add(this.conditionOf(first, second, third, arguments.length));
  }

  whereNot(first: unknown, second?: unknown, third?: unknown): this {
    return this.add(not(this.conditionOf(first, second, third, arguments.length)));
  }

  orWhereNot(first: unknown, second?: unknown, third?: unknown): this {
    this.isNext = 'or';
    return this.whereNot(...([first, second, third].slice(0, arguments.length) as [unknown]));
  }

  whereIn(column: string, list: unknown): this {
    return this.add(isIn(column, this.asList(list)));
  }

  orWhereIn(column: string, list: unknown): this {
    this.isNext = 'or';
    return this.whereIn(column, list);
  }

  whereNotIn(column: string, list: unknown): this {
    return this.add(not(isIn(column, this.asList(list))));
  }

  whereNull(column: string): this {
    return this.add({ kind: 'is-null', of: columnOf(column) });
  }

  orWhereNull(column: string): this {
    this.isNext = 'or';
    return this.whereNull(column);
  }

  whereNotNull(column: string): this {
    return this.add(not({ kind: 'is-null', of: columnOf(column) }));
  }

  whereRaw(sql: string, bindings?: unknown): this {
    return this.add(
      parseExpression(sql, Array.isArray(bindings) ? bindings : bindings === undefined ? [] : [bindings]),
    );
  }

  whereExists(query: unknown): this {
    return this.add(this.exists(query));
  }

  orWhereExists(query: unknown): this {
    this.isNext = 'or';
    return this.whereExists(query);
  }

  orWhereNotExists(query: unknown): this {
    this.isNext = 'or';
    return this.whereNotExists(query);
  }

  whereNotExists(query: unknown): this {
    return this.add(not(this.exists(query)));
  }

  join(table: string, left: string, second: string, third?: string): this {
    return this.joinWith(table, left, third ?? second, false);
  }

  leftJoin(table: string, left: string, second: string, third?: string): this {
    return this.joinWith(table, left, third ?? second, true);
  }

  select(...columns: readonly unknown[]): this {
    this.columns.push(...columns.flat().map(resultColumn));
    return this;
  }

  distinct(...columns: readonly unknown[]): this {
    this.isDistinct = true;
    return this.select(...columns);
  }

  first(...columns: readonly unknown[]): this {
    this.select(...columns);
    this.answer = 'first';
    this.most = 1;
    return this;
  }

  pluck(column: string): this {
    this.columns = [resultColumn(column)];
    this.answer = 'pluck';
    return this;
  }

  count(what: unknown = '*', options?: { readonly as?: string }): this {
    return this.aggregate('count', what, options?.as);
  }

  max(what: unknown, options?: { readonly as?: string }): this {
    return this.aggregate('max', what, options?.as);
  }

  min(what: unknown, options?: { readonly as?: string }): this {
    return this.aggregate('min', what, options?.as);
  }

  groupBy(...columns: readonly (string | readonly string[])[]): this {
    this.groups.push(...columns.flat().map(columnOf));
    return this;
  }

  orderBy(
    column: string | readonly (string | { readonly column: string; readonly order?: string })[],
    direction = 'asc',
  ): this {
    for (const item of typeof column === 'string' ? [{ column, order: direction }] : column) {
      const { column: by, order = 'asc' } = typeof item === 'string' ? { column: item } : item;
      this.orders.push({ by: columnOf(by), descending: order.toLowerCase() === 'desc' });
    }
    return this;
  }

  orderByRaw(sql: string, bindings: readonly unknown[] = []): this {
    this.orders.push(...parseOrder(sql, bindings));
    return this;
  }

  limit(most: number): this {
    this.most = most;
    return this;
  }

  offset(skipped: number): this {
    this.skipped = skipped;
    return this;
  }

  insert(rows: Readonly<Record<string, unknown>> | readonly Readonly<Record<string, unknown>>[]): this {
    this.change = 'insert';
    this.values = Array.isArray(rows) ? rows : [rows as Readonly<Record<string, unknown>>];
    return this;
  }

  onConflict(_columns?: unknown): this {
    return this;
  }

  /** One writer at a time: what a transaction reads stays as it is. */
  forShare(): this {
    return this;
  }

  ignore(): this {
    this.ignores = true;
    return this;
  }

  update(first: Readonly<Record<string, unknown>> | string, value?: unknown): this {
    this.change = 'update';
    this.values = [typeof first === 'string' ? { [first]: value } : first];
    return this;
  }

  increment(column: string, amount = 1): this {
    const by: Expr = { kind: 'value', value: amount };
    return this.update({ [column]: { kind: 'binary', op: '+', left: columnOf(column), right: by } satisfies Expr });
  }

  delete(): this {
    this.change = 'delete';
    return this;
  }

  del(): this {
    return this.delete();
  }

  returning(columns: string | readonly string[]): this {
    this.returned = [columns].flat().map(resultColumn);
    return this;
  }

  clone(): Query {
    const copy = new Query(this.connection, `${this.tableName} as ${this.source.alias}`);
    Object.assign(copy, this, {
      conditions: [...this.conditions],
      joins: [...this.joins],
      columns: [...this.columns],
      orders: [...this.orders],
      groups: [...this.groups],
    });
    return copy;
  }

  // oxlint-disable-next-line unicorn/no-thenable -- knex's builders are
  then<A, B>(done?: ((value: unknown) => A) | null, failed?: ((error: unknown) => B) | null): Promise<A | B> {
    return this.run().then(done, failed);
  }

  catch<B>(failed: (error: unknown) => B): Promise<unknown> {
    return this.run().catch(failed);
  }

  toSelect(): Select {
    return {
      kind: 'select',
      with: [],
      from: [this.source, ...this.joins],
      where: this.condition,
      groupBy: this.groups,
      columns: this.columns.length === 0 ? [{ kind: 'all', table: null }] : this.columns,
      distinct: this.isDistinct,
      orderBy: this.orders,
      limit: this.most,
      offset: this.skipped,
    };
  }

  private run(): Promise<unknown> {
    const { change } = this;
    return this.connection.run(change !== 'select', `${change} ${this.tableName}`, (data) => this.perform(data));
  }

  private perform(data: Data): unknown {
    const table = this.tableName;
    const returning = this.returned ?? [];
    switch (this.change) {
      case 'insert': {
        let count = 0;
        const rows: Row[] = [];
        for (const row of this.values) {
          const columns = Object.keys(row).filter((column) => row[column] !== undefined);
          const made = runInsert(data, {
            kind: 'insert',
            table,
            columns,
            rows: [columns.map((column) => exprOf(row[column]))],
            onConflict: this.ignores ? 'ignore' : 'fail',
            returning,
          });
          count += made.count;
          rows.push(...made.rows);
        }
        return this.returned === null ? [count] : rows;
      }
      case 'update': {
        const set = Object.entries(this.values[0] ?? {})
          .filter(([, value]) => value !== undefined)
          .map(([column, value]): readonly [string, Expr] => [column, exprOf(value)]);
        const done = runUpdate(data, { kind: 'update', table, set, from: [], where: this.condition, returning });
        return this.returned === null ? done.count : done.rows;
      }
      case 'delete': {
        const done = runDelete(data, { kind: 'delete', table, where: this.condition, returning });
        return this.returned === null ? done.count : done.rows;
      }
      default: {
        const rows = runSelect(data, this.toSelect());
        if (this.answer === 'first') return rows[0];
        return this.answer === 'pluck' ? rows.map((row) => Object.values(row)[0]) : rows;
      }
    }
  }

  private get tableName(): string {
    return this.source.of.kind === 'table' ? this.source.of.name : '';
  }

  private add(expr: Expr | null): this {
    const op = this.isNext;
    this.isNext = 'and';
    if (expr !== null) this.conditions.push({ op, expr });
    return this;
  }

  /** As in the text that knex would write: `and` binds tighter than `or`. */
  private get condition(): Expr | null {
    let all: Expr | null = null;
    let group: Expr | null = null;
    for (const { op, expr } of this.conditions) {
      if (op === 'or' && group !== null) {
        all = all === null ? group : { kind: 'binary', op: 'or', left: all, right: group };
        group = expr;
      } else group = and(group, expr);
    }
    return all === null || group === null ? (all ?? group) : { kind: 'binary', op: 'or', left: all, right: group };
  }

  private conditionOf(first: unknown, second: unknown, third: unknown, count: number): Expr | null {
    if (typeof first === 'function') {
      const group = new Query(this.connection, this.tableName);
      (first as Where).call(group, group);
      return group.condition;
    }
    if (first instanceof RawSql) return parseExpression(first.sql, first.bindings);
    if (typeof first === 'object' && first !== null) {
      return Object.entries(first).reduce<Expr | null>((all, [column, value]) => and(all, equals(column, value)), null);
    }
    if (typeof first !== 'string') throw new Error(`the model store cannot read a condition of type ${typeof first}`);
    if (count === 2) return equals(first, second);
    const op = String(second).toLowerCase();
    if (op === 'in') return isIn(first, third);
    if (!isOperator(op)) throw new Error(`the model store has no operator '${op}'`);
    return { kind: 'binary', op: op === '!=' ? '<>' : op, left: columnOf(first), right: exprOf(third) };
  }

  /** A query may be written as a function that fills one. */
  private asList(list: unknown): unknown {
    if (typeof list !== 'function') return list;
    const query = new Query(this.connection, '');
    (list as Where).call(query, query);
    return query;
  }

  private exists(query: unknown): Expr {
    const inner = this.asList(query);
    if (!(inner instanceof Query)) throw new Error('the model store needs a query for exists');
    return { kind: 'exists', query: inner.toSelect() };
  }

  private joinWith(table: string, left: string, right: string, isLeft: boolean): this {
    const [name = '', alias] = table.split(/\s+as\s+/i);
    const on: Expr = { kind: 'binary', op: '=', left: columnOf(left), right: columnOf(right) };
    this.joins.push({ of: { kind: 'table', name }, alias: alias ?? name, on, isLeft });
    return this;
  }

  private aggregate(name: string, what: unknown, as: string | undefined): this {
    const [title, column] =
      typeof what === 'object' && what !== null
        ? ((Object.entries(what)[0] ?? ['', '']) as [string, string])
        : [as ?? `${name}(${String(what)})`, String(what)];
    const args = column === '*' ? [] : [columnOf(column)];
    this.columns.push({ kind: 'expr', expr: { kind: 'call', name, args }, as: title });
    return this;
  }
}

function sourceOf(table: string): Source {
  const [name = '', alias] = table.split(/\s+as\s+/i);
  return { of: { kind: 'table', name }, alias: alias ?? name, on: null, isLeft: false };
}

function equals(column: string, value: unknown): Expr {
  if (value === null) return { kind: 'is-null', of: columnOf(column) };
  if (value === undefined) throw new Error(`Undefined binding(s) detected for column ${column}`);
  return { kind: 'binary', op: '=', left: columnOf(column), right: exprOf(value) };
}

function isIn(column: string, list: unknown): Expr {
  if (list instanceof Query) return { kind: 'in', of: columnOf(column), list: list.toSelect() };
  if (!Array.isArray(list)) throw new Error(`the model store needs a list for '${column} in'`);
  return {
    kind: 'in',
    of: columnOf(column),
    list: list.map((value): Expr => ({ kind: 'value', value: toValue(value) })),
  };
}

function not(expr: Expr | null): Expr | null {
  return expr === null ? null : { kind: 'not', of: expr };
}

function exprOf(value: unknown): Expr {
  if (value instanceof RawSql) return parseExpression(value.sql, value.bindings);
  if (typeof value === 'object' && value !== null && 'kind' in value) return value as Expr;
  return { kind: 'value', value: toValue(value) satisfies Value };
}

function isOperator(op: string): op is BinaryOp | '!=' {
  return ['=', '<>', '!=', '<', '<=', '>', '>=', 'like'].includes(op);
}

function resultColumn(column: unknown): ResultColumn {
  if (column instanceof RawSql) {
    const [, sql = column.sql, as = column.sql] = /^(.*?)\s+as\s+(\w+)$/is.exec(column.sql) ?? [];
    return { kind: 'expr', expr: parseExpression(sql, column.bindings), as };
  }
  const text = String(column);
  if (text === '*') return { kind: 'all', table: null };
  if (text.endsWith('.*')) return { kind: 'all', table: text.slice(0, -2) };
  const [source = '', as] = text.split(/\s+as\s+/i);
  const expr = columnOf(source);
  return { kind: 'expr', expr, as: as ?? (expr.kind === 'column' ? expr.name : source) };
}
