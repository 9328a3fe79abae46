import { Worker } from 'node:worker_threads';
import type { SqlValue, WorkerReply, WorkerRequest } from './libsql-protocol.ts';

type Callback = (this: { lastID: number; changes: number }, error: Error | null, rows?: readonly unknown[]) => void;

/**
 * One libsql connection in a worker thread, with the callback interface of the `sqlite3` package's `Database`, which is what
 * knex's SQLite dialect calls. The thread keeps the process alive only while a call is under way.
 */
export class LibsqlConnection {
  /** knex throws a pooled connection away when this is set. */
  __knex__disposed: Error | undefined;
  private readonly worker: Worker;
  private readonly waiting = new Map<number, Callback>();
  private lastId = 0;

  constructor(path: string, _flags: number, opened: (error: Error | null) => void) {
    this.worker = new Worker(workerUrl(), { workerData: { path } });
    this.worker.on('message', (reply: WorkerReply) => this.receive(reply));
    this.worker.on('error', (error) => this.fail(error));
    this.worker.on('exit', () => this.fail(new Error('The database thread has ended.')));
    this.expect(0, (error) => opened(error));
  }

  all(sql: string, bindings: readonly unknown[] | undefined, done: Callback): void {
    this.send('all', sql, bindings, done);
  }

  run(sql: string, bindings: readonly unknown[] | undefined, done: Callback): void {
    this.send('run', sql, bindings, done);
  }

  close(done: (error: Error | null) => void): void {
    this.send('close', '', [], (error) => {
      void this.worker.terminate().then(() => done(error));
    });
  }

  private send(call: WorkerRequest['call'], sql: string, bindings: readonly unknown[] = [], done: Callback): void {
    const ended = this.__knex__disposed;
    if (ended !== undefined) {
      done.call({ lastID: 0, changes: 0 }, ended);
      return;
    }
    const id = ++this.lastId;
    this.expect(id, done);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker thread, not a window
    this.worker.postMessage({ id, call, sql, bindings: bindings.map(toSqlValue) } satisfies WorkerRequest);
  }

  private expect(id: number, done: Callback): void {
    if (this.waiting.size === 0) this.worker.ref();
    this.waiting.set(id, done);
  }

  private receive(reply: WorkerReply): void {
    const done = this.waiting.get(reply.id);
    if (done === undefined) return;
    this.waiting.delete(reply.id);
    if (this.waiting.size === 0) this.worker.unref();
    if (reply.ok) done.call({ lastID: reply.lastID, changes: reply.changes }, null, reply.rows);
    else done.call({ lastID: 0, changes: 0 }, Object.assign(new Error(reply.message), { code: reply.code }));
  }

  private fail(error: Error): void {
    this.__knex__disposed ??= error;
    const callbacks = [...this.waiting.values()];
    this.waiting.clear();
    for (const done of callbacks) done.call({ lastID: 0, changes: 0 }, error);
  }
}

function toSqlValue(value: unknown): SqlValue {
  if (value === undefined || value === null) return null;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (value instanceof Date) return value.getTime();
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string') return value;
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`A value of type ${typeof value} cannot be bound to an SQL statement.`);
}

// The compiler rewrites import specifiers but not this text: the sources run from .ts, the build from .js.
function workerUrl(): URL {
  return new URL(`./libsql-worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url);
}
