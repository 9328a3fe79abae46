import { setTimeout } from 'node:timers/promises';
import { isFinal } from '../../engine/core/model.ts';
import type { ExecutionRecord } from '../../engine/core/model.ts';
import { fillIn } from '../../engine/store/large-values.ts';
import { executionFromRow, taskFromRow } from '../../engine/store/tables.ts';
import type { ActionRow, ExecutionRow, TaskRow } from '../../engine/store/tables.ts';
import { actionFromRow } from '../../engine/store/tables.ts';
import { descendants } from '../../engine/store/trees.ts';
import type { ActionRecord, TaskRecord } from '../../engine/core/model.ts';
import type { Node } from '../node.ts';

/** An execution and everything below it, as it stands. */
export interface Outcome {
  readonly execution: ExecutionRecord;
  readonly tasks: readonly FollowedTask[];
}

export interface FollowedTask {
  readonly task: TaskRecord;
  /** The workflow that it belongs to. */
  readonly workflow: string;
  /** Sub-workflows above it. */
  readonly depth: number;
  /** Actions that failed; read at the end only. */
  readonly failures: readonly ActionRecord[];
}

/** Looks at the execution until it is final, is paused (nothing here can resume it), or the signal comes. */
export async function follow(
  node: Node,
  id: ExecutionRecord['id'],
  onTasks: (tasks: readonly FollowedTask[]) => void,
  signal: AbortSignal,
): Promise<Outcome> {
  for (;;) {
    const before = Date.now();
    const state = await stateOf(node, id);
    const ended = isFinal(state) || state === 'PAUSED' || signal.aborted;
    // Tasks are read after the state, so that a final state comes with final tasks.
    const outcome = await look(node, id, ended);
    onTasks(outcome.tasks);
    if (ended) return outcome;
    // Large executions are looked at less often: looking must not be the main work.
    await pause(Math.min(1000, Math.max(50, (Date.now() - before) * 10)), signal);
  }
}

async function stateOf({ store }: Node, id: string): Promise<ExecutionRecord['state']> {
  const row: { state: ExecutionRecord['state'] } | undefined = await store
    .reader('executions')
    .where('id', id)
    .first('state');
  if (row === undefined) throw new Error(`The execution ${id} has vanished.`);
  return row.state;
}

async function look({ store: { reader } }: Node, id: string, withFailures: boolean): Promise<Outcome> {
  const top: ExecutionRow = await reader('executions').where('id', id).first();
  const below = await descendants(reader, top, { errorsOnly: false, maxDepth: -1 });
  const executions = [top, ...below];
  const byId = new Map(executions.map((row) => [row.id, row]));
  const tasks: FollowedTask[] = [];
  for (const { id: executionId } of executions) {
    const rows: TaskRow[] = await reader('task_executions')
      .where('execution_id', executionId)
      .orderBy(['created_at', 'id']);
    for (const row of await fillIn(reader, rows)) {
      const failures = withFailures && row.state === 'ERROR' ? await failuresOf(reader, row.id) : [];
      tasks.push({ task: taskFromRow(row), workflow: row.workflow_name, depth: depthOf(byId, executionId), failures });
    }
  }
  const [execution = top] = await fillIn(reader, [top]);
  return { execution: executionFromRow(execution), tasks };
}

async function failuresOf(reader: Node['store']['reader'], taskId: string): Promise<ActionRecord[]> {
  const rows: ActionRow[] = await reader('action_executions')
    .where({ task_execution_id: taskId, state: 'ERROR', accepted: true })
    .orderBy(['created_at', 'id']);
  return (await fillIn(reader, rows)).map(actionFromRow);
}

function depthOf(executions: ReadonlyMap<string, ExecutionRow>, id: string): number {
  let depth = 0;
  for (let at = executions.get(id)?.parent_execution_id ?? null; at !== null && executions.has(at); depth++) {
    at = executions.get(at)?.parent_execution_id ?? null;
  }
  return depth;
}

/** Ends early when the signal comes. */
async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await setTimeout(milliseconds, undefined, { signal }).catch(() => {});
}
