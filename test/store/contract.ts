import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { connectionTrouble, isConnectionError, openStore } from '../../engine/store/connection.ts';
import type { Store, StoreOptions } from '../../engine/store/connection.ts';
import { dialectOf, readDatabaseTime, rowsOf } from '../../engine/store/dialect.ts';
import type { ActionRecord, ExecutionId, ExecutionRecord } from '../../engine/core/model.ts';
import { claimActions } from '../../engine/store/action-claims.ts';
import { claimExecutions } from '../../engine/store/batch.ts';
import type { ExecutionChanges } from '../../engine/store/batch.ts';
import { insertMany, updateMany } from '../../engine/store/bulk.ts';
import { storableText } from '../../engine/store/columns.ts';
import { appendPiece, finishUpload, hashOfPieces, openUpload, readPieces } from '../../engine/store/job-files.ts';
import { actionToRow } from '../../engine/store/tables.ts';
import { isUniqueViolation } from '../../engine/store/connection.ts';
import { migrate } from '../../engine/store/migrate.ts';
import { silentLogger } from '../../engine/log.ts';

/** `test` of ava, or `test.skip`. */
type Declare = (title: string, body: (t: ExecutionContext) => Promise<void>) => void;

interface Test {
  teardown(run: () => Promise<void>): void;
}

/** What every driver of the store must do alike. `empty` gives the address of a database of its own that is empty. */
export function storeContract(test: Declare, driver: Store['driver'], empty: (t: Test) => Promise<string>): void {
  test(`${driver}: a new database gets all tables, and a second migration changes nothing`, async (t) => {
    const store = await open(t);
    t.is((await migrate(store)).from, 0);
    t.deepEqual(await migrate(store), { from: 1, to: 1 });
    t.is((await store.reader('counters').where('name', 'definitions_epoch').first())?.value, 1);
  });

  test(`${driver}: a newer schema is refused`, async (t) => {
    const store = await open(t);
    await migrate(store);
    await store.writer('schema_versions').insert({ version: 99, name: 'later', applied_at: 1 });
    await t.throwsAsync(migrate(store), { message: /schema version 99, this program knows versions up to 1/ });
  });

  test(`${driver}: bytes of files come back as they are, piece by piece`, async (t) => {
    const store = await open(t);
    await migrate(store);
    const pieces = [Uint8Array.from({ length: 512 }, (_, i) => i % 256), Uint8Array.of(0, 39, 92, 255)];
    let upload = await openUpload(store.writer, { projectId: 'p' }, { name: 'a.jar', sha256: null }, 1);
    for (const piece of pieces) {
      const before = upload;
      upload = await appendPiece(store.writer, before, piece, { quota: 1000, largest: 1000 }, 2);
      await t.throwsAsync(appendPiece(store.writer, before, piece, { quota: 1000, largest: 1000 }, 2), {
        message: /Another request uploads/,
      });
    }
    await t.throwsAsync(appendPiece(store.writer, upload, Buffer.alloc(512), { quota: 1000, largest: 2000 }, 2), {
      message: /quota_mb/,
    });
    const { file } = await finishUpload(store.writer, upload, await hashOfPieces(store.reader, upload), 'a.jar', 3);
    t.like(file, { size: 516, created_at: 3 });
    const read: Uint8Array[] = [];
    for await (const piece of readPieces(store.reader, file)) read.push(piece);
    t.deepEqual(Buffer.concat(read), Buffer.concat(pieces));
  });

  test(`${driver}: a migration that fails leaves nothing behind`, async (t) => {
    const store = await open(t);
    const broken = {
      version: 1,
      name: 'broken',
      up: async (trx: Store['writer']) => {
        await trx.schema.createTable('half', (table) => table.increments('id'));
        throw new Error('broken on purpose');
      },
    };
    await t.throwsAsync(migrate(store, [broken]), { message: 'broken on purpose' });
    t.false(await store.writer.schema.hasTable('half'));
  });

  test(`${driver}: two migrations at the same time both succeed, and one does the work`, async (t) => {
    const url = await empty(t);
    const stores = await Promise.all([0, 1].map(() => openAt(url)));
    t.teardown(() => Promise.all(stores.map((store) => store.close())));
    const results = await Promise.all(stores.map((store) => migrate(store)));
    t.deepEqual(results.map(({ from }) => from).sort(), [0, 1]);
  });

  test(`${driver}: values come back as they were written`, async (t) => {
    const store = await open(t);
    await store.writer.schema.createTable('sample', (table) => {
      table.string('id').primary();
      table.bigInteger('at');
      table.double('seconds');
      table.boolean('flag');
      table.text('body');
    });
    const rows = [
      {
        id: 'a',
        at: 1_700_000_000_123,
        seconds: 1.5,
        flag: true,
        body: '{"text":"\\u0000 \\ud800 ü 😀 \\" \\\\","big":123456789012345678901,"float":2.0}',
      },
      { id: 'b', at: Number.MAX_SAFE_INTEGER, seconds: 3, flag: false, body: null },
      { id: 'c', at: -1, seconds: null, flag: null, body: "quote ' and ? and $[0]" },
    ];
    // SQLite has no booleans.
    const numbers = rows.map((row) => ({
      ...row,
      flag: row.flag === null || dialectOf(store.writer) === 'postgres' ? row.flag : Number(row.flag),
    }));
    await store.writer('sample').insert(rows);
    t.deepEqual(await store.reader('sample').select('*').orderBy('id'), numbers);
    await store.writer('sample').delete();
    await insertMany(store.writer, 'sample', rows);
    t.deepEqual(await store.reader('sample').select('*').orderBy('id'), numbers);
  });

  test(`${driver}: many rows are inserted and updated by one statement each`, async (t) => {
    const store = await open(t);
    await store.writer.schema.createTable('pairs', (table) => {
      table.string('id').primary();
      table.integer('version');
      table.text('body');
    });
    const statements: string[] = [];
    store.writer.on('query', ({ sql }: { sql: string }) => statements.push(sql));
    const rows = Array.from({ length: 5000 }, (_, i) => ({ id: `id-${i}`, version: 1, body: `{"i":${i}}` }));
    await insertMany(store.writer, 'pairs', rows);
    const changed = await updateMany(
      store.writer,
      'pairs',
      ['id', 'version'],
      ['body'],
      [
        { id: 'id-7', version: 1, body: 'seven' },
        { id: 'id-8', version: 2, body: 'wrong version' },
        { id: 'none', version: 1, body: 'no such row' },
      ],
      { returning: ['id'] },
    );
    t.is(statements.length, 2);
    t.deepEqual(changed, [{ id: 'id-7' }]);
    t.deepEqual(await store.reader('pairs').whereIn('id', ['id-7', 'id-8', 'id-4999']).orderBy('id').pluck('body'), [
      '{"i":4999}',
      'seven',
      '{"i":8}',
    ]);
    t.deepEqual(
      await insertMany(store.writer, 'pairs', rows.slice(0, 2), { ignoreConflicts: true, returning: ['id'] }),
      [],
    );
    for (const again of [1, 2]) {
      const clash = await t.throwsAsync(insertMany(store.writer, 'pairs', rows.slice(0, again)));
      t.true(isUniqueViolation(clash));
    }
    await insertMany(store.writer, 'pairs', [{ id: 'after', version: 1, body: null }]);
    t.is((await store.reader('pairs').where('id', 'after')).length, 1);
  });

  test(`${driver}: a transaction that throws is rolled back, and readers see only what was committed`, async (t) => {
    const store = await open(t);
    await store.writer.schema.createTable('things', (table) => table.string('id').primary());
    const duringWrite: unknown[] = [];
    await t.throwsAsync(
      store.writer.transaction(async (trx) => {
        await trx('things').insert({ id: 'a' });
        duringWrite.push(await store.reader('things').select('id'));
        throw new Error('no');
      }),
      { message: 'no' },
    );
    t.deepEqual(duringWrite, [[]]);
    t.deepEqual(await store.reader('things').select('id'), []);
    await store.writer.transaction((trx) => trx('things').insert({ id: 'a' }));
    t.deepEqual(await store.reader('things').select('id'), [{ id: 'a' }]);
  });

  test(`${driver}: readers cannot write`, async (t) => {
    const store = await open(t);
    await migrate(store);
    await t.throwsAsync(store.reader('counters').delete(), { message: /read-?only/ });
  });

  test(`${driver}: an SQL error carries the database's words and leaves the connection usable`, async (t) => {
    const store = await open(t);
    await t.throwsAsync(store.writer.raw('select * from nowhere'), {
      message: /no such table: nowhere|relation "nowhere" does not exist/,
    });
    t.deepEqual(rowsOf(await store.writer.raw('select 1 as one')), [{ one: 1 }]);
  });

  test(`${driver}: characters that no database holds are bound as their escapes`, async (t) => {
    const store = await open(t);
    await store.writer.schema.createTable('texts', (table) => table.text('text'));
    await insertMany(store.writer, 'texts', [{ text: storableText('a\0b \ud800') }]);
    t.deepEqual(await store.reader('texts').pluck('text'), ['a\\u0000b \\ud800']);
    await t.notThrowsAsync(async () => store.reader('texts').where('text', 'a\0b'));
  });

  test(`${driver}: the database tells the time`, async (t) => {
    const store = await open(t);
    const before = Date.now();
    const time = await readDatabaseTime(store.reader);
    t.true(time >= before - 2 && time <= Date.now() + 2, `${before} ${time} ${Date.now()}`);
  });

  test(`${driver}: an execution is claimed by its version, once`, async (t) => {
    const store = await open(t);
    await migrate(store);
    const made = await store.writer.transaction((trx) =>
      claimExecutions(trx, [changes('a', null), changes('b', null)]),
    );
    t.deepEqual([...made].toSorted(), ['a', 'b']);
    t.deepEqual([...(await store.writer.transaction((trx) => claimExecutions(trx, [changes('a', null)])))], []);
    const both = [changes('a', 1), changes('b', 2), changes('none', 1)];
    t.deepEqual([...(await store.writer.transaction((trx) => claimExecutions(trx, both)))], ['a']);
    t.deepEqual([...(await store.writer.transaction((trx) => claimExecutions(trx, both)))], []);
    t.deepEqual([...(await store.writer.transaction((trx) => claimExecutions(trx, [changes('a', 2)])))], ['a']);
  });

  test(`${driver}: an action is claimed once, at its attempt, while it runs`, async (t) => {
    const store = await open(t);
    await migrate(store);
    const owner = { workflowName: null, workflowNamespace: '', projectId: 'p' };
    const rows = [action('a'), action('b', { attempt: 2 }), action('c', { state: 'SUCCESS' })];
    await insertMany(
      store.writer,
      'action_executions',
      rows.map((row) => actionToRow(row, owner)),
    );
    const wanted = ['a', 'b', 'c', 'none'].map((id) => ({ id, attempt: 1 }));
    const claim = (who: string) => store.writer.transaction((trx) => claimActions(trx, who, wanted, 5));
    const got = await Promise.all([claim('x'), claim('y')]);
    t.deepEqual(got.map((ids) => ids.size).toSorted(), [0, 1]);
    t.deepEqual(await store.reader('action_executions').whereNotNull('executor_id').pluck('id'), ['a']);
  });

  async function open(t: Test): Promise<Store> {
    const store = await openAt(await empty(t));
    t.teardown(() => store.close());
    return store;
  }

  function openAt(url: string): Promise<Store> {
    return openStore({ url, driver: driver === 'pg' ? undefined : driver }, silentLogger);
  }
}

/** What only a database in a file, or in memory, has to do. */
export function sqliteContract(test: Declare, driver: NonNullable<StoreOptions['driver']>): void {
  test(`${driver}: a database in memory keeps its data while nobody uses it`, async (t) => {
    const store = await openStore({ url: 'sqlite::memory:', driver }, silentLogger);
    t.teardown(() => store.close());
    await migrate(store);
    await store.writer('counters').insert({ name: 'x', value: 5 });
    t.is((await store.reader('counters').where('name', 'x').first())?.value, 5);
  });

  test(`${driver}: a second holder of a file is refused with the pid of the first`, async (t) => {
    const directory = await folder(t);
    const url = `sqlite:${join(directory, 'held.db')}`;
    const first = await openStore({ url, driver, exclusive: true }, silentLogger);
    await t.throwsAsync(openStore({ url, driver, exclusive: true }, silentLogger), {
      code: 'UNAVAILABLE',
      message: new RegExp(`in use by process ${process.pid} `),
    });
    await first.close();
    const next = await openStore({ url, driver, exclusive: true }, silentLogger);
    await next.close();
    t.pass();
  });

  test(`${driver}: a full disk undoes the transaction, is told from other errors, and is over when there is room`, async (t) => {
    const store = await open(t);
    await store.writer.raw('create table big (text text)');
    const insert = () =>
      store.writer.transaction(async (trx) => {
        await trx.raw("insert into big values ('small')");
        await trx.raw('insert into big values (?)', ['x'.repeat(1_000_000)]);
      });
    await store.writer.raw('pragma max_page_count = 1');
    const error = await t.throwsAsync(insert);
    t.is(connectionTrouble(error), 'cannot be written: its disk is full');
    t.true(isConnectionError(error));
    t.false(error?.message.includes('xxx'), 'the values of a statement are not in the error');
    t.deepEqual(await store.reader('big').count({ n: '*' }), [{ n: 0 }]);
    await store.writer.raw('pragma max_page_count = 1000000');
    await insert();
    t.deepEqual(await store.reader('big').count({ n: '*' }), [{ n: 2 }]);
  });

  async function open(t: Test): Promise<Store> {
    const store = await openStore({ url: await sqliteFile(t), driver }, silentLogger);
    t.teardown(() => store.close());
    return store;
  }
}

/** The address of a database file that is not there yet. */
export async function sqliteFile(t: Test): Promise<string> {
  return `sqlite:${join(await folder(t), 'test.db')}`;
}

function changes(id: string, version: number | null): ExecutionChanges {
  const record: ExecutionRecord = {
    id: id as ExecutionId,
    workflowId: null,
    workflowName: 'w',
    workflowNamespace: '',
    workbookName: null,
    specHash: '',
    projectId: 'p',
    description: '',
    tags: [],
    state: 'RUNNING',
    stateInfo: null,
    input: {},
    output: {},
    params: {},
    context: {},
    runtimeContext: {},
    taskExecutionId: null,
    parentExecutionId: null,
    rootExecutionId: null,
    accepted: false,
    createdAt: 1,
    updatedAt: 1,
  };
  return { record, version, changes: [] };
}

function action(id: string, fields: Partial<ActionRecord> = {}): ActionRecord {
  return {
    id: id as ActionRecord['id'],
    taskExecutionId: null,
    executionId: null,
    taskName: null,
    name: 'std.http',
    systemName: 'std.http',
    systemInput: null,
    wrappers: [],
    state: 'RUNNING',
    stateInfo: null,
    input: {},
    output: null,
    accepted: false,
    kind: 'sync',
    index: 0,
    attempt: 1,
    executorId: null,
    timeoutSeconds: 1.1,
    target: null,
    safeRerun: false,
    description: '',
    createdAt: 1,
    updatedAt: 1,
    ...fields,
  };
}

/** A folder that is gone after the test. Teardowns run last to first, so what is opened in it is closed before. */
async function folder(t: Test): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tramontane-store-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}
