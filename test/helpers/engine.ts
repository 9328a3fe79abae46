import type { ExecutionContext } from 'ava';
import type { Json, JsonObject } from '../../dsl/json.ts';
import { createDefinitions, type Definitions } from '../../engine/shell/definitions.ts';
import type { ActionResult, ExecutorMessage, RunAction, StopAction } from '../../engine/contract.ts';
import type { ActionRecord, ExecutionRecord, TaskRecord } from '../../engine/core/model.ts';
import type { Caller } from '../../engine/facade.ts';
import { createEngine, type EngineOptions, type RunningEngine } from '../../engine/index.ts';
import { silentLogger } from '../../engine/log.ts';
import { EmbeddedQueue } from '../../engine/queue/embedded.ts';
import type { Store } from '../../engine/store/connection.ts';
import { openStore } from '../../engine/store/connection.ts';
import { fillIn, fillInOne } from '../../engine/store/large-values.ts';
import { migrate } from '../../engine/store/migrate.ts';
import {
  actionFromRow,
  type ActionRow,
  executionFromRow,
  type ExecutionRow,
  taskFromRow,
  type TaskRow,
} from '../../engine/store/tables.ts';
import type { Action } from '../../executors/action.ts';
import { catalogueOf } from '../../executors/catalogue.ts';
import { createCatalogue } from '../../executors/index.ts';
import { TestClock } from './clock.ts';
import { makeSchema, testDatabase } from './store.ts';

export const CALLER: Caller = { projectId: '<default-project>', isAdmin: true };

/** Made once: their tables of endpoints are long, and nothing in them changes. */
const SYSTEM_ACTIONS = createCatalogue().list();

/** An engine on a real database whose actions are done by the test: nothing happens outside of its control. */
export interface TestEngine {
  readonly engine: RunningEngine;
  readonly store: Store;
  readonly definitions: Definitions;
  readonly clock: TestClock;
  /** Actions that were handed to an executor and have no result yet, oldest first. */
  readonly waiting: RunAction[];
  readonly stops: StopAction[];
  upload(text: string): Promise<void>;
  start(workflow: string, input?: JsonObject, params?: JsonObject): Promise<ExecutionRecord>;
  /** Hands in the result of the oldest waiting action of that task. */
  finish(task: string, result?: Json | ActionResult): Promise<void>;
  /** Uploads one workflow, starts it, and looks at it when everything that can happen at once has happened. */
  run(text: string, input?: JsonObject, params?: JsonObject): Promise<Seen>;
  settle(): Promise<void>;
  see(id: string): Promise<Seen>;
}

export interface Seen {
  readonly execution: ExecutionRecord;
  readonly tasks: readonly TaskRecord[];
  readonly actions: readonly ActionRecord[];
  task(name: string): TaskRecord;
}

export interface TestEngineOptions
  extends Partial<
    Pick<
      EngineOptions,
      'limits' | 'cacheBytes' | 'embeddedExecutor' | 'background' | 'publishers' | 'notify' | 'leases'
    >
  > {
  readonly url?: string;
  /** Besides the system's own. */
  readonly actions?: readonly Action[];
  readonly store?: Store;
  readonly clock?: TestClock;
  /** Drop every view before each step, so that every decision is made on what is stored. */
  readonly forgetful?: boolean;
}

export async function openTestEngine(t: ExecutionContext, options: TestEngineOptions = {}): Promise<TestEngine> {
  const store = options.store ?? (await openStore({ url: options.url ?? (await testDatabase(t)) }, silentLogger));
  await (options.store === undefined && options.url === undefined ? makeSchema(store) : migrate(store));
  const clock = options.clock ?? new TestClock();
  const queue = new EmbeddedQueue(clock, silentLogger);
  const catalogue = catalogueOf([...SYSTEM_ACTIONS, ...(options.actions ?? [])]);
  const engine = createEngine({
    store,
    catalogue,
    queue,
    clock,
    log: silentLogger,
    embeddedExecutor: options.embeddedExecutor ?? true,
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    ...(options.cacheBytes === undefined ? {} : { cacheBytes: options.cacheBytes }),
    ...(options.background === undefined ? {} : { background: options.background }),
    ...(options.publishers === undefined ? {} : { publishers: options.publishers }),
    ...(options.notify === undefined ? {} : { notify: options.notify }),
    ...(options.leases === undefined ? {} : { leases: options.leases }),
  });
  const waiting: RunAction[] = [];
  const stops: StopAction[] = [];
  const stop = queue.consume(
    engine.acknowledging((message: ExecutorMessage) => {
      if (message.type === 'run-action') waiting.push(message);
      else stops.push(message);
      return Promise.resolve();
    }),
  );
  await engine.start();
  t.teardown(async () => {
    await stop();
    await engine.close();
    await store.close();
  });
  const definitions = createDefinitions({ store, catalogue, now: () => clock.now() });
  const settle = async () => {
    if (options.forgetful === true) engine.forgetViews();
    await engine.idle();
  };
  const test: TestEngine = {
    engine,
    store,
    definitions,
    clock,
    waiting,
    stops,
    settle,
    upload: async (text) => {
      await definitions.createWorkflows(CALLER, text, { namespace: '', scope: 'private' });
    },
    start: async (workflow, input = {}, params = {}) => {
      const record = await engine.startExecution(CALLER, {
        id: null,
        workflowId: null,
        workflowName: workflow,
        workflowNamespace: '',
        input,
        params,
        description: null,
        sourceExecutionId: null,
      });
      await settle();
      return record;
    },
    finish: async (task, result = null) => {
      const index = waiting.findIndex((message) => message.context.taskName === task);
      const [message] = index === -1 ? [] : waiting.splice(index, 1);
      if (message === undefined) throw new Error(`no action of task '${task}' waits`);
      const { actionExecutionId, attempt } = message.context;
      await settle();
      await engine.report({
        actionExecutionId,
        attempt,
        result: isResult(result) ? result : { kind: 'success', output: result },
      });
      await settle();
    },
    run: async (text, input = {}, params = {}) => {
      const rows = await definitions.createWorkflows(CALLER, text, { namespace: '', scope: 'private' });
      const record = await test.start(rows[0]?.name ?? '', input, params);
      return test.see(record.id);
    },
    see: (id) => see(store, id),
  };
  return test;
}

function isResult(value: Json | ActionResult): value is ActionResult {
  return typeof value === 'object' && value !== null && 'kind' in value && 'output' in value;
}

/** What the store holds of an execution. */
export async function see(store: Store, id: string): Promise<Seen> {
  const found: ExecutionRow | undefined = await store.reader('executions').where('id', id).first();
  const execution = await fillInOne(store.reader, found);
  if (execution === undefined) throw new Error(`no execution ${id}`);
  const tasks: TaskRow[] = await store.reader('task_executions').where('execution_id', id).orderBy('id');
  const actions: ActionRow[] = await store.reader('action_executions').where('execution_id', id).orderBy('id');
  const records = (await fillIn(store.reader, tasks)).map(taskFromRow);
  return {
    execution: executionFromRow(execution),
    tasks: records,
    actions: (await fillIn(store.reader, actions)).map(actionFromRow),
    task: (name) => {
      const found = records.findLast((task) => task.name === name);
      if (found === undefined)
        throw new Error(`no task '${name}'; there are ${records.map((task) => task.name).join(', ')}`);
      return found;
    },
  };
}
