import { parentPort, workerData } from 'node:worker_threads';
import Database from 'libsql';
import type { SqlValue, WorkerReply, WorkerRequest } from './libsql-protocol.ts';
import { isNothingToRollBack } from './rollback.ts';

/** The thread of one libsql connection: see libsql-connection.ts. Statements are prepared once and kept. */

// The engine uses a few dozen texts; lists with filters add more.
const KEPT_STATEMENTS = 200;
const DEFINES_SCHEMA = /^\s*(create|alter|drop|pragma)\b/i;

type Statement = ReturnType<Database.Database['prepare']>;

const port = parentPort;
if (port === null) throw new Error('libsql-worker.ts runs as a worker thread only.');
const statements = new Map<string, Statement>();
const database = open();

port.on('message', (request: WorkerRequest) => port.postMessage(answer(request)));

function open(): Database.Database {
  try {
    const opened = new Database((workerData as { path: string }).path);
    port?.postMessage({ id: 0, ok: true, rows: [], changes: 0, lastID: 0 } satisfies WorkerReply);
    return opened;
  } catch (error) {
    port?.postMessage(failure(0, error));
    throw error;
  }
}

function answer(request: WorkerRequest): WorkerReply {
  try {
    if (request.call === 'close') {
      statements.clear();
      database.close();
      return { id: request.id, ok: true, rows: [], changes: 0, lastID: 0 };
    }
    return execute(request);
  } catch (error) {
    if (isNothingToRollBack(request.sql, error)) return { id: request.id, ok: true, rows: [], changes: 0, lastID: 0 };
    return failure(request.id, error);
  }
}

function execute({ id, sql, bindings }: WorkerRequest): WorkerReply {
  const statement = prepare(sql);
  const values = bindings as SqlValue[];
  if (statement.reader) return { id, ok: true, rows: statement.all(values), changes: 0, lastID: 0 };
  const { changes, lastInsertRowid } = statement.run(values);
  return { id, ok: true, rows: [], changes, lastID: Number(lastInsertRowid) };
}

function prepare(sql: string): Statement {
  if (DEFINES_SCHEMA.test(sql)) {
    statements.clear();
    return database.prepare(sql);
  }
  const known = statements.get(sql);
  if (known !== undefined) {
    statements.delete(sql);
    statements.set(sql, known);
    return known;
  }
  const statement = database.prepare(sql);
  statements.set(sql, statement);
  const oldest = statements.keys().next().value;
  if (statements.size > KEPT_STATEMENTS && oldest !== undefined) statements.delete(oldest);
  return statement;
}

function failure(id: number, error: unknown): WorkerReply {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return { id, ok: false, message, code };
}
