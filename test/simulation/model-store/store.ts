import type { Knex } from 'knex';
import type { Store } from '../../../engine/store/connection.ts';
import { Query, RawSql, type Connection } from './query.ts';
import { runDelete, runInsert, runSelect, runUpdate, type Data } from './run.ts';
import { recordTable } from './schema.ts';
import { parseSql } from './sql.ts';
import { type Row, Table, type TableSchema } from './tables.ts';

/**
 * What happens around statements: the simulator's way to delay, fail and cut off. Each may wait, or throw in place of the
 * database. Without hooks everything happens at once.
 */
export interface StoreHooks {
  /** Before a statement outside a transaction, and before each one inside. */
  statement(what: string): Promise<void>;
  /** Before a transaction takes the writer. */
  begin(): Promise<void>;
  /** All is written and not yet committed. */
  commit(): Promise<void>;
  /** Committed, and nobody knows yet. */
  committed(): Promise<void>;
}

/** The shared tables: what is on the disk. Every node has a store of its own over it. */
export class ModelDatabase {
  private readonly tables = new Map<string, Table>();
  private holder: ModelStore | null = null;
  private readonly waiting: { readonly store: ModelStore; readonly go: () => void }[] = [];
  /** Rewrites statements given as text, for tests that plant faults. */
  rewrite: (sql: string) => string = (sql) => sql;
  /** The database's own clock, which leases are compared with. */
  now: () => number = () => Date.now();
  /** Called after each commit. */
  onCommit: (() => void) | null = null;
  private createdInTransaction: string[] = [];
  private readonly dead = new WeakSet<ModelStore>();

  /** A database of its own that begins with what this one holds. */
  copy(): ModelDatabase {
    const copy = new ModelDatabase();
    for (const [name, table] of this.tables) copy.tables.set(name, table.copy());
    return copy;
  }

  table(name: string): Table {
    const table = this.tables.get(name);
    if (table === undefined) throw new Error(`no such table: ${name}`);
    return table;
  }

  hasTable(name: string): boolean {
    return this.tables.has(name);
  }

  create(schema: TableSchema): void {
    if (this.tables.has(schema.name)) throw new Error(`table ${schema.name} already exists`);
    const table = new Table(schema);
    this.tables.set(schema.name, table);
    if (this.holder === null) return;
    table.begin();
    this.createdInTransaction.push(schema.name);
  }

  drop(name: string): void {
    this.tables.delete(name);
  }

  /** Committed rows, for looking at them from outside. */
  rows(name: string): Row[] {
    return this.table(name).committed();
  }

  get isLocked(): boolean {
    return this.holder !== null;
  }

  isHeldBy(store: ModelStore): boolean {
    return this.holder === store;
  }

  async lock(store: ModelStore): Promise<void> {
    while (this.holder !== null)
      await new Promise<void>((go) => {
        this.waiting.push({ store, go });
      });
    // Its turn may have come and its process died before it took it: then it never goes on.
    if (this.dead.has(store)) await new Promise(() => {});
    this.holder = store;
    for (const table of this.tables.values()) table.begin();
  }

  unlock(store: ModelStore, isCommitted: boolean): void {
    if (this.holder !== store) return;
    if (isCommitted) for (const table of this.tables.values()) table.commit();
    else {
      for (const table of this.tables.values()) table.rollback();
      for (const name of this.createdInTransaction) this.tables.delete(name);
    }
    this.createdInTransaction = [];
    this.holder = null;
    if (isCommitted) this.onCommit?.();
    for (const { go } of this.waiting.splice(0)) go();
  }

  /** What a dead process held is given up. */
  forget(store: ModelStore): void {
    this.dead.add(store);
    const mine = this.waiting.filter((waiter) => waiter.store === store);
    for (const waiter of mine) this.waiting.splice(this.waiting.indexOf(waiter), 1);
    this.unlock(store, false);
  }
}

/** One process's connections to a {@link ModelDatabase}. */
export class ModelStore implements Store {
  readonly writer: Knex;
  readonly reader: Knex;
  readonly dialect = 'sqlite';
  readonly driver = 'libsql';
  readonly isShared = true;
  private readonly database: ModelDatabase;
  private readonly hooks: StoreHooks | null;

  constructor(database: ModelDatabase, hooks: StoreHooks | null = null) {
    this.database = database;
    this.hooks = hooks;
    this.writer = this.connect('writer');
    this.reader = this.connect('reader');
  }

  close(): Promise<void> {
    this.abandon();
    return Promise.resolve();
  }

  /** The process is gone: its transaction is rolled back. */
  abandon(): void {
    this.database.forget(this);
  }

  private connect(kind: 'writer' | 'reader' | 'transaction'): Knex {
    const connection: Connection = { run: (isWrite, what, work) => this.run(kind, isWrite, what, work) };
    const raw = (sql: string, bindings?: unknown) =>
      new RawSql(sql, bindings, (self) => this.runText(connection, self.sql, self.bindings));
    const transaction = (work: (trx: Knex) => Promise<unknown>) => this.transaction(work);
    const parts = {
      raw,
      transaction,
      client: { dialect: 'sqlite3', config: { client: 'sqlite3' } },
      schema: {
        createTable: (name: string, build: (table: never) => void) =>
          connection.run(true, `create ${name}`, () => this.database.create(recordTable(name, build))),
        hasTable: (name: string) => connection.run(false, `look for ${name}`, () => this.database.hasTable(name)),
      },
      destroy: () => Promise.resolve(),
      on: () => connection,
    };
    const knex = (table: string) => new Query(connection, table);
    // The store's code is written against knex; this is the part of it that the code uses, and what is missing throws.
    return new Proxy(knex, {
      get: (_target, key) => {
        if (Object.hasOwn(parts, key)) return Reflect.get(parts, key);
        // Promises look for it.
        if (key === 'then') return undefined;
        throw new Error(`the model store has no knex.${String(key)}`);
      },
    }) as unknown as Knex;
  }

  private async run<T>(
    kind: 'writer' | 'reader' | 'transaction',
    isWrite: boolean,
    what: string,
    work: (data: Data) => T,
  ): Promise<T> {
    if (isWrite && kind === 'reader') throw new Error('attempt to write a readonly database');
    await this.hooks?.statement(what);
    const { database } = this;
    const data = {
      table: (name: string) => database.table(name),
      committed: kind !== 'transaction',
      now: () => database.now(),
    };
    if (kind === 'transaction' || !isWrite) {
      if (kind === 'transaction' && !this.database.isHeldBy(this)) throw new Error('the transaction is over');
      return work(data);
    }
    // A write on its own is a transaction of one statement.
    await this.database.lock(this);
    let isDone = false;
    try {
      const result = work({ ...data, committed: false });
      isDone = true;
      return result;
    } finally {
      this.database.unlock(this, isDone);
    }
  }

  private async transaction(work: (trx: Knex) => Promise<unknown>): Promise<unknown> {
    await this.hooks?.begin();
    await this.database.lock(this);
    let result: unknown;
    try {
      result = await work(this.connect('transaction'));
      await this.hooks?.commit();
    } catch (error) {
      this.database.unlock(this, false);
      throw error;
    }
    this.database.unlock(this, true);
    await this.hooks?.committed();
    return result;
  }

  private runText(connection: Connection, text: string, bindings: readonly unknown[]): Promise<unknown> {
    const sql = this.database.rewrite(text);
    // How long a connection waits for others is nothing to a database that is never busy.
    if (/^pragma busy_timeout\b/i.test(sql.trim())) return connection.run(false, 'pragma', () => [{ timeout: 0 }]);
    const statement = parseSql(sql, bindings);
    const isWrite = statement.kind !== 'select';
    return connection.run(isWrite, sql.slice(0, 40), (tables): unknown => {
      const data = { ...tables, bindings };
      switch (statement.kind) {
        case 'select':
          return runSelect(data, statement);
        case 'insert':
          return runInsert(data, statement).rows;
        case 'update':
          return runUpdate(data, statement).rows;
        case 'delete':
          return runDelete(data, statement).rows;
        case 'create-table':
          this.createFromText(statement.sql);
          return [];
      }
    });
  }

  /** `create table if not exists NAME (column type [primary key] [not null], …)`. */
  private createFromText(sql: string): void {
    // An index changes how fast rows are found, not which.
    if (/^create index\b/i.test(sql.trim())) return;
    // A guard of the pool service, which the simulation does not run.
    if (/^create unique index one_open_lease\b/i.test(sql.trim())) return;
    const match = /^create table( if not exists)? (\w+) \((.*)\)$/is.exec(sql.trim());
    if (match === null) throw new Error(`the model store cannot read: ${sql}`);
    const [, ifMissing, name = '', body = ''] = match;
    if (ifMissing !== undefined && this.database.hasTable(name)) return;
    const parts = body.split(/,(?![^(]*\))/).map((part) => part.trim());
    const titles = parts.map((part) => part.split(/\s+/)[0] ?? '');
    const primary = titles.filter((_, i) => /primary key/i.test(parts[i] ?? ''));
    this.database.create({
      name,
      columns: new Map(titles.map((title) => [title, null])),
      required: new Set(titles.filter((_, i) => /not null/i.test(parts[i] ?? ''))),
      primary,
      counter: null,
      unique: [],
      indexed: new Set(primary),
    });
  }
}
