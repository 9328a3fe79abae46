import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { Client } from 'pg';
import { newId } from '../../engine/ids.ts';
import { openChaosLedger } from '../chaos/ledger.ts';
import type { ChaosLedger } from '../chaos/ledger.ts';
import { LEASE_SECONDS, ServerNode } from '../chaos/nodes.ts';
import { Cleanup } from '../helpers/cleanup.ts';
import { startServers } from '../helpers/cluster.ts';
import { Random } from '../simulation/random.ts';
import { waitFor } from '../helpers/waiting.ts';

const PLANT = new URL('./plant-no-fencing.js', import.meta.url).href;
const LIMIT = 240_000;
const EXECUTIONS = 8;

const DOZING = `version: '2.0'
dozing:
  input: [url, run]
  output: {value: <% $.value %>}
  tasks:
    wait: {action: std.noop, wait-before: 3, on-success: call}
    call:
      action: std.http
      input: {url: "<% $.url %>/once/<% $.run %>/0"}
      publish: {value: <% task().result.content.value %>}
`;

test.serial(
  'a node that stood still for longer than its lease writes nothing of what others finished meanwhile',
  async (t) => {
    t.timeout(900_000);
    const { calls, history } = await overtake(t, []);
    t.deepEqual(
      [...calls].filter(([, count]) => count !== 1),
      [],
      'each action ran once',
    );
    t.is(calls.size, EXECUTIONS + 1);
    t.deepEqual(history, [], 'each execution ended once');
  },
);

test.serial('without the comparison of versions it would: that is what the test above sees', async (t) => {
  t.timeout(900_000);
  const { calls, history } = await overtake(t, ['--import', PLANT]);
  const twice = [...calls].filter(([, count]) => count > 1);
  t.true(twice.length > 0 || history.length > 0, 'the fault was not seen');
  t.log(`${twice.length} actions ran twice, ${history.length} executions did not end exactly once`);
});

/**
 * The first node holds views and timers of executions when it is stopped. The second one takes over and brings them to their end; then
 * the first one goes on with what it had in its hands.
 */
async function overtake(t: ExecutionContext, execArgv: readonly string[]) {
  const cleanup = new Cleanup();
  t.teardown(() => cleanup.run());
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-standstill-'));
  cleanup.add('the folder', () => rm(folder, { recursive: true, force: true }));
  const { postgres, redis } = await startServers(folder, cleanup);
  const ledger = await openChaosLedger(new Random(1));
  cleanup.add('the ledger', ledger.close);
  const nodes: ServerNode[] = [];
  for (const name of ['sleeper', 'other']) {
    const node = await ServerNode.create(name, 'api,engine,executor,scheduler', {
      folder,
      postgresPort: Number(new URL(postgres.url).port),
      redisPort: Number(new URL(redis.url).port),
      execArgv,
      onCrash: (_, how) => t.fail(`${name} ${how}`),
    });
    cleanup.add(name, () => node.stop());
    node.start();
    await node.untilReady();
    nodes.push(node);
  }
  const [sleeper] = nodes as [ServerNode];
  const database = new Client({ connectionString: postgres.url });
  await database.connect();
  cleanup.add('the connection', () => database.end());

  await call(`${sleeper.url}/v2/workflows`, DOZING, 'text/plain');
  const before = await Promise.all(Array.from({ length: EXECUTIONS }, () => begin(sleeper, ledger)));
  sleeper.signal('SIGSTOP');
  const stoppedAt = Date.now();
  for (const id of before) await ended(database, id);
  await waitFor('the end of the lease', () => Promise.resolve(Date.now() - stoppedAt > (LEASE_SECONDS + 1) * 1000));
  sleeper.signal('SIGCONT');
  // When this one has ended, whose timer is set after them, the sleeper has come to all that was due before.
  await ended(database, await begin(sleeper, ledger));
  await waitFor('all actions to end', async () => {
    const open = await database.query("select 1 from action_executions where state = 'RUNNING'");
    return open.rows.length === 0;
  });
  const history = await database.query(
    `select execution_id from (
       select execution_id, (select count(*) from json_array_elements(changes::json) as change
                             where change ->> 0 = 'execution' and change ->> 2 in ('SUCCESS', 'ERROR')) as ends
       from execution_events) as each group by 1 having sum(ends) <> 1`,
  );
  return { calls: ledger.calls, history: history.rows };
}

async function begin(node: ServerNode, ledger: ChaosLedger): Promise<string> {
  const id = newId();
  const request = { id, workflow_name: 'dozing', input: { url: ledger.url, run: id } };
  await call(`${node.url}/v2/executions`, JSON.stringify(request), 'application/json');
  return id;
}

async function call(url: string, body: string, type: string): Promise<void> {
  const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': type } });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
}

function ended(database: Client, id: string): Promise<unknown> {
  return waitFor(
    `the end of execution ${id}`,
    async () => {
      const { rows } = await database.query<{ state: string }>('select state from executions where id = $1', [id]);
      return rows[0]?.state === 'SUCCESS';
    },
    LIMIT,
  );
}
