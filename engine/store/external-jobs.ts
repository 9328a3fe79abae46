import type { Knex } from 'knex';
import { isJsonObject, parseJson, stringifyJson, type Json, type JsonObject } from '../../dsl/json.ts';
import type { ActionResult } from '../contract.ts';

/**
 * The table `external_jobs`: one row per job-backed action execution (spec/spark.md §8.5). All times are milliseconds since 1970,
 * given by the caller: where several nodes share the table they must come from one clock, the database's.
 *
 * A row belongs to the node that holds its lease; every write of the owner names it, so one that lost its lease changes nothing.
 */
export interface ExternalJobRow {
  readonly actionExecutionId: string;
  readonly backend: string;
  readonly phase: ExternalJobPhase;
  readonly key: string;
  readonly externalId: string | null;
  readonly appId: string | null;
  readonly url: string | null;
  readonly lastState: string | null;
  readonly data: JsonObject;
  readonly result: ActionResult | null;
  readonly submitStartedAt: number | null;
  readonly submittedAt: number | null;
  readonly lastSeenAt: number | null;
  readonly cancelRequestedAt: number | null;
  readonly cancelReason: 'cancelled' | 'timeout' | null;
  readonly nextPollAt: number;
  readonly leaseOwner: string | null;
  readonly leaseUntil: number | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export type ExternalJobPhase = 'prepared' | 'submitting' | 'submitted' | 'done';

/** What people may see of a job while it runs. */
export interface ExternalJobView extends ExternalJobRow {
  readonly progress: JsonObject | null;
  readonly logTail: readonly string[];
}

export interface NewExternalJob {
  readonly actionExecutionId: string;
  readonly backend: string;
  readonly key: string;
  readonly url: string | null;
  readonly data: JsonObject;
  readonly request: JsonObject;
  readonly leaseOwner: string;
  readonly leaseUntil: number;
  readonly now: number;
}

/** New column values; absent ones stay as they are. */
export interface ExternalJobPatch {
  readonly phase?: ExternalJobPhase;
  readonly externalId?: string;
  readonly appId?: string;
  readonly url?: string;
  readonly lastState?: string;
  readonly data?: JsonObject;
  readonly progress?: JsonObject;
  readonly logTail?: readonly string[];
  readonly result?: ActionResult;
  readonly submitStartedAt?: number;
  readonly submittedAt?: number;
  readonly lastSeenAt?: number;
  readonly nextPollAt?: number;
}

/** True when the row is new; false when the action execution has one already, which stays untouched. */
export async function insertExternalJob(db: Knex, job: NewExternalJob): Promise<boolean> {
  const inserted = await db(TABLE)
    .insert({
      action_execution_id: job.actionExecutionId,
      backend: job.backend,
      phase: 'prepared',
      key: job.key,
      url: job.url,
      data: stringifyJson(job.data),
      request: stringifyJson(job.request),
      next_poll_at: job.now,
      lease_owner: job.leaseOwner,
      lease_until: job.leaseUntil,
      created_at: job.now,
      updated_at: job.now,
    })
    .onConflict('action_execution_id')
    .ignore()
    .returning('action_execution_id');
  return inserted.length > 0;
}

export async function loadExternalJob(db: Knex, actionExecutionId: string): Promise<ExternalJobView | undefined> {
  const record: unknown = await db(TABLE).where({ action_execution_id: actionExecutionId }).first();
  if (record === undefined) return undefined;
  const fields = record as RawRow;
  return { ...toRow(fields), progress: toObjectOrNull(fields.progress), logTail: toLines(fields.log_tail) };
}

/** The request as it was inserted; undefined without a row. */
export async function loadExternalJobRequest(db: Knex, actionExecutionId: string): Promise<JsonObject | undefined> {
  const record: unknown = await db(TABLE).where({ action_execution_id: actionExecutionId }).first('request');
  return record === undefined ? undefined : toObject((record as Pick<RawRow, 'request'>).request);
}

/** Which of the ids that a backend gave out stand in the record of an action execution other than this one. */
export async function loadTakenExternalIds(
  db: Knex,
  backend: string,
  externalIds: readonly string[],
  exceptActionExecutionId: string,
): Promise<ReadonlySet<string>> {
  const rows: readonly { external_id: string }[] = await db(TABLE)
    .where({ backend })
    .whereIn('external_id', externalIds)
    .whereNot({ action_execution_id: exceptActionExecutionId })
    .select('external_id');
  return new Set(rows.map((row) => row.external_id));
}

/** The action executions that are between their claim and the answer for a job of this key. */
export async function loadExternalJobsBeingSubmitted(
  db: Knex,
  { backend, key }: Pick<ExternalJobRow, 'backend' | 'key'>,
): Promise<readonly string[]> {
  return db(TABLE).where({ phase: 'submitting', backend, key }).pluck('action_execution_id');
}

/**
 * Takes the right to submit: `prepared` becomes `submitting`, once. False when somebody else holds the lease, when the job is further on, or
 * when a cancel has come in between.
 */
export async function claimExternalJobSubmit(
  db: Knex,
  actionExecutionId: string,
  owner: string,
  now: number,
): Promise<boolean> {
  const changed = await db(TABLE)
    .where({ action_execution_id: actionExecutionId, phase: 'prepared', lease_owner: owner })
    .whereNull('cancel_requested_at')
    .update({ phase: 'submitting', submit_started_at: now, updated_at: now });
  return changed > 0;
}

/** Writes changes of the owner's rows. Answers the ids whose lease is no longer the owner's: nothing was written for them. */
export async function updateExternalJobs(
  trx: Knex,
  owner: string,
  patches: readonly { readonly actionExecutionId: string; readonly patch: ExternalJobPatch }[],
  now: number,
): Promise<readonly string[]> {
  const lost: string[] = [];
  for (const { actionExecutionId, patch } of patches) {
    const changed = await trx(TABLE)
      .where({ action_execution_id: actionExecutionId, lease_owner: owner })
      .update({ ...toColumns(patch), updated_at: now });
    if (changed === 0) lost.push(actionExecutionId);
  }
  return lost;
}

/** Notes the wish to stop a job, whoever owns it. The first wish stays. False when there is no such job or it is over. */
export async function requestExternalJobCancel(
  db: Knex,
  actionExecutionId: string,
  reason: 'cancelled' | 'timeout',
  now: number,
): Promise<boolean> {
  const live = db(TABLE).where({ action_execution_id: actionExecutionId }).whereNot({ phase: 'done' });
  const changed = await live
    .clone()
    .whereNull('cancel_requested_at')
    .update({ cancel_requested_at: now, cancel_reason: reason, updated_at: now });
  return changed > 0 || (await live.first('action_execution_id')) !== undefined;
}

/** Cancels wished for jobs of this owner; other nodes write them into the rows. */
export async function loadExternalJobCancels(
  db: Knex,
  owner: string,
): Promise<
  readonly { readonly actionExecutionId: string; readonly at: number; readonly reason: 'cancelled' | 'timeout' }[]
> {
  const records: unknown[] = await db(TABLE)
    .where({ lease_owner: owner })
    .whereNot({ phase: 'done' })
    .whereNotNull('cancel_requested_at')
    .select('action_execution_id', 'cancel_requested_at', 'cancel_reason');
  return records.map((record) => {
    const fields = record as RawRow;
    return {
      actionExecutionId: fields.action_execution_id,
      at: Number(fields.cancel_requested_at),
      reason: toReason(fields.cancel_reason) ?? 'cancelled',
    };
  });
}

export async function renewExternalJobLeases(db: Knex, owner: string, until: number): Promise<void> {
  await db(TABLE).where({ lease_owner: owner }).whereNot({ phase: 'done' }).update({ lease_until: until });
}

/** Who wants jobs that nobody holds any more. `anyOwner` ignores leases: for a node that is alone by construction. */
export interface Adopter {
  readonly owner: string;
  readonly anyOwner: boolean;
  readonly now: number;
}

/** Unfinished jobs that nobody holds any more, the longest due first. */
export async function listAdoptableExternalJobs(
  db: Knex,
  adopter: Adopter,
  limit: number,
): Promise<readonly ExternalJobRow[]> {
  const records: unknown[] = await db(TABLE)
    .whereNot({ phase: 'done' })
    .where(isFree(adopter))
    .orderBy('next_poll_at')
    .limit(limit)
    .select(COLUMNS);
  return records.map((record) => toRow(record as RawRow));
}

/** Takes the leases of those jobs that are still free, and answers these as they are now. At most 500 at once. */
export async function takeExternalJobLeases(
  db: Knex,
  actionExecutionIds: readonly string[],
  adopter: Adopter,
  until: number,
): Promise<readonly ExternalJobRow[]> {
  const taken: unknown[] = await db(TABLE)
    .whereIn('action_execution_id', actionExecutionIds)
    .whereNot({ phase: 'done' })
    .where(isFree(adopter))
    .update({ lease_owner: adopter.owner, lease_until: until })
    .returning(COLUMNS);
  return taken.map((record) => toRow(record as RawRow));
}

/** Lets others take this owner's jobs at once: at a planned shutdown. */
export async function releaseExternalJobLeases(db: Knex, owner: string): Promise<void> {
  await db(TABLE)
    .where({ lease_owner: owner })
    .whereNot({ phase: 'done' })
    .update({ lease_owner: null, lease_until: null });
}

/** Of these, the actions whose jobs may still run, though somebody has said how the action ended. */
export async function liveExternalJobs(trx: Knex, actionExecutionIds: readonly string[]): Promise<ReadonlySet<string>> {
  const live = new Set<string>();
  for (let from = 0; from < actionExecutionIds.length; from += 500) {
    const ids: string[] = await trx(TABLE)
      .whereIn('action_execution_id', actionExecutionIds.slice(from, from + 500))
      .whereNot({ phase: 'done' })
      .whereNull('result')
      .pluck('action_execution_id');
    for (const id of ids) live.add(id);
  }
  return live;
}

/** Part of deleting action executions. */
export async function deleteExternalJobs(trx: Knex, actionExecutionIds: readonly string[]): Promise<void> {
  for (let from = 0; from < actionExecutionIds.length; from += 500) {
    await trx(TABLE)
      .whereIn('action_execution_id', actionExecutionIds.slice(from, from + 500))
      .delete();
  }
}

const TABLE = 'external_jobs';

function isFree(adopter: Adopter): Knex.QueryCallback {
  return (where) => {
    where.whereNull('lease_owner');
    if (adopter.anyOwner) where.orWhereNot({ lease_owner: adopter.owner });
    else where.orWhereNull('lease_until').orWhere('lease_until', '<', adopter.now);
  };
}

/** All but the wide columns, which polling does not need. */
const COLUMNS = [
  'action_execution_id',
  'backend',
  'phase',
  'key',
  'external_id',
  'app_id',
  'url',
  'last_state',
  'data',
  'result',
  'submit_started_at',
  'submitted_at',
  'last_seen_at',
  'cancel_requested_at',
  'cancel_reason',
  'next_poll_at',
  'lease_owner',
  'lease_until',
  'created_at',
  'updated_at',
];

/** As drivers give it: PostgreSQL's bigint comes as text. */
interface RawRow {
  readonly action_execution_id: string;
  readonly backend: string;
  readonly phase: string;
  readonly key: string;
  readonly external_id: string | null;
  readonly app_id: string | null;
  readonly url: string | null;
  readonly last_state: string | null;
  readonly progress: string | null;
  readonly log_tail: string | null;
  readonly data: string;
  readonly request: string;
  readonly result: string | null;
  readonly submit_started_at: number | string | null;
  readonly submitted_at: number | string | null;
  readonly last_seen_at: number | string | null;
  readonly cancel_requested_at: number | string | null;
  readonly cancel_reason: string | null;
  readonly next_poll_at: number | string;
  readonly lease_owner: string | null;
  readonly lease_until: number | string | null;
  readonly created_at: number | string;
  readonly updated_at: number | string;
}

function toRow(record: RawRow): ExternalJobRow {
  return {
    actionExecutionId: record.action_execution_id,
    backend: record.backend,
    phase: toPhase(record.phase),
    key: record.key,
    externalId: record.external_id,
    appId: record.app_id,
    url: record.url,
    lastState: record.last_state,
    data: toObject(record.data),
    result: toResult(record.result),
    submitStartedAt: toNumber(record.submit_started_at),
    submittedAt: toNumber(record.submitted_at),
    lastSeenAt: toNumber(record.last_seen_at),
    cancelRequestedAt: toNumber(record.cancel_requested_at),
    cancelReason: toReason(record.cancel_reason),
    nextPollAt: Number(record.next_poll_at),
    leaseOwner: record.lease_owner,
    leaseUntil: toNumber(record.lease_until),
    createdAt: Number(record.created_at),
    updatedAt: Number(record.updated_at),
  };
}

function toColumns(patch: ExternalJobPatch): Record<string, string | number> {
  const columns: Record<string, string | number | undefined> = {
    phase: patch.phase,
    external_id: patch.externalId,
    app_id: patch.appId,
    url: patch.url,
    last_state: patch.lastState,
    data: toJsonText(patch.data),
    progress: toJsonText(patch.progress),
    log_tail: toJsonText(patch.logTail),
    result: patch.result === undefined ? undefined : stringifyJson(fromResult(patch.result)),
    submit_started_at: patch.submitStartedAt,
    submitted_at: patch.submittedAt,
    last_seen_at: patch.lastSeenAt,
    next_poll_at: patch.nextPollAt,
  };
  return Object.fromEntries(
    Object.entries(columns).filter((entry): entry is [string, string | number] => entry[1] !== undefined),
  );
}

function fromResult(result: ActionResult): JsonObject {
  return result.kind === 'error'
    ? { kind: result.kind, output: result.output, retryable: result.retryable }
    : { kind: result.kind, output: result.output };
}

function toResult(text: string | null): ActionResult | null {
  const value = toObjectOrNull(text);
  if (value === null) return null;
  const output = value.output ?? null;
  switch (value.kind) {
    case 'success':
    case 'cancelled':
      return { kind: value.kind, output };
    case 'error':
      return { kind: 'error', output, retryable: value.retryable === true };
    default:
      throw new Error(`external_jobs holds a result of unknown kind '${String(value.kind)}'.`);
  }
}

function toPhase(text: string): ExternalJobPhase {
  if (text === 'prepared' || text === 'submitting' || text === 'submitted' || text === 'done') return text;
  throw new Error(`external_jobs holds an unknown phase '${text}'.`);
}

function toReason(text: string | null): 'cancelled' | 'timeout' | null {
  return text === 'cancelled' || text === 'timeout' ? text : null;
}

function toNumber(value: number | string | null): number | null {
  return value === null ? null : Number(value);
}

function toJsonText(value: Json | undefined): string | undefined {
  return value === undefined ? undefined : stringifyJson(value);
}

function toObject(text: string): JsonObject {
  const value = parseJson(text);
  if (!isJsonObject(value)) throw new Error('external_jobs holds JSON that is not an object.');
  return value;
}

function toObjectOrNull(text: string | null): JsonObject | null {
  return text === null ? null : toObject(text);
}

function toLines(text: string | null): readonly string[] {
  const value = text === null ? [] : parseJson(text);
  return Array.isArray(value) ? value.filter((line) => typeof line === 'string') : [];
}

/**
 * Whether jobs of an execution are not over; with `wholeTree` those of every execution below it count, too. What the rows of a deleted
 * execution no longer tell stands in the job's own record.
 */
export async function hasLiveExternalJobs(knex: Knex, executionId: string, wholeTree: boolean): Promise<boolean> {
  const live = knex('external_jobs')
    .whereNot('external_jobs.phase', 'done')
    .select('external_jobs.action_execution_id');
  const own: unknown = await live.clone().where('external_jobs.request', 'like', `%${executionId}%`).first();
  if (own !== undefined || !wholeTree) return own !== undefined;
  const below: unknown = await live
    .join('action_executions', 'action_executions.id', 'external_jobs.action_execution_id')
    .join('executions', 'executions.id', 'action_executions.execution_id')
    .where('executions.root_execution_id', executionId)
    .first();
  return below !== undefined;
}
