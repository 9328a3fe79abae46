import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { Redis } from 'ioredis';
import { silentLogger } from '../../engine/log.ts';
import { EventStream } from '../../engine/scheduler/event-stream.ts';
import { CALLER, openTestEngine } from '../helpers/engine.ts';
import type { TestEngine } from '../helpers/engine.ts';
import { findRedis, startRedis } from '../helpers/redis-server.ts';
import { waitFor } from '../helpers/waiting.ts';

const FLOW = `
version: '2.0'
wf:
  tasks:
    t: { action: std.noop }
`;
const STREAM = 'events';
const GROUP = 'tramontane';

test.serial('an entry starts what listens to it, once, however often it is delivered', async (t) => {
  const { url, redis } = await server(t);
  const engine = await listeningEngine(t);
  await add(redis, { payload: '{"n": 1}' });
  const first = follow(t, url, engine);
  await until(async () => (await executions(engine)).length === 1);
  await until(async () => (await pending(redis)) === 0);
  t.like((await executions(engine))[0], { state: 'SUCCESS' });
  t.deepEqual(JSON.parse((await executions(engine))[0]?.params ?? '').event_params.payload, { n: 1 });
  await first.close();
  // The group has read it and never heard that it is done: as after a crash between the two.
  await redis.xgroup('SETID', STREAM, GROUP, '0');
  follow(t, url, engine);
  await until(async () => (await groupInfo(redis)).entriesRead === 1);
  await until(async () => (await pending(redis)) === 0);
  t.is((await executions(engine)).length, 1);
});

test.serial('an entry that a dead node took is taken over; one that is no event is left out', async (t) => {
  const { url, redis } = await server(t);
  const engine = await listeningEngine(t);
  await redis.xgroup('CREATE', STREAM, GROUP, '0', 'MKSTREAM');
  await redis.xadd(STREAM, '*', 'exchange', 'x');
  await add(redis, { payload: 'no JSON' });
  await add(redis, {});
  await add(redis, { project_id: 'bob' });
  await redis.xreadgroup('GROUP', GROUP, 'dead', 'STREAMS', STREAM, '>');
  t.is(await pending(redis), 4);
  follow(t, url, engine);
  await until(async () => (await pending(redis)) === 0);
  t.is((await executions(engine)).length, 1);
});

test.serial('what cannot be stored is not acknowledged, and maintenance stops the reading', async (t) => {
  const { url, redis } = await server(t);
  const engine = await listeningEngine(t);
  const state: State = { isBroken: true, isPaused: false };
  const stream = follow(t, url, engine, state);
  await add(redis, {});
  await until(async () => (await pending(redis)) === 1);
  t.is((await executions(engine)).length, 0);
  state.isBroken = false;
  await until(async () => (await pending(redis)) === 0);
  t.is((await executions(engine)).length, 1);
  await stream.close();
  state.isPaused = true;
  const looks = state.looks ?? 0;
  follow(t, url, engine, state);
  await add(redis, {});
  await until(async () => (state.looks ?? 0) > looks + 2);
  t.is((await executions(engine)).length, 1);
  state.isPaused = false;
  await until(async () => (await executions(engine)).length === 2);
});

interface State {
  isBroken: boolean;
  isPaused: boolean;
  looks?: number;
}

function follow(t: ExecutionContext, url: string, { engine }: TestEngine, state?: State): EventStream {
  const stream = new EventStream({
    settings: { url, stream: STREAM, group: GROUP },
    consumer: 'me',
    defaultProject: CALLER.projectId,
    log: silentLogger,
    publish: async (event) => {
      if (state?.isBroken === true) throw Object.assign(new Error('busy'), { code: 'SQLITE_BUSY' });
      await engine.eventTriggers.publish(event);
    },
    isPaused: async () => {
      if (state !== undefined) state.looks = (state.looks ?? 0) + 1;
      return state?.isPaused ?? false;
    },
    times: { block: 20, patience: 10, pause: 10 },
  });
  stream.start();
  t.teardown(() => stream.close());
  return stream;
}

/** A server of its own: nothing is left of other tests. */
async function server(t: ExecutionContext): Promise<{ url: string; redis: Redis }> {
  const program = await findRedis();
  if (program === null) throw new Error('needs the redis-server program');
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-events-'));
  const running = await startRedis(program, folder);
  const redis = new Redis(running.url);
  t.teardown(async () => {
    redis.disconnect();
    await running.stop();
    await rm(folder, { recursive: true, force: true });
  });
  return { url: running.url, redis };
}

async function listeningEngine(t: ExecutionContext): Promise<TestEngine> {
  const engine = await openTestEngine(t, { url: 'sqlite::memory:' });
  await engine.upload(FLOW);
  const { id: workflowId } = await engine.store.reader('workflows').first('id');
  const wanted = { name: null, workflowId, workflowInput: {}, workflowParams: {}, scope: 'private' };
  await engine.engine.eventTriggers.create(CALLER, { ...wanted, exchange: 'x', topic: 't', event: 'made' });
  return engine;
}

function until(ask: () => Promise<boolean>): Promise<unknown> {
  return waitFor('the stream', ask, 30_000);
}

function add(redis: Redis, fields: Record<string, string>): Promise<string | null> {
  return redis.xadd(STREAM, '*', ...Object.entries({ exchange: 'x', topic: 't', event: 'made', ...fields }).flat());
}

async function pending(redis: Redis): Promise<number> {
  return (await groupInfo(redis)).pending;
}

async function groupInfo(redis: Redis): Promise<{ pending: number; entriesRead: number }> {
  const [group] = (await redis.xinfo('GROUPS', STREAM)) as unknown[][];
  const value = (name: string): number => Number(group?.[group.indexOf(name) + 1]);
  return { pending: value('pending'), entriesRead: value('entries-read') };
}

async function executions(engine: TestEngine): Promise<{ state: string; params: string }[]> {
  await engine.settle();
  return engine.store.reader('executions');
}
