import type { Knex } from 'knex';
import type { WorkflowSpec } from '../../dsl/spec/types.ts';
import { isJsonObject, type JsonObject } from '../../dsl/json.ts';
import { type ContextNode, contextFromDelta, EMPTY_CONTEXT, outboundContext } from '../core/context.ts';
import {
  type Event,
  type ExecutionId,
  type ExecutionRecord,
  hasManyItems,
  isFinal,
  type TaskExecutionId,
  type TaskRecord,
} from '../core/model.ts';
import {
  addAction,
  addChild,
  addTask,
  childOf,
  createView,
  type ExecutionView,
  membersOf,
  retention,
} from '../core/view.ts';
import { decodeJson } from './columns.ts';
import { dialectOf, rowsOf } from './dialect.ts';
import { fillIn, fillInOne } from './large-values.ts';
import {
  actionFromRow,
  type ActionRow,
  executionFromRow,
  type ExecutionRow,
  taskFromRow,
  type TaskRow,
  timerFromRow,
  type TimerRow,
} from './tables.ts';

export interface LoadedView {
  readonly view: ExecutionView;
  readonly version: number;
}

/**
 * Reads executions as views: just the rows that `retention` keeps (engine/core/view.ts), the chains of contexts below them, and
 * the environment of each root. Ids that do not exist are missing in the answer.
 */
export async function loadViews(
  knex: Knex,
  ids: readonly ExecutionId[],
  loadSpec: (hash: string) => Promise<WorkflowSpec>,
): Promise<ReadonlyMap<ExecutionId, LoadedView>> {
  const loaded = new Map<ExecutionId, LoadedView>();
  for (let at = 0; at < ids.length; at += EXECUTIONS_AT_ONCE) {
    const found: ExecutionRow[] = await knex('executions').whereIn('id', ids.slice(at, at + EXECUTIONS_AT_ONCE));
    const rows = await fillIn(knex, found);
    const environments = await loadEnvironments(knex, rows);
    const views: ExecutionView[] = [];
    for (const row of rows) {
      const record = executionFromRow(row);
      const view = createView(await loadSpec(row.spec_hash), record, environments.get(row.id) ?? {});
      views.push(view);
      loaded.set(record.id, { view, version: row.version });
    }
    if (views.length > 0) await fillViews(knex, views);
  }
  return loaded;
}

// Each kind of row is read with one statement for so many.
const EXECUTIONS_AT_ONCE = 200;

/** The stored version of each of these executions that exists. */
export async function loadVersions(knex: Knex, ids: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const versions = new Map<string, number>();
  for (let at = 0; at < ids.length; at += 500) {
    const rows: { id: string; version: number }[] = await knex('executions')
      .whereIn('id', ids.slice(at, at + 500))
      .select('id', 'version');
    for (const { id, version } of rows) versions.set(id, Number(version));
  }
  return versions;
}

/** `env()` shows the environment of the root execution (spec/engine.md §6). */
async function loadEnvironments(knex: Knex, rows: readonly ExecutionRow[]): Promise<ReadonlyMap<string, JsonObject>> {
  const roots = [...new Set(rows.flatMap((row) => row.root_execution_id ?? []))];
  const rootRows: { id: string; params: string }[] =
    roots.length === 0 ? [] : await knex('executions').whereIn('id', roots).select('id', 'params');
  const byRoot = new Map(rootRows.map((row) => [row.id, environmentIn(row.params)]));
  return new Map(
    rows.map((row) => [
      row.id,
      row.root_execution_id === null ? environmentIn(row.params) : (byRoot.get(row.root_execution_id) ?? {}),
    ]),
  );
}

function environmentIn(params: string): JsonObject {
  const { env } = decodeJson<JsonObject>(params);
  return isJsonObject(env) ? env : {};
}

type Views = ReadonlyMap<string, ExecutionView>;

async function fillViews(knex: Knex, filled: readonly ExecutionView[]): Promise<void> {
  const views: Views = new Map(filled.map((view) => [view.record.id, view]));
  const counts = await countTasks(knex, views);
  const tasks = await loadRetainedTasks(knex, views, counts);
  const contexts = await loadContexts(knex, tasks);
  for (const task of tasks) {
    const view = views.get(task.executionId);
    if (view !== undefined) addTask(view, task, contexts.inbound(task));
  }
  for (const { execution_id, name, count, latest } of counts) {
    const view = views.get(execution_id);
    if (view === undefined) continue;
    view.createdOfName.set(name, Number(count));
    // An older one that is retained for another reason is not the latest.
    if (view.tasks.has(latest)) view.latestByName.set(name, latest);
    else view.latestByName.delete(name);
  }
  await addMembers(
    knex,
    views,
    tasks.filter((task) => needsMembers(views.get(task.executionId), task)),
  );
  await addRunningMembers(knex, views);
  const timers: TimerRow[] = await knex('timers').whereIn('execution_id', [...views.keys()]);
  for (const row of timers) {
    const timer = timerFromRow(row);
    const view = views.get(timer.executionId);
    if (view === undefined) continue;
    view.timers.set(timer.id, timer);
    membersOf(view, timer.taskExecutionId).timers.add(timer.id);
  }
}

function needsMembers(view: ExecutionView | undefined, task: TaskRecord): boolean {
  if (view === undefined || hasManyItems(task)) return false;
  return !isFinal(task.state) || !task.processed || retention(view, task) === 'all';
}

// Word by word the conditions of indexes (0001-initial.ts): what is finished is not even looked at.
const RETAINED = "(not processed or not has_next_tasks or (state = 'ERROR' and not error_handled))";
const NOT_FINAL = "state not in ('SUCCESS', 'ERROR', 'CANCELLED', 'SKIPPED')";

interface TaskCount {
  readonly execution_id: string;
  readonly name: string;
  readonly count: number;
  // Ids of task executions are time-ordered: the greatest is the latest.
  readonly latest: TaskExecutionId;
}

async function countTasks(knex: Knex, views: Views): Promise<readonly TaskCount[]> {
  return knex('task_executions')
    .whereIn('execution_id', [...views.keys()])
    .groupBy('execution_id', 'name')
    .select('execution_id', 'name')
    .count({ count: '*' })
    .max({ latest: 'id' });
}

/** A task that is not finished is not processed either. */
async function loadRetainedTasks(knex: Knex, views: Views, counts: readonly TaskCount[]): Promise<TaskRecord[]> {
  const open: TaskRow[] = await knex('task_executions')
    .whereIn('execution_id', [...views.keys()])
    .whereRaw(RETAINED);
  const byId = new Map<string, TaskRow>(open.map((row) => [row.id, row]));
  const more = [...new Set(namedIds(views, counts))].filter((id) => !byId.has(id));
  for (let at = 0; at < more.length; at += 500) {
    const rows: TaskRow[] = await knex('task_executions').whereIn('id', more.slice(at, at + 500));
    for (const row of rows) byId.set(row.id, row);
  }
  const rows = await fillIn(knex, [...byId.values()]);
  return rows.toSorted((a, b) => (a.id < b.id ? -1 : 1)).map(taskFromRow);
}

/** Finished tasks that are retained: the latest ones that a join or an expression may ask for, and those that a command waits behind. */
function namedIds(views: Views, counts: readonly TaskCount[]): string[] {
  const latest = counts.flatMap(({ execution_id, name, latest: id }) => {
    const analysis = views.get(execution_id)?.analysis;
    return analysis !== undefined && (analysis.namedTasks.has(name) || analysis.beforeJoins.has(name)) ? [id] : [];
  });
  const backlogs = [...views.values()].flatMap((view) => view.record.runtimeContext.backlog ?? []);
  return [...latest, ...backlogs.flatMap((command) => command.from ?? [])];
}

/** Action executions and child executions of these tasks. */
async function addMembers(knex: Knex, views: Views, tasks: readonly TaskRecord[]): Promise<void> {
  for (let at = 0; at < tasks.length; at += 500) {
    const ids = tasks.slice(at, at + 500).map((task) => task.id);
    await addActions(knex, views, await knex('action_executions').whereIn('task_execution_id', ids).orderBy('id'));
    await addChildren(knex, views, await knex('executions').whereIn('task_execution_id', ids).orderBy('id'));
  }
}

/** What still runs for tasks that ended before it: a time-out, a cancelled item. */
async function addRunningMembers(knex: Knex, views: Views): Promise<void> {
  const ids = [...views.keys()];
  const actions: ActionRow[] = await knex('action_executions')
    .whereIn('execution_id', ids)
    .whereRaw(NOT_FINAL)
    .orderBy('id');
  await addActions(knex, views, actions);
  const children: ExecutionRow[] = await knex('executions')
    .whereIn('parent_execution_id', ids)
    .whereRaw(NOT_FINAL)
    .orderBy('id');
  await addChildren(knex, views, children);
  await addUntoldChildren(knex, views);
}

/**
 * Children that ended while their parent has not heard of it: for it they run. Read after those that run, so that none is missed
 * that ends meanwhile.
 */
async function addUntoldChildren(knex: Knex, views: Views): Promise<void> {
  const messages: { body: string }[] = await knex('outbox')
    .whereIn('execution_id', [...views.keys()])
    .where('kind', 'event')
    .select('body');
  const ids = messages.flatMap(({ body }) => {
    const event = decodeJson<Event>(body);
    return event.type === 'child-completed' ? [event.child] : [];
  });
  for (let at = 0; at < ids.length; at += 500) {
    const rows: ExecutionRow[] = await knex('executions')
      .whereIn('id', ids.slice(at, at + 500))
      .orderBy('id');
    for (const row of rows) {
      const view = views.get(row.parent_execution_id ?? '');
      const child = childOf(executionFromRow({ ...row, ...NOT_OF_A_CHILD, output: '{}' }));
      if (view !== undefined)
        addChild(view, { ...child, state: 'RUNNING', stateInfo: null, output: {}, accepted: false });
    }
  }
}

async function addActions(knex: Knex, views: Views, rows: readonly ActionRow[]): Promise<void> {
  const needed = rows.map((row): ActionRow => ({ ...row, ...NOT_OF_AN_ACTION }));
  for (const row of await fillIn(knex, needed)) {
    const view = views.get(row.execution_id ?? '');
    if (view !== undefined) addAction(view, actionFromRow(row));
  }
}

async function addChildren(knex: Knex, views: Views, rows: readonly ExecutionRow[]): Promise<void> {
  const needed = rows.map((row): ExecutionRow => ({ ...row, ...NOT_OF_A_CHILD }));
  for (const row of await fillIn(knex, needed)) {
    const view = views.get(row.parent_execution_id ?? '');
    if (view !== undefined) addChild(view, childOf(executionFromRow(row)));
  }
}

// What a view does not keep need not be read where it is large, nor parsed.
const NOT_OF_AN_ACTION = { input: '{}', system_input: null };
const NOT_OF_A_CHILD = { input: '{}', context: '{}', params: '{}' };

/** Puts one task back that the view had let go of. @returns false when the execution has no such task */
export async function addTaskRow(knex: Knex, view: ExecutionView, id: TaskExecutionId): Promise<boolean> {
  const row: TaskRow | undefined = await knex('task_executions').where({ id, execution_id: view.record.id }).first();
  if (row === undefined) return false;
  const task = taskFromRow((await fillInOne(knex, row)) ?? row);
  const contexts = await loadContexts(knex, [task]);
  const newest: { id: string } | undefined = await knex('task_executions')
    .where({ execution_id: view.record.id, name: task.name })
    .orderBy('id', 'desc')
    .first('id');
  view.tasks.set(task.id, task);
  view.inbound.set(task.id, contexts.inbound(task));
  if (newest?.id === task.id) view.latestByName.set(task.name, task.id);
  if (!hasManyItems(task)) await addMembers(knex, new Map([[view.record.id, view]]), [task]);
  return true;
}

interface ContextRow {
  readonly id: string;
  readonly in_context: string;
  readonly published: string | null;
}

interface Contexts {
  inbound(task: TaskRecord): ContextNode;
}

/** Rebuilds contexts from the chain of rows that they were inherited from (engine/core/context.ts). */
async function loadContexts(knex: Knex, tasks: readonly TaskRecord[]): Promise<Contexts> {
  const known = new Map<string, Pick<TaskRecord, 'id' | 'context' | 'published'>>(tasks.map((task) => [task.id, task]));
  const missing = [...new Set(tasks.flatMap((task) => task.context.base ?? []))].filter((id) => !known.has(id));
  for (const row of missing.length === 0 ? [] : await loadChain(knex, missing)) {
    known.set(row.id, {
      id: row.id as TaskExecutionId,
      context: decodeJson(row.in_context),
      published: row.published === null ? null : decodeJson(row.published),
    });
  }
  const built = new Map<string, ContextNode>();
  // Chains can be long: built from their far end, without recursion.
  const inbound = (task: Pick<TaskRecord, 'id' | 'context' | 'published'>): ContextNode => {
    const chain: Pick<TaskRecord, 'id' | 'context' | 'published'>[] = [];
    for (let at: typeof task | undefined = task; at !== undefined && !built.has(at.id); ) {
      if (chain.length > known.size) throw new Error(`the contexts of task execution ${task.id} lead in a circle`);
      chain.push(at);
      at = at.context.base === null ? undefined : known.get(at.context.base);
    }
    for (const link of chain.reverse()) {
      const base = link.context.base === null ? undefined : known.get(link.context.base);
      if (link.context.base !== null && base === undefined)
        throw new Error(`task execution ${link.context.base}, from which ${link.id} has its context, is missing`);
      const below =
        base === undefined ? EMPTY_CONTEXT : outboundContext(built.get(base.id) ?? EMPTY_CONTEXT, base.published);
      built.set(link.id, contextFromDelta(link.context, below));
    }
    return built.get(task.id) ?? EMPTY_CONTEXT;
  };
  return { inbound };
}

async function loadChain(knex: Knex, ids: readonly string[]): Promise<readonly ContextRow[]> {
  const { start, base } = CHAIN_SQL[dialectOf(knex)];
  const rows = await knex.raw(
    `with recursive chain(id) as (
       select value from ${start}
       union
       select ${base} from chain join task_executions t on t.id = chain.id where ${base} is not null
     )
     select t.id, t.in_context, t.published from chain join task_executions t on t.id = chain.id`,
    [JSON.stringify(ids)],
  );
  return fillIn(knex, rowsOf<ContextRow>(rows));
}

const CHAIN_SQL = {
  sqlite: { start: 'json_each(?)', base: "json_extract(t.in_context, '$.base')" },
  // PostgreSQL's JSON functions refuse a whole text that has U+0000 anywhere; the base is what the text begins with.
  postgres: {
    start: 'json_array_elements_text(?::json)',
    base: `substring(t.in_context from '^\\{"base":"([^"]+)"')`,
  },
};

/** Rows of an execution for an answer, without its tasks. */
export async function loadExecution(knex: Knex, id: string): Promise<ExecutionRecord | undefined> {
  const found: ExecutionRow | undefined = await knex('executions').where('id', id).first();
  const row = await fillInOne(knex, found);
  return row === undefined ? undefined : executionFromRow(row);
}

export interface OwnedTask {
  readonly task: TaskRecord;
  readonly projectId: string;
}

export async function findOwnedTask(knex: Knex, id: string): Promise<OwnedTask | undefined> {
  const found: TaskRow | undefined = await knex('task_executions').where('id', id).first();
  const row = await fillInOne(knex, found);
  return row === undefined ? undefined : { task: taskFromRow(row), projectId: row.project_id };
}
