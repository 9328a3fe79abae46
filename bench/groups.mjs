import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chain, items, itemsLimited, nested, pure, wideJoin } from './engine/measures.mjs';
import { dispatchedBullmq, dispatchedPostgres, dispatchedSqlite, nodes } from './dispatched.mjs';
import { soak } from './soak.mjs';
import { waiting } from './waiting.mjs';
import * as rest from './measures.mjs';
import { load } from './load.mjs';
import { million } from './million.mjs';
import { streams } from './streams.mjs';
import { BenchServer } from './server.mjs';

/** What `npm run bench` knows: each answers figures (report.mjs), from `{folder, servers, quick, progress}`. */
export const GROUPS = [
  { name: 'pure', about: 'Steps that the engine does by itself, on SQLite, beside the bare driver', run: pure },
  { name: 'sqlite', about: 'Steps through queue and executor on SQLite', run: dispatchedSqlite },
  {
    name: 'postgres',
    about: 'Steps through queue and executor on PostgreSQL, beside DBOS Transact',
    run: dispatchedPostgres,
  },
  { name: 'bullmq', about: 'Steps through BullMQ on PostgreSQL, beside raw BullMQ', run: dispatchedBullmq },
  {
    name: 'nodes',
    about: '1, 2 and 4 engine processes on PostgreSQL and Redis, beside raw BullMQ and raw PostgreSQL',
    run: nodes,
  },
  { name: 'latency', about: 'A one-step workflow alone, from POST to SUCCESS on the event stream', run: latency },
  { name: 'through-rest', about: 'Ten-step workflows over REST, 50 in flight', run: overRest(rest.chain) },
  { name: 'chain', about: 'One execution of 10,000 tasks in a chain', run: chain },
  { name: 'join', about: 'A join of 1,000 branches', run: wideJoin },
  { name: 'items', about: '100,000 with-items', run: items },
  { name: 'items-limited', about: '100,000 with-items, concurrency 50', run: itemsLimited },
  { name: 'nested', about: '200 sub-workflows, each within the last', run: nested },
  { name: 'waiting', about: 'Memory of 10,000 executions that wait for a timer or for somebody', run: waiting },
  { name: 'load', about: 'Reads and POST of executions beside a bare koa', run: overRest(load) },
  { name: 'million', about: 'Lists with a million executions beside a thousand', run: lists },
  { name: 'streams', about: 'Memory of 1,000 open event streams', run: overRest(streams) },
  {
    name: 'upload',
    about: 'Upload of a workflow with 1,000 tasks and as many expressions',
    run: overRest(rest.upload),
  },
  {
    name: 'language',
    about: 'Parsing and validating workflows, and simulated tests, beside the reference where it is installed',
    run: script('dsl.mjs'),
  },
  {
    name: 'expressions',
    about: 'YAQL and Jinja beside the Python library, jmespath and jsonata',
    run: script('expressions/run.mjs'),
  },
  {
    name: 'start',
    about: 'Cold start of serve on an existing database, and memory at rest',
    run: overRest(rest.start),
  },
  { name: 'soak', about: 'A million steps in one server process: memory and size of the database', run: soak },
];

/** A measure that gets a fresh server on a SQLite file, not yet started. */
function overRest(measure) {
  return async (context) => {
    const server = new BenchServer(context.folder);
    try {
      return await measure(server, context.folder, context);
    } finally {
      await server.stop();
    }
  };
}

async function latency(context) {
  const figures = await overRest(rest.one)(context);
  const onPostgres = new BenchServer(context.folder, await context.servers.postgres());
  try {
    return [...figures, ...(await rest.one(onPostgres, context.folder, context))];
  } finally {
    await onPostgres.stop();
  }
}

async function lists(context) {
  process.env.POSTGRES_URL = await context.servers.postgres();
  if (context.quick) process.env.ROWS ??= '100000';
  return million(null, context.folder);
}

/** A program of its own that prints figures as JSON with --json. */
function script(file) {
  return async ({ quick }) => {
    const path = join(fileURLToPath(new URL('.', import.meta.url)), file);
    const child = spawn(process.execPath, [path, '--figures', ...(quick ? ['--quick'] : [])], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text) => (output += text));
    const code = await new Promise((resolve) => child.once('exit', resolve));
    if (code !== 0) throw new Error(`${file} ended with ${code}`);
    return JSON.parse(output.trimEnd().split('\n').at(-1));
  };
}
