/** Values as SQLite gives them back: booleans are numbers. */
export type Value = string | number | null;
export type Row = Readonly<Record<string, Value>>;

export interface TableSchema {
  readonly name: string;
  /** Columns with their defaults; null where there is none. */
  readonly columns: ReadonlyMap<string, Value>;
  readonly required: ReadonlySet<string>;
  readonly primary: readonly string[];
  /** A column that counts by itself. */
  readonly counter: string | null;
  readonly unique: readonly (readonly string[])[];
  readonly indexed: ReadonlySet<string>;
}

/** What SQLite throws for a key that exists; engine/store/connection.ts knows it by its words. */
export class UniqueViolation extends Error {
  readonly code = 'SQLITE_CONSTRAINT_UNIQUE';

  constructor(table: string, columns: readonly string[]) {
    super(`UNIQUE constraint failed: ${columns.map((column) => `${table}.${column}`).join(', ')}`);
  }
}

/**
 * One table in memory. While a transaction is open it remembers the rows as they were, for readers and for a rollback.
 */
export class Table {
  readonly schema: TableSchema;
  private rows = new Map<number, Row>();
  private readonly indexes: ReadonlyMap<string, Map<Value, Set<number>>>;
  private readonly keys: { readonly columns: readonly string[]; readonly taken: Map<string, number> }[];
  /** Rows that the open transaction touched, as they were; undefined for new ones. */
  private readonly before = new Map<number, Row | undefined>();
  private isInTransaction = false;
  private next = 1;
  private counter = 0;

  constructor(schema: TableSchema) {
    this.schema = schema;
    this.indexes = new Map([...schema.indexed].map((column) => [column, new Map()]));
    const unique = schema.primary.length > 0 ? [schema.primary, ...schema.unique] : schema.unique;
    this.keys = unique.map((columns) => ({ columns, taken: new Map() }));
  }

  /** Another table with the same rows; rows themselves never change. */
  copy(): Table {
    const copy = new Table(this.schema);
    for (const [id, row] of this.rows) copy.put(id, row);
    copy.next = this.next;
    copy.counter = this.counter;
    return copy;
  }

  begin(): void {
    this.isInTransaction = true;
  }

  commit(): void {
    this.isInTransaction = false;
    if (this.before.size > 0) this.before.clear();
  }

  rollback(): void {
    this.isInTransaction = false;
    if (this.before.size === 0) return;
    // All leave before any comes back, so that keys that moved between rows find their place.
    for (const id of this.before.keys()) this.take(id);
    for (const [id, row] of this.before) if (row !== undefined) this.put(id, row);
    this.before.clear();
    // Ids are in the order of insertion, and so are the rows again.
    this.rows = new Map([...this.rows].sort(([a], [b]) => a - b));
  }

  /** Ids of the rows that may match, fewer than all where a column is indexed; null for "look at all". */
  find(column: string, values: readonly Value[]): readonly number[] | null {
    const index = this.indexes.get(column);
    if (index === undefined) return null;
    if (values.length === 1) return inOrder([...(index.get(values[0] ?? null) ?? [])]);
    return inOrder([...new Set(values)].flatMap((value) => [...(index.get(value) ?? [])]));
  }

  get(id: number): Row | undefined {
    return this.rows.get(id);
  }

  /** In the order of insertion. `committed`: as of before the open transaction. */
  entries(committed: boolean): Iterable<readonly [number, Row]> {
    return !committed || this.before.size === 0 ? this.rows : this.committedRows();
  }

  /** Rows as of before the open transaction, in the order of insertion. */
  committed(): Row[] {
    return [...(this.before.size === 0 ? this.rows : this.committedRows()).values()];
  }

  private committedRows(): Map<number, Row> {
    const seen = new Map(this.rows);
    for (const [id, row] of this.before) {
      if (row === undefined) seen.delete(id);
      else seen.set(id, row);
    }
    return new Map([...seen].sort(([a], [b]) => a - b));
  }

  /** Rows that were made after the one with this number. */
  after(id: number): (readonly [number, Row])[] {
    const found: (readonly [number, Row])[] = [];
    for (let at = id + 1; at < this.next; at++) {
      const row = this.rows.get(at);
      if (row !== undefined) found.push([at, row]);
    }
    return found;
  }

  get isDirty(): boolean {
    return this.before.size > 0;
  }

  /** @throws UniqueViolation; null instead, where conflicts are ignored */
  insert(values: Readonly<Record<string, Value>>, ignoreConflicts = false): Row | null {
    const row: Record<string, Value> = {};
    const { name, columns, required, counter } = this.schema;
    for (const [column, fallback] of columns) row[column] = values[column] ?? fallback;
    for (const column of Object.keys(values))
      if (!columns.has(column)) throw new Error(`table ${name} has no column named ${column}`);
    if (counter !== null) {
      const given = row[counter];
      this.counter = typeof given === 'number' ? Math.max(this.counter, given) : this.counter + 1;
      row[counter] = typeof given === 'number' ? given : this.counter;
    }
    for (const column of required)
      if (row[column] === null) throw new Error(`NOT NULL constraint failed: ${name}.${column}`);
    if (this.conflict(row, null) !== null) {
      if (ignoreConflicts) return null;
      throw new UniqueViolation(name, this.conflict(row, null) ?? []);
    }
    const id = this.next++;
    this.note(id);
    this.put(id, row);
    return row;
  }

  update(id: number, patch: Readonly<Record<string, Value>>): Row {
    const old = this.rows.get(id);
    if (old === undefined) throw new Error(`table ${this.schema.name} has no row ${id}`);
    const row = { ...old, ...patch };
    // What is in no key and no index changes nothing but the row.
    if (this.keepsPlaces(old, row)) {
      this.note(id);
      this.rows.set(id, row);
      return row;
    }
    const conflict = this.conflict(row, id);
    if (conflict !== null) throw new UniqueViolation(this.schema.name, conflict);
    this.note(id);
    this.unlist(id, old);
    this.put(id, row);
    return row;
  }

  delete(id: number): void {
    this.note(id);
    this.take(id);
  }

  private keepsPlaces(old: Row, row: Row): boolean {
    for (const column of this.indexes.keys()) if ((old[column] ?? null) !== (row[column] ?? null)) return false;
    for (const { columns } of this.keys)
      for (const column of columns) if ((old[column] ?? null) !== (row[column] ?? null)) return false;
    return true;
  }

  private note(id: number): void {
    if (this.isInTransaction && !this.before.has(id)) this.before.set(id, this.rows.get(id));
  }

  private put(id: number, row: Row): void {
    this.rows.set(id, row);
    for (const [column, index] of this.indexes) {
      const value = row[column] ?? null;
      const ids = index.get(value);
      if (ids === undefined) index.set(value, new Set([id]));
      else ids.add(id);
    }
    for (const { columns, taken } of this.keys) {
      const key = keyOf(columns, row);
      if (key !== null) taken.set(key, id);
    }
  }

  private take(id: number): void {
    const row = this.rows.get(id);
    if (row === undefined) return;
    this.unlist(id, row);
    this.rows.delete(id);
  }

  private unlist(id: number, row: Row): void {
    for (const [column, index] of this.indexes) {
      const value = row[column] ?? null;
      const ids = index.get(value);
      ids?.delete(id);
      if (ids?.size === 0) index.delete(value);
    }
    for (const { columns, taken } of this.keys) {
      const key = keyOf(columns, row);
      if (key !== null && taken.get(key) === id) taken.delete(key);
    }
  }

  /** The row that stands in the way of an insert. */
  holderOf(values: Readonly<Record<string, Value>>): number | null {
    for (const { columns, taken } of this.keys) {
      const key = keyOf(columns, values);
      const holder = key === null ? undefined : taken.get(key);
      if (holder !== undefined) return holder;
    }
    return null;
  }

  private conflict(row: Row, self: number | null): readonly string[] | null {
    for (const { columns, taken } of this.keys) {
      const key = keyOf(columns, row);
      const holder = key === null ? undefined : taken.get(key);
      if (holder !== undefined && holder !== self) return columns;
    }
    return null;
  }
}

/** Sorts what hardly ever is out of order. */
function inOrder(ids: number[]): number[] {
  for (let i = 1; i < ids.length; i++) if ((ids[i - 1] ?? 0) > (ids[i] ?? 0)) return ids.sort((a, b) => a - b);
  return ids;
}

/** null where a part is null: SQL's nulls are all different. */
function keyOf(columns: readonly string[], row: Row): string | null {
  if (columns.length === 1) {
    const value = row[columns[0] ?? ''] ?? null;
    return value === null ? null : `${typeof value} ${value}`;
  }
  const values = columns.map((column) => row[column] ?? null);
  return values.includes(null) ? null : JSON.stringify(values);
}
