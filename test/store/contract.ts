import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestFn } from 'ava';
import { connectionTrouble, isConnectionError, openStore } from '../../engine/store/connection.ts';
import type { Store, StoreOptions } from '../../engine/store/connection.ts';
import { insertMany, updateMany } from '../../engine/store/bulk.ts';
import { isUniqueViolation } from '../../engine/store/connection.ts';
import { migrate } from '../../engine/store/migrate.ts';
import { silentLogger } from '../../engine/log.ts';

/** What every driver of the store must do alike. */
export function storeContract(test: TestFn, driver: NonNullable<StoreOptions['driver']>): void {
  test(`${driver}: a new database gets all tables, and a second migration changes nothing`, async (t) => {
    const store = await open(t);
    t.is((await migrate(store)).from, 0);
    t.deepEqual(await migrate(store), { from: 1, to: 1 });
    t.deepEqual(await store.reader('counters').select('*'), [{ name: 'definitions_epoch', value: 1 }]);
  });

  test(`${driver}: a newer schema is refused`, async (t) => {
    const store = await open(t);
    await migrate(store);
    await store.writer('schema_versions').insert({ version: 99, name: 'later', applied_at: 1 });
    await t.throwsAsync(migrate(store), { message: /schema version 99, this program knows versions up to 1/ });
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
    const directory = await folder(t);
    const url = `sqlite:${join(directory, 'shared.db')}`;
    const stores = await Promise.all([0, 1].map(() => openStore({ url, driver }, silentLogger)));
    t.teardown(() => Promise.all(stores.map((store) => store.close())));
    const results = await Promise.all(stores.map((store) => migrate(store)));
    t.deepEqual(results.map(({ from }) => from).sort(), [0, 1]);
  });

  test(`${driver}: values come back as they were written`, async (t) => {
    const store = await open(t);
    await store.writer.schema.createTable('sample', (table) => {
      table.string('id').primary();
      table.bigInteger('at');
      table.float('seconds');
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
    const numbers = rows.map((row) => ({ ...row, flag: row.flag === null ? null : Number(row.flag) }));
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
    await t.throwsAsync(store.reader('counters').delete(), { message: /readonly/ });
  });

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

  test(`${driver}: an SQL error carries the database's words and leaves the connection usable`, async (t) => {
    const store = await open(t);
    await t.throwsAsync(store.writer.raw('select * from nowhere'), { message: /no such table: nowhere/ });
    t.deepEqual(await store.writer.raw('select 1 as one'), [{ one: 1 }]);
  });

  async function open(t: { teardown(run: () => Promise<void>): void }): Promise<Store> {
    const directory = await folder(t);
    const store = await openStore({ url: `sqlite:${join(directory, 'test.db')}`, driver }, silentLogger);
    t.teardown(() => store.close());
    return store;
  }
}

/** A folder that is gone after the test. Teardowns run last to first, so what is opened in it is closed before. */
async function folder(t: { teardown(run: () => Promise<void>): void }): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'tramontane-store-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}
