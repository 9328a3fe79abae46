/**
 * Prepared statements of one connection of the `sqlite3` package, kept by their text. Without them the package prepares each
 * query anew, which is one more trip to its thread and most of the time of a small read.
 */
export class Statements {
  private readonly connection: Connection;
  private readonly kept = new Map<string, Statement>();

  constructor(connection: Connection) {
    this.connection = connection;
  }

  async get(sql: string): Promise<Statement> {
    const known = this.kept.get(sql);
    if (known !== undefined) {
      this.kept.delete(sql);
      this.kept.set(sql, known);
      return known;
    }
    const statement = await this.prepare(sql);
    this.kept.set(sql, statement);
    const oldest = this.kept.entries().next().value;
    if (this.kept.size > MOST_KEPT && oldest !== undefined) {
      this.kept.delete(oldest[0]);
      oldest[1].finalize();
    }
    return statement;
  }

  /** A connection with statements that are not finalized refuses to close. */
  async finalizeAll(): Promise<void> {
    const statements = [...this.kept.values()];
    this.kept.clear();
    await Promise.all(
      statements.map((statement) => new Promise<void>((resolve) => statement.finalize(() => resolve()))),
    );
  }

  private prepare(sql: string): Promise<Statement> {
    return new Promise((resolve, reject) => {
      const statement: Statement = this.connection.prepare(sql, (error) =>
        error === null ? resolve(statement) : reject(error),
      );
    });
  }
}

// The engine uses a few dozen texts; lists with filters add more.
const MOST_KEPT = 200;

export type Callback = (this: { lastID: number; changes: number }, error: Error | null, rows?: unknown[]) => void;

/** The little of the package that is used here. */
export interface Connection {
  prepare(sql: string, done: (error: Error | null) => void): Statement;
  all(sql: string, bindings: readonly unknown[], done: Callback): void;
  run(sql: string, bindings: readonly unknown[], done: Callback): void;
}

export interface Statement {
  all(bindings: readonly unknown[], done: Callback): void;
  run(bindings: readonly unknown[], done: Callback): void;
  finalize(done?: () => void): void;
}
