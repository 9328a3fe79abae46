import type { Knex } from 'knex';
import { storableText } from './columns.ts';

/** Reading the event log: one row per execution and batch, its changes as one JSON array (design.md §3). */

export interface EventLogRow {
  readonly seq: number;
  readonly executionId: string;
  /** Of its execution; null when that is gone. */
  readonly projectId: string | null;
  readonly workflowName: string | null;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly changes: readonly LoggedChange[];
}

/** A row of this kind and id got this state; the name stands where the row is new. */
export interface LoggedChange {
  readonly kind: 'execution' | 'task' | 'action' | 'child' | 'cluster';
  readonly id: string;
  /** Of a cluster what happened to it. */
  readonly state: string;
  readonly name: string | null;
}

/** The number of the last entry; 0 when there is none. */
export async function lastEventSeq(reader: Knex): Promise<number> {
  const row: { seq: number } | undefined = await reader('execution_events').orderBy('seq', 'desc').first('seq');
  return row?.seq ?? 0;
}

/** Entries of all executions after one, in order. */
export async function readEventLog(reader: Knex, after: number, limit: number): Promise<readonly EventLogRow[]> {
  const rows: RawRow[] = await select(reader).where('v.seq', '>', after).orderBy('v.seq').limit(limit);
  return rows.map(toEntry);
}

/** Entries of one execution from one on, in order. */
export async function readEventsOf(
  reader: Knex,
  executionId: string,
  from: number,
  limit: number,
): Promise<readonly EventLogRow[]> {
  const rows: RawRow[] = await select(reader)
    .where('v.execution_id', executionId)
    .where('v.seq', '>=', from)
    .orderBy('v.seq')
    .limit(limit);
  return rows.map(toEntry);
}

/** What happened to a cluster that an execution has leased. */
export interface ClusterNews {
  readonly executionId: string;
  readonly clusterId: string;
  readonly clusterName: string;
  readonly what: string;
  /** '' where there is nothing to say. */
  readonly why: string;
}

/** Writes into the logs of executions what happened to their clusters; nothing of an execution that is gone. In the caller's transaction. */
export async function logClusterNews(trx: Knex, news: readonly ClusterNews[], now: number): Promise<void> {
  const ids = [...new Set(news.map(({ executionId }) => executionId))];
  const found = new Set<string>();
  for (let at = 0; at < ids.length; at += 500) {
    const some: string[] = await trx('executions')
      .whereIn('id', ids.slice(at, at + 500))
      .pluck('id');
    for (const id of some) found.add(id);
  }
  const rows = news
    .filter(({ executionId }) => found.has(executionId))
    .map(({ executionId, clusterId, clusterName, what, why }) => {
      const move = ['cluster', clusterId, what, clusterName, ...(why === '' ? [] : [storableText(why.slice(0, 300))])];
      return { execution_id: executionId, version: 0, at: now, changes: JSON.stringify([move]) };
    });
  for (let at = 0; at < rows.length; at += 100) await trx('execution_events').insert(rows.slice(at, at + 100));
}

interface RawRow {
  readonly seq: number;
  readonly execution_id: string;
  readonly project_id: string | null;
  readonly workflow_name: string | null;
  readonly at: number;
  readonly changes: string;
}

function select(reader: Knex): Knex.QueryBuilder {
  return reader('execution_events as v')
    .leftJoin('executions as e', 'e.id', 'v.execution_id')
    .select('v.seq', 'v.execution_id', 'e.project_id', 'e.workflow_name', 'v.at', 'v.changes');
}

function toEntry(row: RawRow): EventLogRow {
  const changes = JSON.parse(row.changes) as readonly (readonly [LoggedChange['kind'], string, string, string?])[];
  return {
    seq: row.seq,
    executionId: row.execution_id,
    projectId: row.project_id,
    workflowName: row.workflow_name,
    at: row.at,
    changes: changes.map(([kind, id, state, name]) => ({ kind, id, state, name: name ?? null })),
  };
}

/** How many rows have not ended, by state. An index on the state answers: what has ended, however much, is not looked at. */
export async function countOpenRows(
  reader: Knex,
): Promise<readonly { readonly kind: string; readonly state: string; readonly count: number }[]> {
  const counts = [];
  for (const kind of ['executions', 'task_executions', 'action_executions']) {
    const rows: { state: string; count: number | string }[] = await reader(kind)
      .whereIn('state', [...OPEN_STATES])
      .groupBy('state')
      .select('state')
      .count({ count: '*' });
    counts.push(...rows.map(({ state, count }) => ({ kind, state, count: Number(count) })));
  }
  return counts;
}

const OPEN_STATES = ['IDLE', 'WAITING', 'RUNNING', 'DELAYED', 'PAUSED'];
