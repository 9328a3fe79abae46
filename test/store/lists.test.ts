import test from 'ava';
import type { Caller } from '../../engine/facade.ts';
import { insertMany } from '../../engine/store/bulk.ts';
import { ACTION_EXECUTION_LIST, EXECUTION_LIST, TASK_LIST } from '../../api/v2/shapes.ts';
import { ACTION_EXECUTIONS, columnOf, EXECUTIONS, TASKS, WORKFLOWS } from '../../engine/store/collections.ts';
import type { Collection } from '../../engine/store/collections.ts';
import type { Store } from '../../engine/store/connection.ts';
import { countOpenRows, lastEventSeq, readEventLog, readEventsOf } from '../../engine/store/event-log.ts';
import { parseFilter } from '../../engine/store/filters.ts';
import type { Column } from '../../engine/store/filters.ts';
import { listRows, sortKeys } from '../../engine/store/lists.ts';
import type { ListQuery } from '../../engine/store/lists.ts';
import { rowsOf } from '../../engine/store/dialect.ts';
import { listMembers } from '../../engine/store/members.ts';
import { readTimeline } from '../../engine/store/timeline.ts';
import { findToken } from '../../engine/store/tokens.ts';
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

// Lists that grow with every execution. Whatever is filtered and wherever a page begins, rows come in order out of an index and reading
// stops after a page: a scan of the table would show as "SCAN <table>" alone, sorting all that fits as a temporary tree. What reads
// the rows of the page one by one, to make a text of them, shows as a scan of a subquery that is a co-routine.
const GROWING: readonly (readonly [Collection, readonly string[]])[] = [
  [EXECUTIONS, EXECUTION_LIST.filters],
  [TASKS, TASK_LIST.filters],
  [ACTION_EXECUTIONS, ACTION_EXECUTION_LIST.filters],
];

const VALUES: Readonly<Record<Column['type'], string>> = {
  text: 'x',
  uuid: '123e4567-e89b-12d3-a456-426655440000',
  integer: '1',
  time: 'gte:2020-01-01 00:00:00',
  flag: 'true',
  json: '{"a": 1}',
  tags: 'x',
};

// What belongs to one task, or one execution, is few rows, and may be sorted after it was read.
const FEW = ['task_execution_id', 'workflow_execution_id'];

// These have an index of their own: nothing else is looked at.
const SELECTIVE = ['state', 'workflow_name', 'workflow_id', 'root_execution_id', 'project_id', 'name', ...FEW];

for (const [collection, filters] of GROWING) {
  test(`lists of ${collection.table} read by an index and stop after a page`, async (t) => {
    const store = await memoryStore(t);
    for (const name of ['', ...filters]) {
      const column = columnOf(collection, name);
      const parsed = column === undefined ? [] : [parseFilter(column, VALUES[column.type])];
      for (const caller of [admin, alice]) {
        for (const direction of ['asc', 'desc'] as const) {
          const plan = await planOf(store, () =>
            listRows(
              store.reader,
              caller,
              collection,
              {
                ...query({ filters: parsed }, collection),
                sort: sortKeys(collection, ['created_at'], [direction]),
              },
              ['id', 'state'],
            ),
          );
          const what = `${collection.table} ${name} ${direction}: ${plan}`;
          t.true(/USING (COVERING )?INDEX|Index (Only )?Scan/.test(plan), what);
          t.false(/SCAN (?!\(subquery)(?!.*USING)|Seq Scan|MATERIALIZE/.test(plan), what);
          // Rows of one moment may be put in the order of their ids.
          if (!FEW.includes(name)) t.false(/TEMP B-TREE FOR ORDER|(?<!Incremental )Sort {1,2}\(cost/.test(plan), what);
          if (store.dialect === 'sqlite' && caller.isAdmin && SELECTIVE.includes(name) && hasIndex(collection, name))
            t.regex(plan, new RegExp(`SEARCH .*${column?.column}=\\?`), what);
        }
      }
    }
  });
}

/** Tasks are found by their execution, not by their workflow's id: no client asks for that, and each index costs a write. */
function hasIndex(collection: Collection, name: string): boolean {
  return !(collection !== EXECUTIONS && name === 'workflow_id');
}

test('a page after a marker begins within the index', async (t) => {
  const store = await memoryStore(t);
  await insertExecutions(store, [{ id: '1' }, { id: '2' }, { id: '3' }]);
  for (const direction of ['asc', 'desc'] as const) {
    const sort = sortKeys(EXECUTIONS, ['created_at'], [direction]);
    const plan = await planOf(store, () => ids(store, admin, { sort, marker: '2', limit: 2 }));
    if (store.dialect === 'sqlite') t.regex(plan, /SEARCH executions USING (COVERING )?INDEX \S+ \(created_at[<>]/);
    else t.regex(plan, /Index (Only )?Scan.*Index Cond: \(created_at [<>]=/);
  }
});

test('shares, the event log and timelines are read by an index', async (t) => {
  const store = await memoryStore(t);
  const reads: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['members', () => listMembers(store.reader, alice, VALUES.uuid)],
    ['log', () => readEventLog(store.reader, 5, 100)],
    ['log of one', () => readEventsOf(store.reader, 'e', 5, 100)],
    ['timeline', () => readTimeline(store.reader, 'e', null, 100)],
    ['open rows', () => countOpenRows(store.reader)],
    ['last', () => lastEventSeq(store.reader)],
    ['token', () => findToken(store.reader, 'x')],
    ['shared workflows', () => listRows(store.reader, alice, WORKFLOWS, query({}, WORKFLOWS), ['id'])],
  ];
  for (const [name, read] of reads) {
    const plan = await planOf(store, read);
    t.false(/SCAN (?!.*USING|\(subquery|v$|v;|execution_events$)|Seq Scan|MATERIALIZE/.test(plan), `${name}: ${plan}`);
    // Those with whom one workflow is shared are few.
    if (name !== 'members') t.false(/TEMP B-TREE FOR ORDER/.test(plan), `${name}: ${plan}`);
  }
});

/** How the database runs the last statement of a read. */
async function planOf(store: Store, read: () => Promise<unknown>): Promise<string> {
  const statements: { sql: string; bindings: unknown[] }[] = [];
  const note = (query: { sql: string; bindings: unknown[] }) => statements.push(query);
  store.reader.on('query', note);
  await read();
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
