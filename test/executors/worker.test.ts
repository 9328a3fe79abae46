import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import type { ActionReport, EnginePort, RunAction } from '../../engine/contract.ts';
import { silentLogger } from '../../engine/log.ts';
import { success, type Action, type SyncAction } from '../../executors/action.ts';
import { catalogueOf } from '../../executors/catalogue.ts';
import { deferred } from '../../executors/deferred.ts';
import { createHttpClient } from '../../executors/http-client.ts';
import { JobWatcher } from '../../executors/job-watcher.ts';
import { stdPack } from '../../executors/std/pack.ts';
import { Worker, type WorkerOptions } from '../../executors/worker.ts';
import { claimActions } from '../../engine/store/action-claims.ts';
import { TestClock } from '../helpers/clock.ts';
import { memoryStore } from '../helpers/store.ts';
import { waitFor } from '../helpers/waiting.ts';
import { Remote, runAction } from './helpers/remote.ts';

/** The engine's side: grants claims once, takes results, counts heartbeats. */
class Engine implements EnginePort {
  readonly taken: ActionReport[] = [];
  readonly claimed = new Set<string>();
  readonly claimCalls: number[] = [];
  readonly beats: (readonly string[])[] = [];
  /** Asynchronous actions whose start was told. */
  readonly begun: string[] = [];
  failures = 0;

  async claim(
    _executorId: string,
    actions: readonly { readonly id: string; readonly attempt: number }[],
  ): Promise<ReadonlySet<string>> {
    this.claimCalls.push(actions.length);
    const granted = actions.filter(({ id }) => !this.claimed.has(id)).map(({ id }) => id);
    for (const id of granted) this.claimed.add(id);
    return new Set(granted);
  }

  async report(report: ActionReport): Promise<void> {
    if (this.failures-- > 0) throw new Error('cannot store now');
    this.taken.push(report);
  }

  async heartbeat(_executorId: string, ids: readonly string[]): Promise<void> {
    this.beats.push(ids);
  }

  async started(_executorId: string, id: string): Promise<void> {
    if (this.failures-- > 0) throw new Error('cannot store now');
    this.begun.push(id);
  }
}

interface World {
  readonly worker: Worker;
  readonly engine: Engine;
  readonly clock: TestClock;
  readonly remote: Remote;
  readonly watcher: JobWatcher;
  /** What `test.wait` does: each call waits for its gate. */
  readonly gates: Map<string, ReturnType<typeof deferred<void>>>;
  readonly started: string[];
  result(id: string): ActionReport['result'] | undefined;
  turns(): Promise<void>;
}

async function world(t: ExecutionContext, options: Partial<WorkerOptions> = {}): Promise<World> {
  const store = await memoryStore(t);
  const clock = new TestClock();
  const engine = new Engine();
  const remote = new Remote();
  const gates: World['gates'] = new Map();
  const started: string[] = [];
  const wait = testAction('test.wait', async (_input, context) => {
    const { actionExecutionId } = context.run;
    started.push(actionExecutionId);
    const gate = gates.get(actionExecutionId) ?? deferred<void>();
    gates.set(actionExecutionId, gate);
    await gate.promise;
    return success('waited');
  });
  const job: Action = { ...wait, name: 'test.job', kind: 'job', repeatSafe: true, backend: remote.backend() };
  const breaks = testAction('test.throw', async () => {
    throw new Error('out of order');
  });
  const http = createHttpClient(null);
  const watcher = new JobWatcher({
    db: store.writer,
    nodeId: 'n1',
    engine,
    backends: [remote.backend()],
    clock,
    log: silentLogger,
  });
  await watcher.start();
  t.teardown(async () => {
    await watcher.close();
    await http.close();
  });
  const worker = new Worker({
    catalogue: catalogueOf([...stdPack(), wait, breaks, job]),
    engine,
    executorId: 'e1',
    host: 'here',
    watcher,
    http,
    clock,
    log: silentLogger,
    ...options,
  });
  return {
    worker,
    engine,
    clock,
    remote,
    watcher,
    gates,
    started,
    turns,
    result: (id) => engine.taken.find((report) => report.actionExecutionId === id)?.result,
  };
}

function testAction(name: string, run: SyncAction['run']): SyncAction {
  return {
    name,
    description: 'For tests.',
    kind: 'sync',
    repeatSafe: false,
    parameters: { type: 'object', properties: { n: { type: 'integer' } }, required: [], additionalProperties: false },
    result: { description: 'A word.' },
    examples: [],
    run,
  };
}

async function listenOn(t: ExecutionContext, server: Server): Promise<string> {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function actionRow(id: string) {
  return {
    id,
    name: 'test.wait',
    system_name: 'test.wait',
    workflow_namespace: '',
    project_id: 'p',
    description: '',
    state: 'RUNNING',
    input: '{}',
    accepted: false,
    kind: 'sync',
    runtime_context: '{}',
    attempt: 1,
    safe_rerun: false,
    created_at: 1,
    updated_at: 1,
  };
}

async function turns(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

const wait = (id: string, more: Partial<RunAction> = {}) => runAction('test.wait', id, {}, more);

test('a message is done once its result is committed', async (t) => {
  const w = await world(t);
  w.engine.failures = 2;
  let isDone = false;
  const done = w.worker.handle(runAction('std.echo', 'a1', { output: { n: 1 } })).then(() => {
    isDone = true;
  });
  await w.turns();
  t.false(isDone);
  w.clock.advance(10_000);
  await w.turns();
  w.clock.advance(10_000);
  await done;
  t.deepEqual(w.engine.taken, [{ actionExecutionId: 'a1', attempt: 1, result: { kind: 'success', output: { n: 1 } } }]);
});

test('an action is claimed before it runs, and does not run without the claim', async (t) => {
  const w = await world(t);
  w.engine.claimed.add('a2');
  const running = [wait('a1', { claim: true }), wait('a2', { claim: true }), wait('a3', { claim: false })].map(
    (message) => w.worker.handle(message),
  );
  await w.turns();
  t.deepEqual(w.started.toSorted(), ['a1', 'a3']);
  t.deepEqual(w.engine.claimCalls, [2], 'claims that come together are asked for together');
  for (const gate of w.gates.values()) gate.resolve();
  await Promise.all(running);
  t.deepEqual(w.engine.taken.map(({ actionExecutionId }) => actionExecutionId).toSorted(), ['a1', 'a3']);
});

test('a message that comes twice runs once', async (t) => {
  const w = await world(t);
  const first = w.worker.handle(wait('a1'));
  await w.turns();
  await w.worker.handle(wait('a1'));
  w.gates.get('a1')?.resolve();
  await first;
  t.is(w.engine.taken.length, 1);
  t.deepEqual(w.started, ['a1']);
});

test('a further attempt runs although the one before is still under way here, which is stopped', async (t) => {
  const { worker, started, engine, gates, turns } = await world(t);
  const first = worker.handle(runAction('test.wait', 'a'));
  await turns();
  const again = runAction('test.wait', 'a');
  const second = worker.handle({ ...again, context: { ...again.context, attempt: 2 } });
  const late = worker.handle(runAction('test.wait', 'a'));
  await turns();
  t.deepEqual(started, ['a', 'a']);
  gates.get('a')?.resolve();
  await Promise.all([first, second, late]);
  t.deepEqual(
    engine.taken.map(({ attempt, result }) => `${attempt} ${result.kind}`),
    ['1 error', '2 success'],
  );
  t.deepEqual(worker.actions, []);
});

test('an action that may be repeated runs without a claim', async (t) => {
  const { worker, engine, result } = await world(t);
  await worker.handle(runAction('std.echo', 'a', { output: 1 }, { claim: true }));
  t.deepEqual(engine.claimCalls, []);
  t.deepEqual(result('a'), { kind: 'success', output: 1 });
});

test('unknown actions and bad input are error results with a hint', async (t) => {
  const w = await world(t);
  await w.worker.handle(runAction('std.ehco', 'a1'));
  await w.worker.handle(runAction('std.echo', 'a2', { outptu: 1 }));
  await w.worker.handle(runAction('test.wait', 'a3', { n: 'x' }));
  t.deepEqual(w.result('a1')?.output, "There is no action 'std.ehco' on this executor; did you mean 'std.echo'?");
  t.deepEqual(
    w.result('a2')?.output,
    'Invalid input [name=std.echo, class=std.echo, missing=["output"], unexpected=["outptu"]]',
  );
  t.deepEqual(
    w.result('a3')?.output,
    "Invalid input of test.wait: Parameter 'n' is the text 'x'; it should be a whole number",
  );
});

test('an action that throws gives the text of the reference', async (t) => {
  const w = await world(t);
  await w.worker.handle(runAction('test.throw', 'a1'));
  t.deepEqual(w.result('a1'), {
    kind: 'error',
    output: "The action raised an exception [action=test.throw, action_ex_id=a1, msg='out of order']",
    retryable: false,
  });
});

test('a time limit is reported at once, even when the action goes on', async (t) => {
  const w = await world(t);
  const running = w.worker.handle(wait('a1', { timeoutSeconds: 5 }));
  await w.turns();
  w.clock.advance(4999);
  await w.turns();
  t.is(w.engine.taken.length, 0);
  w.clock.advance(1);
  await running;
  t.deepEqual(w.result('a1'), { kind: 'error', output: 'Timeout after 5 seconds', retryable: false });
});

test('stop-action aborts what runs, keeps away what has not begun, and is harmless otherwise', async (t) => {
  const w = await world(t);
  const running = w.worker.handle(wait('a1'));
  await w.turns();
  const stop = (id: string) =>
    w.worker.handle({ type: 'stop-action', actionExecutionId: id, reason: 'cancelled', receipt: null });
  await stop('a1');
  await running;
  t.is(w.result('a1')?.kind, 'cancelled');
  await stop('a2');
  await w.worker.handle(wait('a2'));
  t.deepEqual(w.started, ['a1']);
  t.is(w.result('a2')?.kind, 'cancelled', 'the engine waits to hear of what it stopped');
  await stop('unknown');
});

test('no more actions run at once than allowed', async (t) => {
  const w = await world(t, { concurrency: 2 });
  const running = ['a1', 'a2', 'a3'].map((id) => w.worker.handle(wait(id)));
  await w.turns();
  t.deepEqual(w.started, ['a1', 'a2']);
  w.gates.get('a1')?.resolve();
  await w.turns();
  t.deepEqual(w.started, ['a1', 'a2', 'a3']);
  for (const gate of w.gates.values()) gate.resolve();
  await Promise.all(running);
});

test('of what waits for its turn the first priority goes first, and the same one in order', async (t) => {
  const w = await world(t, { concurrency: 1, priorities: { 'test.wait': 1 } });
  const all = [wait('a'), runAction('test.throw', 'b'), wait('c'), wait('d')].map((one) => w.worker.handle(one));
  for (const id of ['a', 'c', 'd']) {
    await w.turns();
    w.gates.get(id)?.resolve();
  }
  await Promise.all(all);
  t.deepEqual(
    w.engine.taken.map(({ actionExecutionId }) => actionExecutionId),
    ['a', 'c', 'd', 'b'],
  );
});

test('heartbeats are sent for what runs, and end with it', async (t) => {
  const w = await world(t, { heartbeatMs: 1000 });
  const running = w.worker.handle(wait('a1'));
  await w.turns();
  for (let i = 0; i < 3; i++) {
    w.clock.advance(1000);
    await w.turns();
  }
  t.deepEqual(w.engine.beats, [['a1'], ['a1'], ['a1']]);
  w.gates.get('a1')?.resolve();
  await running;
  w.clock.advance(10_000);
  await w.turns();
  t.is(w.engine.beats.length, 3);
});

test('what waits for this executor in its own process is spoken of as well, at every third heartbeat', async (t) => {
  const held: string[] = ['gated'];
  const w = await world(t, { heartbeatMs: 1000, held: () => held });
  const running = w.worker.handle(wait('a1'));
  const beat = async () => {
    w.clock.advance(1000);
    await w.turns();
  };
  for (let i = 0; i < 4; i++) await beat();
  t.deepEqual(w.engine.beats, [['a1', 'gated'], ['a1'], ['a1'], ['a1', 'gated']]);
  w.gates.get('a1')?.resolve();
  await running;
  for (let i = 0; i < 3; i++) await beat();
  t.deepEqual(w.engine.beats.slice(4), [['gated']]);
  await w.worker.drain(0);
});

test('an asynchronous action reports only errors', async (t) => {
  const w = await world(t);
  await w.worker.handle(runAction('std.async_noop', 'a1'));
  t.is(w.engine.taken.length, 0);
  await w.worker.handle(runAction('std.mistral_http', 'a2', { url: 'nonsense' }));
  t.is(w.result('a2')?.kind, 'error');
});

test('the start of an asynchronous action is told until the engine knows it', async (t) => {
  const calls: string[] = [];
  const service = createServer((request, response) => {
    calls.push(request.url ?? '');
    response.end('ok');
  });
  const url = await listenOn(t, service);
  const w = await world(t);
  w.engine.failures = 1;
  const done = w.worker.handle(runAction('std.mistral_http', 'a1', { url: `${url}/order` }));
  await waitFor('the call', async () => (w.engine.failures < 1 ? true : undefined));
  await w.turns();
  t.deepEqual(w.engine.begun, []);
  w.clock.advance(10_000);
  await done;
  t.deepEqual(w.engine.begun, ['a1']);
  t.deepEqual(calls, ['/order'], 'the call itself is not repeated');
  t.is(w.engine.taken.length, 0);
  await w.worker.handle(runAction('std.async_noop', 'a2'));
  t.deepEqual(w.engine.begun, ['a1'], 'what may be started twice needs no note');
});

test('a stop that comes while the action is claimed keeps it from running, and is reported', async (t) => {
  const w = await world(t);
  const gate = deferred<void>();
  const claim = w.engine.claim.bind(w.engine);
  w.engine.claim = async (executorId, actions) => {
    await gate.promise;
    return claim(executorId, actions);
  };
  const running = w.worker.handle(wait('a1', { claim: true }));
  await w.turns();
  await w.worker.handle({ type: 'stop-action', actionExecutionId: 'a1', reason: 'cancelled', receipt: null });
  gate.resolve();
  await running;
  t.deepEqual(w.started, []);
  t.is(w.result('a1')?.kind, 'cancelled');
});

test('a claim whose answer was lost is asked for again, and the action runs once', async (t) => {
  const store = await memoryStore(t);
  const w = await world(t);
  await store.writer('action_executions').insert(actionRow('a1'));
  let losses = 1;
  w.engine.claim = async (executorId, actions) => {
    const granted = await store.writer.transaction((trx) => claimActions(trx, executorId, actions, 1));
    if (losses-- > 0) throw new Error('the connection was lost after the commit');
    return granted;
  };
  await t.throwsAsync(w.worker.handle(wait('a1', { claim: true })), { message: /after the commit/ });
  const again = w.worker.handle(wait('a1', { claim: true }));
  await waitFor('the start', async () => w.started[0]);
  await w.worker.handle(wait('a1', { claim: true }));
  const other = await store.writer.transaction((trx) => claimActions(trx, 'e2', [{ id: 'a1', attempt: 1 }], 1));
  t.is(other.size, 0, 'another executor does not get it');
  w.gates.get('a1')?.resolve();
  await again;
  t.deepEqual(w.started, ['a1']);
});

test('a job goes to the watcher, and its stop too', async (t) => {
  const w = await world(t);
  await w.worker.handle(runAction('test.job', 'a1'));
  await w.watcher.idle();
  t.is(w.remote.calls.submit, 1);
  await w.worker.handle({ type: 'stop-action', actionExecutionId: 'a1', reason: 'cancelled', receipt: null });
  await w.watcher.idle();
  w.clock.advance(3000);
  await w.watcher.idle();
  t.is(w.result('a1')?.kind, 'cancelled');
});

test("another host's action is left alone", async (t) => {
  const w = await world(t);
  await w.worker.handle(wait('a1', { target: 'there' }));
  t.deepEqual(w.started, []);
  const running = w.worker.handle(wait('a2', { target: 'here' }));
  await w.turns();
  t.deepEqual(w.started, ['a2']);
  w.gates.get('a2')?.resolve();
  await running;
});

test('a drain lets actions end, aborts the rest, and refuses new ones', async (t) => {
  const w = await world(t);
  const running = [w.worker.handle(wait('a1')), w.worker.handle(wait('a2'))];
  await w.turns();
  const drained = w.worker.drain(10_000);
  await t.throwsAsync(w.worker.handle(wait('a3')), { message: /shutting down/ });
  w.gates.get('a1')?.resolve();
  await w.turns();
  w.clock.advance(10_000);
  await w.turns();
  w.clock.advance(5000);
  await drained;
  await Promise.all(running);
  t.is(w.result('a1')?.kind, 'success');
  t.deepEqual(w.result('a2'), {
    kind: 'error',
    output: 'The executor was shut down while the action ran.',
    retryable: true,
  });
});

test('a time limit of months does not fire at once', async (t) => {
  const w = await world(t);
  const running = w.worker.handle(wait('a1', { timeoutSeconds: 60 * 86_400 }));
  await w.turns();
  w.clock.advance(59 * 86_400_000);
  await w.turns();
  t.is(w.engine.taken.length, 0);
  w.clock.advance(86_400_000);
  await running;
  t.is(w.result('a1')?.kind, 'error');
});
