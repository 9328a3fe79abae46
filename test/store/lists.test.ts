import test from 'ava';
import type { Caller } from '../../engine/facade.ts';
import { insertMany } from '../../engine/store/bulk.ts';
import { ACTION_EXECUTIONS, columnOf, EXECUTIONS, TASKS } from '../../engine/store/collections.ts';
import type { Collection } from '../../engine/store/collections.ts';
import type { Store } from '../../engine/store/connection.ts';
import { parseFilter } from '../../engine/store/filters.ts';
import { listRows, sortKeys } from '../../engine/store/lists.ts';
import type { ListQuery } from '../../engine/store/lists.ts';
import { rowsOf } from '../../engine/store/dialect.ts';
import { memoryStore } from '../helpers/store.ts';

const admin: Caller = { projectId: 'a', isAdmin: true };
const alice: Caller = { projectId: 'a', isAdmin: false };

test('rows of other projects are in nobody else’s list, nor can they be a marker', async (t) => {
  const store = await memoryStore(t);
  await insertExecutions(store, [
    { id: '1', project_id: 'a' },
    { id: '2', project_id: 'b' },
  ]);
  t.deepEqual(await ids(store, alice, {}), ['1']);
  t.deepEqual(await ids(store, admin, {}), ['1', '2']);
  await t.throwsAsync(ids(store, alice, { marker: '2' }), { code: 'NOT_FOUND' });
});

test('a walk over a column with nulls and equal values meets every row once, in both directions', async (t) => {
  const store = await memoryStore(t);
  const infos = [null, 'b', null, 'a', 'a', 'b', null, 'c'];
  await insertExecutions(
    store,
    infos.map((state_info, i) => ({ id: `id-${i}`, state_info })),
  );
  for (const directions of [['asc'], ['desc'], ['desc', 'desc'], ['asc', 'desc']] as const) {
    const sort = sortKeys(EXECUTIONS, ['state_info', 'created_at'], directions);
    const whole = await ids(store, admin, { sort });
    t.is(new Set(whole).size, infos.length);
    const nulls = whole.map((id) => infos[Number(id.slice(3))] === null);
    t.is(nulls.indexOf(true), directions[0] === 'asc' ? 0 : 5);
    for (const limit of [1, 2, 3]) {
      const walked: string[] = [];
      for (let marker: string | null = null; ; ) {
        const page = await ids(store, admin, { sort, limit, marker });
        walked.push(...page);
        marker = page.at(-1) ?? null;
        if (page.length < limit) break;
      }
      t.deepEqual(walked, whole, `${directions.join()} ${limit}`);
    }
  }
});

test('a filter on JSON compares values, not texts, and fills pages across rows that do not fit', async (t) => {
  const store = await memoryStore(t);
  await insertExecutions(
    store,
    Array.from({ length: 1000 }, (_, i) => ({
      id: `id-${String(i).padStart(4, '0')}`,
      input: i % 100 === 0 ? '{"a":1,"b":[2.0]}' : i % 100 === 1 ? '{"b":[2],"a":1.0}' : '{"a":1}',
    })),
  );
  const column = columnOf(EXECUTIONS, 'input');
  t.truthy(column);
  if (column === undefined) return;
  const filters = [parseFilter(column, '{"b": [2], "a": 1}')];
  t.is((await ids(store, admin, { filters })).length, 20);
  const first = await ids(store, admin, { filters, limit: 3 });
  t.deepEqual(first, ['id-0000', 'id-0001', 'id-0100']);
  t.deepEqual(await ids(store, admin, { filters, limit: 2, marker: first[2] ?? null }), ['id-0101', 'id-0200']);
});

// What clients filter by in lists that grow with every execution. A scan of the table would show as "SCAN <table>" alone.
const INDEXED: readonly (readonly [Collection, readonly string[]])[] = [
  [
    EXECUTIONS,
    [
      '',
      'state=ERROR',
      'workflow_name=w',
      `workflow_id=${uuid()}`,
      `task_execution_id=${uuid()}`,
      `root_execution_id=${uuid()}`,
      `project_id=${uuid()}`,
    ],
  ],
  [TASKS, ['', 'state=ERROR', 'workflow_name=w', 'name=n', `workflow_execution_id=${uuid()}`, `project_id=${uuid()}`]],
  [
    ACTION_EXECUTIONS,
    ['', 'state=ERROR', 'workflow_name=w', 'name=n', `task_execution_id=${uuid()}`, `project_id=${uuid()}`],
  ],
];

for (const [collection, filters] of INDEXED) {
  test(`lists of ${collection.table} read by an index and stop after a page`, async (t) => {
    const store = await memoryStore(t);
    for (const filter of filters) {
      for (const caller of [admin, alice]) {
        const plan = await planOf(store, caller, collection, filter);
        t.true(/USING (COVERING )?INDEX|Index (Only )?Scan/.test(plan), `${filter}: ${plan}`);
        t.false(/SCAN (?!.*USING)|Seq Scan/.test(plan), `${filter}: ${plan}`);
        // What belongs to one execution, task or definition is few rows, and may be sorted after it was read.
        if (!filter.includes('_id=')) t.false(/TEMP B-TREE|Sort/.test(plan), `${filter}: ${plan}`);
      }
    }
  });
}

async function planOf(store: Store, caller: Caller, collection: Collection, filter: string): Promise<string> {
  const statements: { sql: string; bindings: unknown[] }[] = [];
  const note = (query: { sql: string; bindings: unknown[] }) => statements.push(query);
  store.reader.on('query', note);
  const [name = '', value = ''] = filter.split('=');
  const column = columnOf(collection, name);
  await listRows(
    store.reader,
    caller,
    collection,
    { ...query({}, collection), filters: column === undefined ? [] : [parseFilter(column, value)] },
    ['id', 'state'],
  );
  store.reader.removeListener('query', note);
  const { sql, bindings } = statements.at(-1) ?? { sql: '', bindings: [] };
  if (store.dialect === 'postgres') return postgresPlan(store, sql, bindings);
  const rows: { detail: string }[] = await store.reader.raw(`explain query plan ${sql}`, bindings as string[]);
  return rows.map((row) => row.detail).join('; ');
}

/** The planner reads small tables as a whole and sorts them: unless it is told what their growth will tell it. */
async function postgresPlan(store: Store, sql: string, bindings: readonly unknown[]): Promise<string> {
  const literal = (value: unknown) => (typeof value === 'number' ? String(value) : `'${String(value)}'`);
  const text = sql.replaceAll(/\$(\d+)/g, (_, number: string) => literal(bindings[Number(number) - 1]));
  return store.reader.transaction(async (trx) => {
    for (const way of ['seqscan', 'bitmapscan', 'sort']) await trx.raw(`set local enable_${way} = off`);
    return rowsOf<{ 'QUERY PLAN': string }>(await trx.raw(`explain ${text.replaceAll('?', '\\?')}`))
      .map((row) => row['QUERY PLAN'])
      .join('; ');
  });
}

async function ids(store: Store, caller: Caller, wanted: Partial<ListQuery>): Promise<string[]> {
  const rows = await listRows(store.reader, caller, EXECUTIONS, query(wanted, EXECUTIONS), ['id']);
  return rows.map((row) => row.id);
}

function query(wanted: Partial<ListQuery>, collection: Collection): ListQuery {
  return {
    filters: [],
    nulls: [],
    sort: sortKeys(collection, ['created_at'], []),
    limit: 1000,
    marker: null,
    ...wanted,
  };
}

async function insertExecutions(store: Store, rows: readonly Record<string, string | null>[]): Promise<void> {
  const base = {
    version: 1,
    workflow_name: 'w',
    workflow_namespace: '',
    spec_hash: '',
    project_id: 'a',
    description: '',
    tags: '[]',
    state: 'SUCCESS',
    state_info: null,
    input: '{}',
    output: '{}',
    params: '{}',
    context: '{}',
    runtime_context: '{}',
    accepted: false,
    updated_at: 1,
  };
  await insertMany(
    store.writer,
    'executions',
    rows.map((row, i) => ({ ...base, created_at: Math.floor(i / 2), ...row, id: row['id'] ?? '' })),
  );
}

function uuid(): string {
  return '123e4567-e89b-12d3-a456-426655440000';
}
