import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { signalGroup, waitForExit } from './helpers/processes.ts';
import { RestClient } from './helpers/rest-client.ts';
import { launchServer, startServer } from './helpers/server-process.ts';
import { waitForEnd } from './helpers/waiting.ts';

const STAGES = 20;
const WIDTH = 9;
const KILLS = 50;

test('a server killed at 50 random moments of a workflow with 200 tasks ends it with every task done once', async (t) => {
  t.timeout(600_000);
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-crash-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const options = {
    database: `sqlite:${join(folder, 'crash.sqlite')}`,
    cwd: folder,
    logFile: join(folder, 'server.log'),
  };
  const random = seededRandom(Number(process.env.CRASH_SEED ?? Date.now() % 1_000_000), t.log);

  const gate = await openGate();
  t.teardown(gate.close);

  const first = await startServer(options);
  t.teardown(first.stop);
  await new RestClient(first.url).createWorkflows(stagesWorkflow());
  const { id } = await new RestClient(first.url).startExecution('stages', { url: gate.url });
  signalGroup(first.child, 'SIGKILL');
  await waitForExit(first.child);

  for (let kills = 1; kills < KILLS; kills += 1) {
    gate.letPass(kills / KILLS);
    const server = launchServer(options);
    t.teardown(server.stop);
    server.ready.catch(() => undefined);
    // Every fifth life ends while the server is still starting.
    if (kills % 5 !== 0) await server.ready;
    await sleep(random() * 400);
    signalGroup(server.child, 'SIGKILL');
    await waitForExit(server.child);
  }

  const last = await startServer(options);
  t.teardown(last.stop);
  const client = new RestClient(last.url);
  t.is((await client.execution(id)).state, 'RUNNING', 'every kill hit the workflow before its end');
  gate.letPass(1);
  const execution = await waitForEnd(client, id, 120_000);
  t.is(execution.state, 'SUCCESS', execution.state_info ?? '');
  t.deepEqual(JSON.parse(execution.output ?? 'null'), { total: STAGES * WIDTH, stages: STAGES });

  const tasks = await client.tasks(id);
  t.is(tasks.length, STAGES * (WIDTH + 1));
  t.is(new Set(tasks.map((task) => task.name)).size, tasks.length, 'no task was created twice');
  t.deepEqual([...new Set(tasks.map((task) => task.state))], ['SUCCESS']);
  for (const task of tasks.filter(({ name }) => name.startsWith('branch_'))) {
    const accepted = (await client.actions(task.id)).filter(({ state }) => state === 'SUCCESS');
    t.is(accepted.length, 1, `${task.name} has one result`);
  }
});

/**
 * The service that the tasks ask. It answers a task only once its share of the kills has happened, so that they fall all over the
 * workflow, however fast the machine is. A server that dies takes its question along and asks again in its next life.
 */
async function openGate(): Promise<{ readonly url: string; letPass(share: number): void; close(): Promise<void> }> {
  let open = 0;
  let waiting: { readonly share: number; readonly response: ServerResponse }[] = [];
  const answerThoseThatMay = () => {
    for (const { share, response } of waiting) if (share <= open) response.end('{"value": 1}');
    waiting = waiting.filter(({ share }) => share > open);
  };
  const server = createServer((request, response) => {
    const [, stage = 0, branch = 0] = /^\/(\d+)\/(\d+)$/.exec(request.url ?? '')?.map(Number) ?? [];
    response.setHeader('content-type', 'application/json');
    waiting.push({ share: (stage * WIDTH + branch + 1) / (STAGES * WIDTH), response });
    answerThoseThatMay();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    letPass: (share) => {
      open = share;
      answerThoseThatMay();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Stages of nine tasks at once that ask the gate, and a join that counts what they published. */
function stagesWorkflow(): string {
  const branches = (stage: number) => Array.from({ length: WIDTH }, (_, branch) => `branch_${stage}_${branch}`);
  const list = (names: readonly string[]) => names.map((name) => `        - ${name}`).join('\n');
  const stage = (index: number) => {
    const tasks = branches(index).map(
      (name) => `    ${name}:
      action: std.http
      input:
        url: <% $.url %>/${name.replace('branch_', '').replace('_', '/')}
        timeout: 300
      safe-rerun: true
      publish:
        ${name}: <% task().result.content.value %>
      on-success: join_${index}`,
    );
    const next = index + 1 < STAGES ? `\n      on-success:\n${list(branches(index + 1))}` : '';
    const sum = branches(index)
      .map((name) => `$.${name}`)
      .join(' + ');
    return `${tasks.join('\n')}
    join_${index}:
      join: all
      action: std.noop
      publish:
        total: <% $.total + ${sum} %>
        stages: <% $.stages + 1 %>${next}`;
  };
  return `version: '2.0'
stages:
  type: direct
  input: [url]
  vars:
    total: 0
    stages: 0
  output:
    total: <% $.total %>
    stages: <% $.stages %>
  tasks:
${Array.from({ length: STAGES }, (_, index) => stage(index)).join('\n')}
`;
}

/** Mulberry32: the same seed gives the same moments, as far as the machine plays along. */
function seededRandom(seed: number, log: (text: string) => void): () => number {
  log(`CRASH_SEED=${seed}`);
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 4_294_967_296;
  };
}
