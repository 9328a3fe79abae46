import {
  type Delete,
  type Expr,
  type Insert,
  type ResultColumn,
  type Select,
  type Source,
  toValue,
  type Update,
} from './syntax.ts';
import type { Row, Table, Value } from './tables.ts';

/** Tables of one database as a statement sees them. */
export interface Data {
  table(name: string): Table;
  /** Readers see what was committed, whatever a transaction has done since. */
  readonly committed: boolean;
  /** The database's clock: milliseconds since 1970. */
  now(): number;
  /** What stands for each `?` of the statement. */
  readonly bindings?: readonly unknown[];
}

/** The rows that names stand for while an expression is evaluated. */
type Scope = ReadonlyMap<string, Row>;

const NO_SCOPE: Scope = new Map();

export function runSelect(data: Data, query: Select, outer: Scope = NO_SCOPE): Row[] {
  return new Run(data).select(query, outer);
}

export function runInsert(data: Data, insert: Insert): { readonly rows: Row[]; readonly count: number } {
  const run = new Run(data);
  const table = data.table(insert.table);
  const values =
    'kind' in insert.rows
      ? run.select(insert.rows, NO_SCOPE).map((row) => Object.values(row))
      : insert.rows.map((row) => row.map((expr) => run.value(expr, NO_SCOPE)));
  const inserted: Row[] = [];
  for (const row of values) {
    const fields = Object.fromEntries(insert.columns.map((column, i) => [column, row[i] ?? null]));
    const made = table.insert(fields, insert.onConflict !== 'fail') ?? overwrite(run, insert, fields);
    if (made !== null) inserted.push(made);
  }
  return { rows: run.returning(insert.returning, insert.table, inserted), count: inserted.length };
}

/** `on conflict do update`: null where nothing is changed. */
function overwrite(run: Run, { table: name, onConflict }: Insert, fields: Row): Row | null {
  if (typeof onConflict === 'string') return null;
  const table = run.table(name);
  const found = table.holderOf(fields);
  const row = found === null ? undefined : table.get(found);
  if (found === null || row === undefined) throw new Error(`nothing in ${name} is in conflict`);
  const scope = new Map([
    ['excluded', fields],
    [name, row],
  ]);
  if (onConflict.where !== null && !isTrue(run.value(onConflict.where, scope))) return null;
  return table.update(
    found,
    Object.fromEntries(onConflict.set.map(([column, expr]) => [column, run.value(expr, scope)])),
  );
}

export function runUpdate(data: Data, update: Update): { readonly rows: Row[]; readonly count: number } {
  const run = new Run(data);
  const table = data.table(update.table);
  const matches = run.matches(update.table, update.from, update.where);
  const changed: Row[] = [];
  for (const [id, scope] of matches) {
    const patch: Record<string, Value> = {};
    for (const [column, expr] of update.set) {
      if (!table.schema.columns.has(column)) throw new Error(`no such column: ${column}`);
      patch[column] = run.value(expr, scope);
    }
    changed.push(table.update(id, patch));
  }
  return { rows: run.returning(update.returning, update.table, changed), count: changed.length };
}

export function runDelete(data: Data, remove: Delete): { readonly rows: Row[]; readonly count: number } {
  const run = new Run(data);
  const table = data.table(remove.table);
  const gone: Row[] = [];
  for (const [id] of run.matches(remove.table, [], remove.where)) {
    const row = table.get(id);
    if (row !== undefined) gone.push(row);
    table.delete(id);
  }
  return { rows: run.returning(remove.returning, remove.table, gone), count: gone.length };
}

class Run {
  private readonly data: Data;
  private readonly common = new Map<string, readonly Row[]>();

  constructor(data: Data) {
    this.data = data;
  }

  table(name: string): Table {
    return this.data.table(name);
  }

  select(query: Select, outer: Scope): Row[] {
    for (const table of query.with) this.addCommon(table, outer);
    let scopes = this.scopes(query.from, query.where, outer);
    const isGrouped = query.groupBy.length > 0 || query.columns.some(isAggregate);
    let results: { readonly row: Row; readonly scope: Scope }[];
    if (isGrouped) {
      results = this.groups(query, scopes).map((group) => {
        const scope = group[0] ?? outer;
        return { row: this.row(query.columns, scope, group), scope };
      });
    } else {
      if (query.orderBy.length > 0) scopes = this.sorted(scopes, query.orderBy);
      results = scopes.map((scope) => ({ row: this.row(query.columns, scope, null), scope }));
    }
    let rows = results.map((result) => result.row);
    if (query.distinct) rows = [...new Map(rows.map((row) => [JSON.stringify(row), row])).values()];
    const end = query.limit === null ? undefined : query.offset + query.limit;
    return query.offset === 0 && end === undefined ? rows : rows.slice(query.offset, end);
  }

  /** Rows of a table that an update or delete is about, each once, with the first match of the other sources. */
  matches(name: string, from: readonly Source[], where: Expr | null): (readonly [number, Scope])[] {
    const own: Source = { alias: name, of: { kind: 'table', name }, on: null, isLeft: false };
    const found = new Map<number, Scope>();
    const table = this.data.table(name);
    const others = from.length === 0 ? [] : this.scopes(from, null, NO_SCOPE);
    const check = (id: number, row: Row, other: Scope): void => {
      if (found.has(id)) return;
      const scope = new Map(other).set(own.alias, row);
      if (where === null || isTrue(this.value(where, scope))) found.set(id, scope);
    };
    if (from.length === 0) {
      for (const [id, row] of this.tableRows(table, name, where, NO_SCOPE)) check(id, row, NO_SCOPE);
    } else {
      for (const other of others)
        for (const [id, row] of this.tableRows(table, name, where, other)) check(id, row, other);
    }
    return [...found];
  }

  returning(columns: readonly ResultColumn[], table: string, rows: readonly Row[]): Row[] {
    return columns.length === 0 ? [] : rows.map((row) => this.row(columns, new Map([[table, row]]), null));
  }

  value(expr: Expr, scope: Scope, group: readonly Scope[] | null = null): Value {
    switch (expr.kind) {
      case 'value':
        return expr.value;
      case 'bound':
        return toValue(this.data.bindings?.[expr.index]);
      case 'column':
        return column(expr, scope);
      case 'binary':
        return this.binary(expr, scope, group);
      case 'not': {
        const value = this.value(expr.of, scope, group);
        return value === null ? null : isTrue(value) ? 0 : 1;
      }
      case 'is-null':
        return this.value(expr.of, scope, group) === null ? 1 : 0;
      case 'in':
        return this.isIn(expr, scope);
      case 'exists':
        return this.select(expr.query, scope).length > 0 ? 1 : 0;
      case 'case': {
        const hit = expr.whens.find(([when]) => isTrue(this.value(when, scope, group)));
        return this.value(hit === undefined ? expr.otherwise : hit[1], scope, group);
      }
      case 'call':
        return group !== null && AGGREGATES.has(expr.name)
          ? this.aggregate(expr, group)
          : call(
              expr.name,
              expr.args.map((arg) => this.value(arg, scope, group)),
              this.data,
            );
    }
  }

  private addCommon({ name, columns, first, then }: Select['with'][number], outer: Scope): void {
    const shape = (row: Row): Row => {
      const values = Object.values(row);
      return columns.length === 0 ? row : Object.fromEntries(columns.map((title, i) => [title, values[i] ?? null]));
    };
    const all = new Map<string, Row>();
    let fresh = this.select(first, outer).map(shape);
    while (fresh.length > 0) {
      const added = fresh.filter((row) => !all.has(JSON.stringify(row)));
      for (const row of added) all.set(JSON.stringify(row), row);
      if (then === null) break;
      this.common.set(name, added);
      fresh = added.length === 0 ? [] : this.select(then, outer).map(shape);
    }
    this.common.set(name, [...all.values()]);
  }

  private scopes(from: readonly Source[], where: Expr | null, outer: Scope): Scope[] {
    let scopes: Scope[] = [outer];
    from.forEach((source, i) => {
      const isLast = i === from.length - 1;
      const condition = isLast ? where : null;
      const next: Scope[] = [];
      for (const scope of scopes) {
        let hits = 0;
        for (const row of this.rowsOf(source, scope, from.length === 1 ? condition : source.on)) {
          const inner = new Map(scope).set(source.alias, row);
          if (source.on !== null && !isTrue(this.value(source.on, inner))) continue;
          hits++;
          next.push(inner);
        }
        if (hits === 0 && source.isLeft) next.push(new Map(scope).set(source.alias, {}));
      }
      scopes = next;
    });
    return where === null ? scopes : scopes.filter((scope) => isTrue(this.value(where, scope)));
  }

  private *rowsOf({ of, alias }: Source, scope: Scope, where: Expr | null): Generator<Row> {
    switch (of.kind) {
      case 'table': {
        const common = this.common.get(of.name);
        if (common !== undefined) yield* common;
        else for (const [, row] of this.tableRows(this.data.table(of.name), alias, where, scope)) yield row;
        return;
      }
      case 'query':
        yield* this.select(of.query, scope);
        return;
      case 'json-each': {
        const text = this.value(of.of, scope);
        const list: unknown = JSON.parse(String(text));
        if (!Array.isArray(list)) throw new Error('json_each is modelled for arrays only');
        for (const [key, item] of list.entries())
          yield { key, value: typeof item === 'object' && item !== null ? JSON.stringify(item) : scalar(item) };
        return;
      }
    }
  }

  /** Candidates only: the caller still checks the condition. */
  private *tableRows(table: Table, alias: string, where: Expr | null, scope: Scope): Generator<readonly [number, Row]> {
    const { committed } = this.data;
    if (!committed || !table.isDirty) {
      const ids = this.candidates(table, alias, where, scope);
      if (ids !== null) {
        for (const id of ids) {
          const row = table.get(id);
          if (row !== undefined) yield [id, row];
        }
        return;
      }
    }
    yield* table.entries(committed);
  }

  private candidates(table: Table, alias: string, where: Expr | null, scope: Scope): readonly number[] | null {
    if (where === null) return null;
    if (where.kind === 'binary' && where.op === 'and')
      return this.candidates(table, alias, where.left, scope) ?? this.candidates(table, alias, where.right, scope);
    const own = (expr: Expr): string | null =>
      expr.kind === 'column' &&
      (expr.table === alias || (expr.table === null && table.schema.columns.has(expr.name) && scope.size === 0))
        ? expr.name
        : null;
    if (where.kind === 'binary' && where.op === '=') {
      for (const [side, other] of [
        [where.left, where.right],
        [where.right, where.left],
      ] as const) {
        const name = own(side);
        if (name === null || !isConstant(other, alias, scope)) continue;
        return table.find(name, [this.value(other, scope)]);
      }
    }
    if (where.kind === 'in') {
      const name = own(where.of);
      if (
        name === null ||
        'kind' in where.list ||
        !where.list.every(({ kind }) => kind === 'value' || kind === 'bound')
      )
        return null;
      return table.find(
        name,
        where.list.map((item) => this.value(item, scope)),
      );
    }
    return null;
  }

  private groups(query: Select, scopes: readonly Scope[]): (readonly Scope[])[] {
    if (query.groupBy.length === 0) return [scopes];
    const groups = new Map<string, Scope[]>();
    for (const scope of scopes) {
      const key = JSON.stringify(query.groupBy.map((expr) => this.value(expr, scope)));
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [scope]);
      else group.push(scope);
    }
    return [...groups.values()];
  }

  private row(columns: readonly ResultColumn[], scope: Scope, group: readonly Scope[] | null): Row {
    const row: Record<string, Value> = {};
    for (const result of columns) {
      if (result.kind === 'expr') row[result.as] = this.value(result.expr, scope, group);
      else
        for (const [alias, fields] of scope)
          if (result.table === null || result.table === alias) Object.assign(row, fields);
    }
    return row;
  }

  private sorted(scopes: readonly Scope[], orderBy: Select['orderBy']): Scope[] {
    if (scopes.length < 2) return [...scopes];
    const keyed = scopes.map((scope) => ({ scope, key: orderBy.map(({ by }) => this.value(by, scope)) }));
    keyed.sort((a, b) => {
      for (const [i, { descending }] of orderBy.entries()) {
        const order = compare(a.key[i] ?? null, b.key[i] ?? null);
        if (order !== 0) return descending ? -order : order;
      }
      return 0;
    });
    return keyed.map(({ scope }) => scope);
  }

  private binary(
    { op, left, right }: Extract<Expr, { kind: 'binary' }>,
    scope: Scope,
    group: readonly Scope[] | null,
  ): Value {
    const a = this.value(left, scope, group);
    if (op === 'and' && a !== null && !isTrue(a)) return 0;
    if (op === 'or' && isTrue(a)) return 1;
    const b = this.value(right, scope, group);
    if (op === 'and') return b !== null && !isTrue(b) ? 0 : a === null || b === null ? null : 1;
    if (op === 'or') return isTrue(b) ? 1 : a === null || b === null ? null : 0;
    if (a === null || b === null) return null;
    switch (op) {
      case '=':
        return a === b ? 1 : 0;
      case '<>':
        return a === b ? 0 : 1;
      case '<':
        return compare(a, b) < 0 ? 1 : 0;
      case '<=':
        return compare(a, b) <= 0 ? 1 : 0;
      case '>':
        return compare(a, b) > 0 ? 1 : 0;
      case '>=':
        return compare(a, b) >= 0 ? 1 : 0;
      case '+':
        return Number(a) + Number(b);
      case '-':
        return Number(a) - Number(b);
      case '*':
        return Number(a) * Number(b);
      case '||':
        return `${a}${b}`;
      case 'like':
        return like(String(a), String(b)) ? 1 : 0;
    }
  }

  private isIn({ of, list }: Extract<Expr, { kind: 'in' }>, scope: Scope): Value {
    const wanted = this.value(of, scope);
    if (wanted === null) return null;
    const values =
      'kind' in list
        ? this.select(list, scope).map((row) => Object.values(row)[0] ?? null)
        : list.map((item) => this.value(item, scope));
    if (values.includes(wanted)) return 1;
    return values.includes(null) ? null : 0;
  }

  private aggregate({ name, args }: Extract<Expr, { kind: 'call' }>, group: readonly Scope[]): Value {
    const [arg] = args;
    if (arg === undefined) return group.length;
    const values = group.map((scope) => this.value(arg, scope)).filter((value) => value !== null);
    switch (name) {
      case 'count':
        return values.length;
      case 'sum':
        return values.length === 0 ? null : values.reduce<number>((sum, value) => sum + Number(value), 0);
      default: {
        const sorted = values.toSorted(compare);
        return (name === 'max' ? sorted.at(-1) : sorted[0]) ?? null;
      }
    }
  }
}

const AGGREGATES: ReadonlySet<string> = new Set(['count', 'max', 'min', 'sum']);

function isAggregate(column: ResultColumn): boolean {
  return column.kind === 'expr' && column.expr.kind === 'call' && AGGREGATES.has(column.expr.name);
}

/** Whether a value can be had before the row of `alias` is known. */
function isConstant(expr: Expr, alias: string, scope: Scope): boolean {
  return (
    expr.kind === 'value' ||
    expr.kind === 'bound' ||
    (expr.kind === 'column' && expr.table !== null && expr.table !== alias && scope.has(expr.table))
  );
}

function column({ table, name }: Extract<Expr, { kind: 'column' }>, scope: Scope): Value {
  if (table !== null) return scope.get(table)?.[name] ?? null;
  // A query's own tables come before those of the query around it.
  for (const row of [...scope.values()].reverse()) if (Object.hasOwn(row, name)) return row[name] ?? null;
  throw new Error(`no such column: ${name}`);
}

function call(name: string, args: readonly Value[], data: Data): Value {
  const [first = null, second = null] = args;
  switch (name) {
    case 'json_extract':
      return first === null ? null : extract(String(first), String(second));
    case 'julianday':
      return data.now() / DAY_MS + JULIAN_1970;
    case 'round':
      return first === null ? null : Math.round(Number(first));
    case 'integer':
      return first === null ? null : Math.trunc(Number(first));
    case 'lower':
      return first === null ? null : String(first).toLowerCase();
    case 'instr':
      return first === null || second === null ? null : String(first).indexOf(String(second)) + 1;
    case 'coalesce':
      return args.find((arg) => arg !== null) ?? null;
    case 'length':
      return first === null ? null : [...String(first)].length;
    case 'max':
      return args.includes(null) ? null : (args.toSorted(compare).at(-1) ?? null);
    case 'min':
      return args.includes(null) ? null : (args.toSorted(compare)[0] ?? null);
    default:
      throw new Error(`the model store has no function ${name}`);
  }
}

const DAY_MS = 86_400_000;
const JULIAN_1970 = 2_440_587.5;

/** `$[0]`, `$.a.b`. */
function extract(text: string, path: string): Value {
  let value = parsed(text);
  for (const step of stepsOf(path)) {
    if (typeof step === 'number') value = Array.isArray(value) ? value[step] : undefined;
    else value = typeof value === 'object' && value !== null ? Reflect.get(value, step) : undefined;
  }
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : scalar(value);
}

/** A row's values are read one after the other out of the same text. */
let lastParsed: { readonly text: string; readonly value: unknown } = { text: 'null', value: null };

function parsed(text: string): unknown {
  if (lastParsed.text !== text) lastParsed = { text, value: JSON.parse(text) };
  return lastParsed.value;
}

const PATHS = new Map<string, readonly (string | number)[]>();

function stepsOf(path: string): readonly (string | number)[] {
  let steps = PATHS.get(path);
  if (steps === undefined) {
    steps = [...path.slice(1).matchAll(/\[(\d+)\]|\.(\w+)/g)].map(([, index, field = '']) =>
      index === undefined ? field : Number(index),
    );
    PATHS.set(path, steps);
  }
  return steps;
}

function scalar(value: unknown): Value {
  if (value === undefined || value === null) return null;
  return typeof value === 'boolean' ? Number(value) : typeof value === 'number' ? value : String(value);
}

export function isTrue(value: Value): boolean {
  return typeof value === 'number' ? value !== 0 : false;
}

/** SQLite's order: null, numbers, texts by code point. */
function compare(a: Value, b: Value): number {
  if (a === b) return 0;
  if (a === null) return -1;
  if (b === null) return 1;
  if (typeof a !== typeof b) return typeof a === 'number' ? -1 : 1;
  return a < b ? -1 : 1;
}

function like(text: string, pattern: string): boolean {
  const source = pattern
    .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll('%', '.*')
    .replaceAll('_', '.');
  return new RegExp(`^${source}$`, 'is').test(text);
}
