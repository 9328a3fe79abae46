import { join } from 'node:path';
import { build } from './build.mjs';

/**
 * Lists with a thousand and with a million executions in the table: how many times as long the second takes, on SQLite, and on
 * PostgreSQL where POSTGRES_URL names an empty database that may be filled.
 */
export async function million(server, folder) {
  const { openStore } = await build('engine/store/connection.js');
  const { migrate } = await build('engine/store/migrate.js');
  const { listRows, sortKeys } = await build('engine/store/lists.js');
  const { EXECUTIONS, columnOf } = await build('engine/store/collections.js');
  const { parseFilter } = await build('engine/store/filters.js');
  const urls = [
    `sqlite:${join(folder, 'million.sqlite')}`,
    ...(process.env.POSTGRES_URL ? [process.env.POSTGRES_URL] : []),
  ];
  const silent = { info() {}, warn() {}, error() {}, debug() {} };
  const figures = [];
  for (const url of urls) {
    const store = await openStore({ url, synchronous: 'normal' }, silent);
    try {
      await migrate(store);
      const times = new Map();
      for (const rows of [1_000, MANY]) {
        await fill(store, rows);
        const middle = await store
          .reader('executions')
          .orderBy('created_at')
          .offset(rows / 2)
          .first('id');
        for (const [name, { filters = {}, directions = [], marker = null, caller = ADMIN }] of Object.entries(
          queries(middle.id),
        )) {
          const query = {
            filters: Object.entries(filters).map(([column, text]) => parseFilter(columnOf(EXECUTIONS, column), text)),
            nulls: [],
            sort: sortKeys(EXECUTIONS, ['created_at'], directions),
            limit: 100,
            marker,
          };
          const run = () => listRows(store.reader, caller, EXECUTIONS, query, COLUMNS);
          const found = (await run()).length;
          if (found !== 100) throw new Error(`${name}: ${found} rows`);
          times.set(`${name} ${rows}`, await medianMilliseconds(run));
        }
      }
      for (const name of Object.keys(queries(''))) {
        const [few, many] = [times.get(`${name} 1000`), times.get(`${name} ${MANY}`)];
        figures.push({
          what: `${store.dialect}: ${name}, ${many.toFixed(1)} ms`,
          value: many / few,
          unit: 'x',
          target: '<= 2',
        });
      }
    } finally {
      await store.close();
    }
  }
  return figures;
}

const MANY = Number(process.env.ROWS ?? 1_000_000);
const ADMIN = { projectId: 'p0', isAdmin: true };
const COLUMNS = [
  'id',
  'workflow_name',
  'state',
  'state_info',
  'input',
  'params',
  'created_at',
  'updated_at',
  'description',
];

function queries(marker) {
  return {
    list: {},
    'newest first': { directions: ['desc'] },
    'after a marker in the middle': { marker },
    'newest first after a marker': { marker, directions: ['desc'] },
    'state=ERROR': { filters: { state: 'ERROR' } },
    workflow_name: { filters: { workflow_name: 'w1' } },
    workflow_id: { filters: { workflow_id: '00000000-0000-0000-0000-000000000001' } },
    'of one project': { caller: { projectId: 'p0', isAdmin: false } },
  };
}

/** Up to so many rows, of two projects and three workflows. */
async function fill(store, rows) {
  const numbers =
    store.dialect === 'postgres'
      ? 'select n from generate_series(?::int, ?::int) as n'
      : 'with recursive s(n) as (select ? union all select n + 1 from s where n < ?) select n from s';
  const [{ count }] = await store.reader('executions').count({ count: '*' });
  const STEP = 50_000;
  for (let from = Number(count); from < rows; from += STEP) {
    const to = Math.min(rows, from + STEP) - 1;
    await store.writer.raw(
      `insert into executions (id, version, workflow_id, workflow_name, workflow_namespace, spec_hash, project_id, description, tags, state, input, output, params, context, runtime_context, accepted, created_at, updated_at)
       select 'id-' || cast(n as varchar(10)), 1, '00000000-0000-0000-0000-00000000000' || (n % 3), 'w' || (n % 3), '', '', 'p' || (n % 2), '', '[]',
         case n % 5 when 0 then 'ERROR' else 'SUCCESS' end, '{"a": 1}', '{}', '{"env": {}}', '{}', '{}', ${store.dialect === 'postgres' ? 'false' : '0'}, n * 7 / 2, n * 4
       from (${numbers}) as numbers`,
      [from, to],
    );
  }
  // PostgreSQL does so by itself after a while; nobody does on SQLite.
  if (store.dialect === 'postgres') await store.writer.raw('analyze executions');
}

async function medianMilliseconds(run) {
  const times = [];
  for (let n = 0; n < 41; n += 1) {
    const startedAt = performance.now();
    await run();
    times.push(performance.now() - startedAt);
  }
  return times.toSorted((a, b) => a - b)[20];
}
