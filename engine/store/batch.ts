import type { Knex } from 'knex';
import { type JsonObject, stringifyJson } from '../../dsl/json.ts';
import type { EndedExecution } from '../contract.ts';
import { updatedAction } from '../core/children.ts';
import type {
  ActionRecord,
  Change,
  Event,
  ExecutionId,
  ExecutionRecord,
  ExecutionRuntimeContext,
  State,
  TaskExecutionId,
  TaskRecord,
  TimerRecord,
} from '../core/model.ts';
import { resultText } from '../core/results.ts';
import { newId } from '../ids.ts';
import { type BulkRow, insertMany, rowSource, updateMany } from './bulk.ts';
import { updateChildren } from './children.ts';
import { decodeJson, storableText } from './columns.ts';
import { type LargeTable, LargeValues } from './large-values.ts';
import { insertNotifications } from './notifications.ts';
import type { NotificationRow } from './notifications.ts';
import { dialectOf, rowsOf } from './dialect.ts';
import {
  actionPatchToRow,
  actionToRow,
  type ExecutionRow,
  executionPatchToRow,
  executionToRow,
  taskPatchToRow,
  taskToRow,
  timerToRow,
} from './tables.ts';

/** What one batch changes in one execution. `record` is the execution after all changes. */
export interface ExecutionChanges {
  readonly record: ExecutionRecord;
  /** The version that the decision was made on; null for an execution whose row this batch makes. */
  readonly version: number | null;
  readonly changes: readonly Change[];
}

export interface OutboxRow {
  readonly id: string;
  readonly executionId: ExecutionId | null;
  readonly kind: 'event' | 'stop-action' | 'release-leases';
  readonly body: string;
}

/** What tells the keeper of leases of an end. It belongs to no execution, whose rows a deletion takes along. */
export function leaseRow(ended: EndedExecution): OutboxRow {
  return { id: newId(), executionId: null, kind: 'release-leases', body: JSON.stringify(ended) };
}

export interface Batch {
  readonly executions: readonly ExecutionChanges[];
  readonly outbox: readonly OutboxRow[];
  readonly notices?: readonly NotificationRow[];
  /** Outbox rows that this batch used up. */
  readonly consumed: readonly string[];
  readonly nodeId: string;
  readonly now: number;
}

/**
 * Claims the executions of a batch: those whose version is still the one that was decided on get the next one; new ones are
 * inserted. What is not in the answer belongs to somebody else by now and must not be written (design.md §2).
 */
export async function claimExecutions(
  trx: Knex,
  executions: readonly ExecutionChanges[],
): Promise<ReadonlySet<string>> {
  const known = executions.filter((item) => item.version !== null);
  const created = executions.filter((item) => item.version === null);
  const claimed = new Set<string>();
  if (known.length > 0) {
    const rows = known
      .map(({ record, version }) => ({ id: record.id, version }))
      .toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const source = rowSource(trx, 'executions', ['id', 'version'], rows);
    const got = await trx.raw(CLAIMS[dialectOf(trx)](source.sql), [...source.bindings]);
    for (const row of rowsOf<{ id: string }>(got)) claimed.add(row.id);
  }
  const inserted = await insertNewExecutions(
    trx,
    created.map(({ record }) => record),
  );
  for (const id of inserted) claimed.add(id);
  return claimed;
}

// PostgreSQL: rows are locked in one order, so that two claims never wait for each other, and what somebody else holds is left to him.
const CLAIMS = {
  sqlite: (source: string) =>
    `update executions set version = executions.version + 1 from ${source} as source
     where executions.id = source.id and executions.version = source.version returning executions.id`,
  postgres: (source: string) =>
    `with free as (
       select executions.id from executions join ${source} as source
         on executions.id = source.id and executions.version = source.version
       order by executions.id for update of executions skip locked
     )
     update executions set version = executions.version + 1 from free where executions.id = free.id returning executions.id`,
};

/** Stores executions that nobody has stored yet. @returns their ids, without those that were there */
export async function insertNewExecutions(trx: Knex, records: readonly ExecutionRecord[]): Promise<readonly string[]> {
  const values = new Map(records.map((record) => [record.id as string, new LargeValues(trx)]));
  const inserted = await insertMany(
    trx,
    'executions',
    records.map((record) => values.get(record.id)?.takeFrom('executions', executionToRow(record, 1), record.id) ?? {}),
    { ignoreConflicts: true, returning: ['id'] },
  );
  const ids = inserted.map((row) => String(row.id));
  // What is there already keeps its own.
  for (const id of ids) await values.get(id)?.write();
  return ids;
}

/** Of these outbox rows: the ids of those that are still there. */
export async function existingMessages(knex: Knex, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const there: string[] = [];
  for (let at = 0; at < ids.length; at += 500)
    there.push(
      ...(await knex('outbox')
        .whereIn('id', ids.slice(at, at + 500))
        .pluck('id')),
    );
  return new Set(there);
}

/** Writes a claimed batch: changes are folded per row, each kind of row in one statement. */
export async function writeBatch(trx: Knex, batch: Batch): Promise<void> {
  const folded = fold(batch.executions);
  const large = new LargeValues(trx);
  await insertMany(
    trx,
    'executions',
    folded.children.map((record) => large.takeFrom('executions', executionToRow(record, 1), record.id)),
  );
  await updateGrouped(trx, 'executions', folded.executionPatches, large);
  for (let at = 0; at < folded.rejectedChildren.length; at += 500)
    await trx('executions')
      .whereIn('id', folded.rejectedChildren.slice(at, at + 500))
      .update({ accepted: false });
  await insertMany(
    trx,
    'task_executions',
    folded.newTasks.map(({ row, owner }) => large.takeFrom('task_executions', taskToRow(row, owner), owner.id)),
  );
  await updateGrouped(trx, 'task_executions', folded.taskPatches, large);
  // What this batch itself says of such a child comes after.
  await updateChildren(trx, folded.childrenUpdates);
  await insertMany(
    trx,
    'action_executions',
    folded.newActions.map(({ row, owner }) => large.takeFrom('action_executions', actionToRow(row, owner), owner.id)),
  );
  await updateGrouped(trx, 'action_executions', folded.actionPatches, large);
  await large.write();
  await insertMany(trx, 'payloads', folded.newPayloads);
  await deleteMany(trx, 'payloads', folded.droppedPayloads);
  await insertMany(
    trx,
    'timers',
    folded.newTimers.map((timer) => timerToRow(timer, batch.nodeId)),
  );
  await deleteMany(trx, 'timers', folded.doneTimers);
  await insertOutbox(trx, batch.outbox, batch.now);
  await insertNotifications(trx, batch.notices ?? [], batch.now);
  await deleteMany(trx, 'outbox', batch.consumed);
  await insertMany(
    trx,
    'execution_events',
    batch.executions.flatMap((item) => eventRow(item, batch.now)),
  );
}

/**
 * Whether a batch was stored whose transaction reported an error, and which executions it had claimed: null when it was not. Known
 * by the rows that only this batch can have made.
 */
export async function storedAllTheSame(
  knex: Knex,
  batch: readonly { readonly changes: ExecutionChanges; readonly outbox: readonly OutboxRow[] }[],
): Promise<ReadonlySet<string> | null> {
  const marked = batch.flatMap((part) => {
    const made = madeRow(part);
    return made === null ? [] : [{ id: part.changes.record.id, made }];
  });
  const claimed = new Set<string>();
  for (const table of MARKED_TABLES) {
    const wanted = new Map(marked.filter(({ made }) => made.table === table).map(({ id, made }) => [made.id, id]));
    const ids = [...wanted.keys()];
    for (let at = 0; at < ids.length; at += 500) {
      const rows: { id: string }[] = await knex(table)
        .whereIn('id', ids.slice(at, at + 500))
        .select('id');
      for (const row of rows) claimed.add(wanted.get(row.id) ?? '');
    }
  }
  if (claimed.size === 0) return null;
  // Executions of which the batch made no row: theirs is the next version.
  const others = new Map(
    batch
      .map(({ changes }) => changes)
      .filter(({ record }) => !marked.some(({ id }) => id === record.id))
      .map(({ record, version }) => [record.id as string, (version ?? 0) + 1]),
  );
  const ids = [...others.keys()];
  for (let at = 0; at < ids.length; at += 500) {
    const rows: { id: string; version: number }[] = await knex('executions')
      .whereIn('id', ids.slice(at, at + 500))
      .select('id', 'version');
    for (const row of rows) if (Number(row.version) === others.get(row.id)) claimed.add(row.id);
  }
  return claimed;
}

const MARKED_TABLES = ['outbox', 'executions', 'task_executions', 'action_executions', 'timers'] as const;

/** A row that this part of the batch makes and nobody deletes before it is known to be stored. */
function madeRow({
  changes,
  outbox,
}: {
  readonly changes: ExecutionChanges;
  readonly outbox: readonly OutboxRow[];
}): { readonly table: (typeof MARKED_TABLES)[number]; readonly id: string } | null {
  const [message] = outbox;
  if (message !== undefined) return { table: 'outbox', id: message.id };
  for (const change of changes.changes) {
    if (change.type === 'task-created') return { table: 'task_executions', id: change.task.id };
    if (change.type === 'action-created') return { table: 'action_executions', id: change.action.id };
    if (change.type === 'child-created') return { table: 'executions', id: change.child.id };
    if (change.type === 'timer-set') return { table: 'timers', id: change.timer.id };
  }
  return null;
}

interface Folded {
  readonly children: ExecutionRecord[];
  /** Finished children whose results count no more for their parent: the one column of a child's row that is the parent's too. */
  readonly rejectedChildren: ExecutionId[];
  readonly executionPatches: Patch[];
  readonly newTasks: { row: TaskRecord; owner: ExecutionRecord }[];
  readonly taskPatches: Patch[];
  readonly newActions: { row: ActionRecord; owner: ExecutionRecord }[];
  readonly actionPatches: Patch[];
  readonly childrenUpdates: Extract<Change, { readonly type: 'children-updated' }>[];
  readonly newPayloads: { readonly id: string; readonly execution_id: string; readonly body: string }[];
  readonly droppedPayloads: string[];
  readonly newTimers: TimerRecord[];
  readonly doneTimers: string[];
}

interface Patch {
  readonly id: string;
  /** The execution that it belongs to. */
  readonly owner: ExecutionId;
  readonly columns: BulkRow;
}

function fold(executions: readonly ExecutionChanges[]): Folded {
  const folded: Folded = {
    children: [],
    rejectedChildren: [],
    executionPatches: [],
    newTasks: [],
    taskPatches: [],
    newActions: [],
    actionPatches: [],
    childrenUpdates: [],
    newPayloads: [],
    droppedPayloads: [],
    newTimers: [],
    doneTimers: [],
  };
  for (const item of executions) foldExecution(item, folded);
  return folded;
}

function foldExecution({ record, version, changes }: ExecutionChanges, folded: Folded): void {
  const tasks = new Map<string, TaskRecord>();
  const actions = new Map<string, ActionRecord>();
  const timers = new Map<string, TimerRecord>();
  const taskPatches = new Map<string, Partial<TaskRecord>>();
  const actionPatches = new Map<string, Partial<ActionRecord>>();
  const taskOfAction = new Map<string, TaskExecutionId>();
  const payloads = new Map<string, JsonObject>();
  const done = new Set<string>();
  let executionPatch: Partial<ExecutionRecord> = {};
  for (const change of changes) {
    switch (change.type) {
      case 'execution-updated':
        executionPatch = { ...executionPatch, ...change.patch };
        break;
      case 'task-created':
        tasks.set(change.task.id, change.task);
        break;
      case 'task-updated':
        if (tasks.has(change.id)) tasks.set(change.id, change.task);
        else taskPatches.set(change.id, { ...taskPatches.get(change.id), ...change.patch });
        break;
      case 'action-created':
        actions.set(change.action.id, change.action);
        break;
      case 'action-updated':
        merge(actions, actionPatches, change.id, change.patch);
        if (change.task !== null) taskOfAction.set(change.id, change.task);
        break;
      case 'children-updated':
        folded.childrenUpdates.push(change);
        for (const [id, action] of actions)
          if (action.taskExecutionId === change.task) actions.set(id, updatedAction(action, change));
        for (const [id, patch] of actionPatches)
          if (taskOfAction.get(id) === change.task) actionPatches.set(id, updatedPatch(patch, change));
        break;
      case 'payload-stored':
        payloads.set(change.id, change.value);
        break;
      case 'payload-dropped':
        if (!payloads.delete(change.id)) folded.droppedPayloads.push(change.id);
        break;
      case 'child-created':
        folded.children.push(change.child);
        break;
      case 'child-updated':
        if (change.isRejected) folded.rejectedChildren.push(change.id);
        break;
      case 'timer-set':
        timers.set(change.timer.id, change.timer);
        break;
      case 'timer-done':
        if (!timers.delete(change.id)) done.add(change.id);
        break;
      default:
        break;
    }
  }
  // A row that this batch makes is inserted in its last state: claimExecutions wrote `record` itself.
  if (version !== null && Object.keys(executionPatch).length > 0) {
    folded.executionPatches.push({ id: record.id, owner: record.id, columns: executionPatchToRow(executionPatch) });
  }
  for (const row of tasks.values()) folded.newTasks.push({ row, owner: record });
  for (const row of actions.values()) folded.newActions.push({ row, owner: record });
  for (const [id, patch] of taskPatches)
    folded.taskPatches.push({ id, owner: record.id, columns: taskPatchToRow(patch) });
  for (const [id, patch] of actionPatches)
    folded.actionPatches.push({ id, owner: record.id, columns: actionPatchToRow(patch) });
  for (const [id, value] of payloads)
    folded.newPayloads.push({ id, execution_id: record.id, body: stringifyJson(value) });
  folded.newTimers.push(...timers.values());
  folded.doneTimers.push(...done);
}

/** An action that ended in this batch has its state, acceptance and output in the patch. */
function updatedPatch(
  patch: Partial<ActionRecord>,
  change: Extract<Change, { readonly type: 'children-updated' }>,
): Partial<ActionRecord> {
  const { accepted, state, output } = patch;
  if (accepted === undefined || state === undefined || output === undefined) return patch;
  return { ...patch, ...updatedAction({ accepted, state, output }, change) };
}

function merge<R extends object>(
  created: Map<string, R>,
  patches: Map<string, Partial<R>>,
  id: string,
  patch: Partial<R>,
): void {
  const row = created.get(id);
  if (row !== undefined) created.set(id, { ...row, ...patch });
  else patches.set(id, { ...patches.get(id), ...patch });
}

/** One statement for each set of columns: patches of one kind of step look alike, so there are few. */
async function updateGrouped(
  trx: Knex,
  table: LargeTable,
  patches: readonly Patch[],
  large: LargeValues,
): Promise<void> {
  const groups = new Map<string, { columns: string[]; rows: BulkRow[] }>();
  for (const { id, owner, columns: given } of patches) {
    const columns = large.takeFromPatch(table, id, given, owner);
    const names = Object.keys(columns).sort();
    if (names.length === 0) continue;
    const key = names.join(',');
    const group = groups.get(key) ?? { columns: names, rows: [] };
    group.rows.push({ ...columns, id });
    groups.set(key, group);
  }
  for (const { columns, rows } of groups.values()) await updateMany(trx, table, ['id'], columns, rows);
}

async function deleteMany(trx: Knex, table: string, ids: readonly string[]): Promise<void> {
  for (let at = 0; at < ids.length; at += 500)
    await trx(table)
      .whereIn('id', ids.slice(at, at + 500))
      .delete();
}

/** States and why: what a listener of the event log needs, never contexts, nor results but the begin of a failure. New rows come with their names. */
function eventRow({ record, version, changes }: ExecutionChanges, now: number): BulkRow[] {
  const moves: Move[] = [];
  for (const change of changes) {
    switch (change.type) {
      case 'execution-updated':
        if (change.patch.state !== undefined)
          moves.push(moveOf('execution', record.id, reasoned(change.patch, change.why)));
        break;
      case 'task-created':
        moves.push(moveOf('task', change.task.id, change.task, change.task.name));
        break;
      case 'task-updated':
        if (change.patch.state !== undefined) moves.push(moveOf('task', change.id, reasoned(change.patch, change.why)));
        break;
      case 'action-created':
        moves.push(
          moveOf('action', change.action.id, reasoned(change.action, failureOf(change.action)), change.action.name),
        );
        break;
      case 'action-updated':
        if (change.patch.state !== undefined)
          moves.push(moveOf('action', change.id, reasoned(change.patch, failureOf(change.patch))));
        break;
      case 'child-created':
        moves.push(moveOf('child', change.child.id, change.child, change.child.workflowName));
        break;
      default:
        break;
    }
  }
  if (moves.length === 0) return [];
  return [{ execution_id: record.id, version: (version ?? 0) + 1, at: now, changes: JSON.stringify(moves) }];
}

interface Moved {
  readonly state?: State;
  readonly stateInfo?: string | null;
}

function reasoned({ state, stateInfo }: Moved, why: string | null | undefined): Moved {
  return { ...(state === undefined ? {} : { state }), stateInfo: stateInfo ?? why ?? null };
}

/** What a failed action says of its failure stands in its result. */
function failureOf({ state, output }: Pick<Partial<ActionRecord>, 'state' | 'output'>): string | null {
  if (state !== 'ERROR' && state !== 'CANCELLED') return null;
  return resultText(output?.result ?? null);
}

/** Kind, id, state, then as far as there is something: the name and the reason. */
type Move = readonly (string | null)[];

const MAX_REASON = 300;

function moveOf(kind: string, id: string, { state, stateInfo }: Moved, name?: string): Move {
  const move = [kind, id, state ?? null];
  if (stateInfo) return [...move, name ?? null, storableText(stateInfo.slice(0, MAX_REASON))];
  return name === undefined ? move : [...move, name];
}

export interface QuarantinedEvent {
  readonly id: string;
  readonly executionId: ExecutionId;
  readonly event: Event;
  readonly error: string;
}

/** What the parent of a quarantined execution has to hear; its outbox row is written. */
export interface QuarantineNews {
  readonly to: ExecutionId;
  readonly event: Event;
  readonly outboxId: string;
}

/**
 * Sets an event aside that failed again and again, and ends its execution, naming the cause (design.md §2). The parent, if there is
 * one, is told as of any other failure.
 */
export async function quarantine(
  trx: Knex,
  item: QuarantinedEvent,
  consumed: readonly string[],
  now: number,
): Promise<QuarantineNews | null> {
  const { id, executionId, event, error } = item;
  await insertMany(trx, 'quarantine', [
    { id, execution_id: executionId, event: stringifyJson(event), error: storableText(error), created_at: now },
  ]);
  await deleteMany(trx, 'outbox', consumed);
  const stateInfo = storableText(`The engine could not handle an event of this execution: ${error}`);
  const output = { result: stateInfo };
  const ended: Pick<
    ExecutionRow,
    'version' | 'parent_execution_id' | 'task_execution_id' | 'root_execution_id' | 'runtime_context'
  >[] = await trx('executions')
    .where('id', executionId)
    .whereNotIn('state', ['SUCCESS', 'ERROR', 'CANCELLED'])
    .update({
      state: 'ERROR',
      state_info: stateInfo,
      output: stringifyJson(output),
      accepted: true,
      updated_at: now,
      version: trx.raw('version + 1'),
    })
    .returning(['version', 'parent_execution_id', 'task_execution_id', 'root_execution_id', 'runtime_context']);
  const [row] = ended;
  if (row === undefined) return null;
  await trx('timers').where('execution_id', executionId).delete();
  await insertMany(trx, 'execution_events', [
    {
      execution_id: executionId,
      version: row.version,
      at: now,
      changes: JSON.stringify([moveOf('execution', executionId, { state: 'ERROR', stateInfo })]),
    },
  ]);
  const leases = tookLeases(row.runtime_context);
  const rootExecutionId = row.root_execution_id;
  if (leases) await insertOutbox(trx, [leaseRow({ executionId, rootExecutionId, state: 'ERROR', at: now })], now);
  if (row.parent_execution_id === null || row.task_execution_id === null) return null;
  const news: Event = {
    type: 'child-completed',
    task: row.task_execution_id as TaskExecutionId,
    child: executionId,
    state: 'ERROR',
    stateInfo,
    output,
    ...(leases && { leases: true }),
  };
  const outboxId = newId();
  await insertMany(trx, 'outbox', [
    { id: outboxId, execution_id: row.parent_execution_id, kind: 'event', body: stringifyJson(news), created_at: now },
  ]);
  return { to: row.parent_execution_id as ExecutionId, event: news, outboxId };
}

/** Whether the column `runtime_context` of an execution says that it has taken leases. */
export function tookLeases(runtimeContext: string): boolean {
  return runtimeContext.includes('"leases"') && decodeJson<ExecutionRuntimeContext>(runtimeContext).leases === true;
}

export async function insertOutbox(trx: Knex, rows: readonly OutboxRow[], now: number): Promise<void> {
  await insertMany(
    trx,
    'outbox',
    rows.map(({ id, executionId, kind, body }) => ({ id, execution_id: executionId, kind, body, created_at: now })),
  );
}

/** What an executor has seen to needs no message any more. */
export async function deleteOutboxRow(knex: Knex, id: string): Promise<void> {
  await knex('outbox').where('id', id).delete();
}
