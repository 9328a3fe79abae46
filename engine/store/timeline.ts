import type { Knex } from 'knex';

/** What happened to one execution, in order, from the event log (design.md §3). */
export interface TimelineEntry {
  /** Number of the log's row, and the place in it. */
  readonly seq: number;
  readonly index: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly kind: 'execution' | 'task' | 'action' | 'child' | 'cluster';
  readonly id: string;
  readonly name: string | null;
  readonly state: string;
  /** Why, as far as the row said so; cut. */
  readonly stateInfo: string | null;
}

/** Up to `limit` entries after a place. */
export async function readTimeline(
  reader: Knex,
  executionId: string,
  after: Pick<TimelineEntry, 'seq' | 'index'> | null,
  limit: number,
): Promise<readonly TimelineEntry[]> {
  const rows: { seq: number; at: number; changes: string }[] = await reader('execution_events')
    .where('execution_id', executionId)
    .where('seq', '>=', after?.seq ?? 0)
    .orderBy('seq')
    // Each row has at least one entry; the first may be over.
    .limit(limit + 1)
    .select('seq', 'at', 'changes');
  const entries = rows
    .flatMap(entriesOf)
    .filter(({ seq, index }) => after === null || seq > after.seq || index > after.index)
    .slice(0, limit);
  return withNames(reader, entries);
}

type StoredMove = readonly [TimelineEntry['kind'], string, string, (string | null)?, string?];

function entriesOf({ seq, at, changes }: { seq: number; at: number; changes: string }): TimelineEntry[] {
  const moves = JSON.parse(changes) as readonly StoredMove[];
  return moves.map(([kind, id, state, name, info], index) => ({
    seq,
    index,
    at,
    kind,
    id,
    name: name ?? null,
    state,
    stateInfo: info ?? null,
  }));
}

/** The log names what is new; later entries are named by the rows themselves. */
async function withNames(reader: Knex, entries: readonly TimelineEntry[]): Promise<readonly TimelineEntry[]> {
  const names = new Map<string, string>();
  for (const [kind, table, column] of NAMES) {
    const ids = [...new Set(entries.filter((one) => one.kind === kind && one.name === null).map(({ id }) => id))];
    for (let at = 0; at < ids.length; at += 400) {
      const rows: { id: string; name: string }[] = await reader(table)
        .whereIn('id', ids.slice(at, at + 400))
        .select('id', `${column} as name`);
      for (const row of rows) names.set(row.id, row.name);
    }
  }
  return entries.map((entry) => ({ ...entry, name: entry.name ?? names.get(entry.id) ?? null }));
}

const NAMES = [
  ['execution', 'executions', 'workflow_name'],
  ['task', 'task_executions', 'name'],
  ['action', 'action_executions', 'name'],
] as const;
