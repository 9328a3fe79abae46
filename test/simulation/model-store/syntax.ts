import type { Value } from './tables.ts';

/** Statements as data: what both ways of asking, knex's builder and SQL text, come to. */

export type Expr =
  | { readonly kind: 'value'; readonly value: Value }
  /** The value given for a `?`, by its number, when the statement runs. */
  | { readonly kind: 'bound'; readonly index: number }
  | { readonly kind: 'column'; readonly table: string | null; readonly name: string }
  | { readonly kind: 'binary'; readonly op: BinaryOp; readonly left: Expr; readonly right: Expr }
  | { readonly kind: 'not'; readonly of: Expr }
  | { readonly kind: 'is-null'; readonly of: Expr }
  | { readonly kind: 'in'; readonly of: Expr; readonly list: readonly Expr[] | Select }
  | { readonly kind: 'exists'; readonly query: Select }
  | { readonly kind: 'case'; readonly whens: readonly (readonly [Expr, Expr])[]; readonly otherwise: Expr }
  | { readonly kind: 'call'; readonly name: string; readonly args: readonly Expr[] };

export type BinaryOp = '=' | '<>' | '<' | '<=' | '>' | '>=' | 'and' | 'or' | '+' | '-' | '*' | '||' | 'like';

export interface Select {
  readonly kind: 'select';
  /** `with recursive` tables, in order. */
  readonly with: readonly CommonTable[];
  readonly from: readonly Source[];
  readonly where: Expr | null;
  readonly groupBy: readonly Expr[];
  readonly columns: readonly ResultColumn[];
  readonly distinct: boolean;
  readonly orderBy: readonly { readonly by: Expr; readonly descending: boolean }[];
  readonly limit: number | null;
  readonly offset: number;
}

export interface CommonTable {
  readonly name: string;
  readonly columns: readonly string[];
  readonly first: Select;
  /** `union` with what follows from the rows so far; null for a table that is not recursive. */
  readonly then: Select | null;
}

export type ResultColumn =
  | { readonly kind: 'all'; readonly table: string | null }
  | { readonly kind: 'expr'; readonly expr: Expr; readonly as: string };

export interface Source {
  readonly alias: string;
  readonly of:
    | { readonly kind: 'table'; readonly name: string }
    | { readonly kind: 'query'; readonly query: Select }
    | { readonly kind: 'json-each'; readonly of: Expr };
  /** null for the first, and for `,`. */
  readonly on: Expr | null;
  readonly isLeft: boolean;
}

export type Statement = Select | Insert | Update | Delete | { readonly kind: 'create-table'; readonly sql: string };

export interface Insert {
  readonly kind: 'insert';
  readonly table: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Expr[])[] | Select;
  /** A row that is there is changed where `update` stands; `excluded` is the one that was to be inserted. */
  readonly onConflict: 'fail' | 'ignore' | { readonly set: Update['set']; readonly where: Expr | null };
  readonly returning: readonly ResultColumn[];
}

export interface Update {
  readonly kind: 'update';
  readonly table: string;
  readonly set: readonly (readonly [string, Expr])[];
  readonly from: readonly Source[];
  readonly where: Expr | null;
  readonly returning: readonly ResultColumn[];
}

export interface Delete {
  readonly kind: 'delete';
  readonly table: string;
  readonly where: Expr | null;
  readonly returning: readonly ResultColumn[];
}

export function and(left: Expr | null, right: Expr | null): Expr | null {
  if (left === null) return right;
  return right === null ? left : { kind: 'binary', op: 'and', left, right };
}

/** `table.column`, `column`; and `column as name` for results. */
export function columnOf(text: string): Expr {
  let column = COLUMNS.get(text);
  if (column === undefined) COLUMNS.set(text, (column = readColumn(text)));
  return column;
}

const COLUMNS = new Map<string, Expr>();

function readColumn(text: string): Expr {
  const [first = '', second] = text.trim().split('.');
  return second === undefined
    ? { kind: 'column', table: null, name: first }
    : { kind: 'column', table: first, name: second };
}

export function toValue(value: unknown): Value {
  if (value === undefined || value === null) return null;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value === 'string' || typeof value === 'number') return value;
  if (typeof value === 'bigint') return Number(value);
  throw new Error(`the model store takes no value of type ${typeof value}`);
}
