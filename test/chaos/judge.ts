import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import type { ChaosLedger } from './ledger.ts';
import type { Load, Started } from './load.ts';

export interface JudgeOptions {
  readonly postgresUrl: string;
  readonly redisUrl: string;
  readonly ledger: ChaosLedger;
  readonly load: Load;
}

export interface Verdict {
  readonly problems: readonly string[];
  /** Executions that were asked for, by kind and state. */
  readonly ends: ReadonlyMap<string, number>;
  /** Root executions, sub-workflows, tasks and actions in the database. */
  readonly rows: Readonly<Record<string, number>>;
}

/** In a cancelled workflow, a task whose items were not all started stays IDLE, and one between two tries DELAYED. */
const OPEN_TASKS = `from task_executions join executions on executions.id = execution_id
     where task_executions.state not in ('SUCCESS', 'ERROR', 'CANCELLED', 'SKIPPED')
       and not (task_executions.state in ('IDLE', 'DELAYED') and executions.state = 'CANCELLED')`;

/** What must be gone when nothing is under way any more: what is counted, and how. */
const LEFT_OVERS: Readonly<Record<string, string>> = {
  'executions not ended': "select count(*) from executions where state not in ('SUCCESS', 'ERROR', 'CANCELLED')",
  'tasks not ended': `select count(*) ${OPEN_TASKS}`,
  // An asynchronous one whose task ran out of time stays as it was, as in the reference.
  'actions not ended': `select count(*) from action_executions join task_executions as tasks on tasks.id = task_execution_id
     where action_executions.state not in ('SUCCESS', 'ERROR', 'CANCELLED') and tasks.state not in ('SUCCESS', 'ERROR', 'CANCELLED', 'SKIPPED')`,
  timers: 'select count(*) from timers',
  'outbox rows': 'select count(*) from outbox',
  'texts for the queue': 'select count(*) from queued_texts',
  jobs: 'select count(*) from external_jobs',
};

/**
 * Waits until nothing is left to do, whatever nodes may still have to find. @returns what is left when the time is over, or null.
 */
export async function settle(options: JudgeOptions, limitMs: number): Promise<string | null> {
  const end = Date.now() + limitMs;
  let resumedAt = Date.now();
  for (;;) {
    const left = await leftOvers(options);
    if (left.length === 0) return null;
    if (Date.now() > end) return left.join(', ');
    if (Date.now() - resumedAt > 5_000) {
      await resumePaused(options);
      resumedAt = Date.now();
    }
    await sleep(500);
  }
}

/** Compares what the database says with what was promised and with what the ledger saw. */
export async function judge({ postgresUrl, ledger, load }: JudgeOptions): Promise<Verdict> {
  const client = await connected(postgresUrl);
  try {
    const problems: string[] = [];
    const ends = new Map<string, number>();
    const executions = new Map((await client.query<ExecutionRow>(EXECUTIONS)).rows.map((row) => [row.id, row]));
    const actions = await actionsByPath(client, ledger.url);
    for (const one of load.started) {
      const row = executions.get(one.id);
      const end = `${one.kind.name} ${row?.state ?? 'missing'}`;
      ends.set(end, (ends.get(end) ?? 0) + 1);
      problems.push(...problemsOf(one, row).map((text) => `${one.id} (${one.kind.name}, ${one.operation}): ${text}`));
      problems.push(...problemsOfCalls(one, row?.state, ledger, actions));
    }
    problems.push(...(await problemsOfHistory(client)), ...(await openRows(client)));
    for (const { error } of (await client.query<{ error: string }>('select error from quarantine')).rows)
      problems.push(`an event was set aside: ${error}`);
    const known = new Set(load.started.map(({ id }) => id));
    for (const row of executions.values())
      if (!known.has(row.id)) problems.push(`execution ${row.id} of ${row.workflow_name} was never asked for`);
    return { problems, ends, rows: await rowsOf(client) };
  } finally {
    await client.end();
  }
}

interface ExecutionRow {
  readonly id: string;
  readonly workflow_name: string;
  readonly state: string;
  readonly state_info: string | null;
  readonly output: string;
}

const EXECUTIONS =
  'select id, workflow_name, state, state_info, output from executions where task_execution_id is null';
const LOST = /was lost while it ran the action|cannot be re-run safely/;

function problemsOf({ kind, operation }: Started, row: ExecutionRow | undefined): readonly string[] {
  if (row === undefined) return ['it is not there although its start was answered'];
  switch (row.state) {
    case 'SUCCESS': {
      const expected = JSON.stringify(kind.output);
      return row.output === expected ? [] : [`its output is ${row.output} instead of ${expected}`];
    }
    case 'CANCELLED':
      return operation === 'cancel' ? [] : ['nobody has cancelled it'];
    case 'ERROR':
      if (kind.promise !== 'once') return [`it failed although it may repeat: ${row.state_info ?? ''}`];
      return LOST.test(row.state_info ?? '') ? [] : [`it failed for another reason: ${row.state_info ?? ''}`];
    default:
      return [`it is ${row.state}`];
  }
}

interface ActionCount {
  /** Action executions of a call. */
  readonly rows: number;
  readonly succeeded: number;
}

/** By the path that they call. */
async function actionsByPath(client: Client, url: string): Promise<ReadonlyMap<string, ActionCount>> {
  const { rows } = await client.query<{ path: string; rows: string; succeeded: string }>(
    `select substr(input::json ->> 'url', ${url.length + 1}) as path, count(*) as rows,
            count(*) filter (where state = 'SUCCESS') as succeeded
     from action_executions where name in ('std.http', 'std.mistral_http') group by 1`,
  );
  return new Map(rows.map((row) => [row.path, { rows: Number(row.rows), succeeded: Number(row.succeeded) }]));
}

function problemsOfCalls(
  { id, kind }: Started,
  state: string | undefined,
  ledger: ChaosLedger,
  actions: ReadonlyMap<string, ActionCount>,
): readonly string[] {
  return kind.paths.flatMap((short) => {
    const [manner, rest] = short.split('/');
    const path = `/${manner}/${id}/${rest}`;
    const calls = ledger.calls.get(path) ?? 0;
    const { rows, succeeded } = actions.get(path) ?? { rows: 0, succeeded: 0 };
    const problems: string[] = [];
    if (kind.promise === 'once' && calls > 1) problems.push(`ran ${calls} times and may run once`);
    if (kind.promise === 'once' && rows > 1) problems.push(`has ${rows} action executions instead of one`);
    if (kind.promise === 'tries' && calls > rows) problems.push(`ran ${calls} times in ${rows} action executions`);
    if (state === 'SUCCESS' && calls === 0) problems.push('did not run at all');
    if (succeeded > calls) problems.push(`succeeded ${succeeded} times and ran ${calls} times`);
    return problems.map((text) => `${path} ${text}`);
  });
}

/** One row for each version of an execution, and nothing after the end. */
async function problemsOfHistory(client: Client): Promise<readonly string[]> {
  const twice = await client.query<{ execution_id: string; version: number }>(
    'select execution_id, version from execution_events where version > 0 group by 1, 2 having count(*) > 1',
  );
  const afterEnd = await client.query<{ execution_id: string }>(
    `select execution_id from (
       select execution_id, sum(ends) as ends from (
         select execution_id,
                (select count(*) from json_array_elements(changes::json) as change
                 where change ->> 0 = 'execution' and change ->> 2 in ('SUCCESS', 'ERROR', 'CANCELLED')) as ends
         from execution_events) as each group by 1) as sums
     where ends <> 1`,
  );
  return [
    ...twice.rows.map((row) => `version ${row.version} of execution ${row.execution_id} was written twice`),
    ...afterEnd.rows.map((row) => `execution ${row.execution_id} did not end exactly once`),
  ];
}

/** What still stands, with all that may tell why. */
async function openRows(client: Client): Promise<readonly string[]> {
  const open: Readonly<Record<string, string>> = {
    executions: "where state not in ('SUCCESS', 'ERROR', 'CANCELLED')",
    task_executions: `where id in (select task_executions.id ${OPEN_TASKS})`,
    timers: '',
    outbox: '',
  };
  const found: string[] = [];
  for (const [table, condition] of Object.entries(open)) {
    const { rows } = await client.query<object>(`select * from ${table} ${condition} order by id limit 10`);
    found.push(...rows.map((row) => `${table}: ${JSON.stringify(row)}`));
  }
  return found;
}

async function rowsOf(client: Client): Promise<Readonly<Record<string, number>>> {
  const counted: Record<string, number> = {};
  for (const table of ['executions', 'task_executions', 'action_executions', 'execution_events'])
    counted[table] = Number((await client.query<{ count: string }>(`select count(*) from ${table}`)).rows[0]?.count);
  return counted;
}

async function leftOvers({ postgresUrl, redisUrl }: JudgeOptions): Promise<readonly string[]> {
  const left: string[] = [];
  const client = await connected(postgresUrl);
  try {
    for (const [what, sql] of Object.entries(LEFT_OVERS)) {
      const count = Number((await client.query<{ count: string }>(sql)).rows[0]?.count);
      if (count > 0) left.push(`${count} ${what}`);
    }
    const living = await client.query<{ id: string }>(
      'select id from services where lease_until > extract(epoch from clock_timestamp()) * 1000',
    );
    left.push(...(await leftInRedis(redisUrl, new Set(living.rows.map(({ id }) => id)))));
  } finally {
    await client.end();
  }
  return left;
}

/**
 * Messages in any queue that somebody reads. What is in a queue of a process that is gone was sent again to all: results that come there
 * after its heir has looked stay, which wastes memory of Redis and nothing else.
 */
async function leftInRedis(url: string, living: ReadonlySet<string>): Promise<readonly string[]> {
  const redis = new Redis(url, { maxRetriesPerRequest: 20 });
  redis.on('error', () => {});
  try {
    const left: string[] = [];
    for (const key of await redis.keys('{chaos}:*')) {
      const [, queue = '', part = ''] = key.split(':');
      const owner = /^(?:results|executor)-(.+)$/.exec(queue)?.[1];
      if (owner !== undefined && !living.has(owner)) continue;
      const count = ['wait', 'active', 'paused'].includes(part)
        ? await redis.llen(key)
        : ['delayed', 'prioritized', 'failed', 'completed'].includes(part)
          ? await redis.zcard(key)
          : 0;
      if (count > 0) left.push(`${count} messages in ${queue}:${part}`);
    }
    return left;
  } finally {
    redis.disconnect();
  }
}

async function resumePaused({ postgresUrl, load }: JudgeOptions): Promise<void> {
  const client = await connected(postgresUrl);
  try {
    const { rows } = await client.query<{ id: string }>(
      "select id from executions where state = 'PAUSED' and task_execution_id is null",
    );
    for (const { id } of rows) await load.resume(id);
  } finally {
    await client.end();
  }
}

async function connected(url: string): Promise<Client> {
  const client = new Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  return client;
}
