import { isDeepStrictEqual } from 'node:util';
import type { Ran } from './world.ts';
import { ROOT } from './operations.ts';
import type { Row } from './model-store/tables.ts';

const FINAL: ReadonlySet<string> = new Set(['SUCCESS', 'ERROR', 'CANCELLED', 'SKIPPED']);

/** Everything that is wrong with how a run ended: what must hold whatever happened. */
export function judge(ran: Ran): string[] {
  const rows = (table: string): Row[] => ran.database.rows(table);
  const problems = [...ran.problems];
  const say = (problem: string): void => {
    problems.push(problem);
  };
  const executions = new Map(rows('executions').map((row) => [String(row.id), row]));
  if (ran.isDeleted && executions.size > 0) say(`${executions.size} executions are there after their delete`);
  if (!ran.isDeleted && !executions.has(ROOT)) say('the execution was never made');
  for (const row of executions.values())
    if (!FINAL.has(String(row.state))) say(`execution ${String(row.workflow_name)} is left ${String(row.state)}`);
  judgeTasks(rows('task_executions'), executions, say);
  judgeActions(rows('action_executions'), rows('task_executions'), executions, say);
  for (const row of rows('timers')) say(`a timer is left: ${String(row.kind)}`);
  for (const row of rows('outbox')) say(`a message is left: ${String(row.body)}`);
  for (const row of rows('quarantine')) say(`an event was set aside: ${String(row.event)} ${String(row.error)}`);
  for (const [name, count] of ran.actionRuns) if (count > 1) say(`action ${name} ran ${count} times in one attempt`);
  for (const [key, count] of ran.jobStarts) if (count > 1) say(`job ${key} was started ${count} times`);
  return problems;
}

function judgeTasks(tasks: readonly Row[], executions: ReadonlyMap<string, Row>, say: (problem: string) => void): void {
  for (const task of tasks) {
    const owner = executions.get(String(task.execution_id));
    const name = `task ${String(task.name)}`;
    if (owner === undefined) {
      say(`${name} belongs to an execution that is gone`);
      continue;
    }
    const state = String(task.state);
    if (FINAL.has(state)) {
      if (!Number(task.processed) && owner.state === 'SUCCESS' && state !== 'SKIPPED')
        say(`${name} of a successful execution was never carried on`);
      continue;
    }
    if (state === 'RUNNING' || state === 'PAUSED')
      say(`${name} is left ${state} in an execution in ${String(owner.state)}`);
  }
}

function judgeActions(
  actions: readonly Row[],
  tasks: readonly Row[],
  executions: ReadonlyMap<string, Row>,
  say: (problem: string) => void,
): void {
  const byTask = new Map(tasks.map((task) => [task.id, task]));
  const accepted = new Map<string, number>();
  for (const action of actions) {
    const name = `action of ${String(action.task_name)}`;
    if (!executions.has(String(action.execution_id))) say(`an ${name} belongs to an execution that is gone`);
    if (!FINAL.has(String(action.state))) say(`an ${name} is left ${String(action.state)}`);
    const task = byTask.get(action.task_execution_id ?? null);
    if (task === undefined) say(`an ${name} belongs to a task that is gone`);
    if (!Number(action.accepted)) continue;
    const key = `${String(action.task_execution_id)} ${String(action.runtime_context)}`;
    accepted.set(key, (accepted.get(key) ?? 0) + 1);
    // A join that ran in several rounds has the results of all of them (spec/engine.md E-12.7).
    if ((accepted.get(key) ?? 0) === 2 && task?.state === 'SUCCESS' && task.unique_key === null)
      say(`two results count for one ${name}`);
  }
}

/** What can be seen of the executions without ids, times and texts that hold them. */
export function picture(ran: Ran): unknown {
  const tasks = ran.database.rows('task_executions');
  const executions = ran.database.rows('executions');
  const draw = (execution: Row): unknown => ({
    workflow: execution.workflow_name,
    state: execution.state,
    output: execution.state === 'SUCCESS' ? JSON.parse(String(execution.output)) : null,
    tasks: tasks
      .filter((task) => task.execution_id === execution.id)
      .map((task) => ({
        name: task.name,
        state: task.state,
        published: task.published === null ? null : JSON.parse(String(task.published)),
        children: executions
          .filter((child) => child.task_execution_id === task.id)
          .map(draw)
          .map(inOrder)
          .sort(),
      }))
      .map(inOrder)
      .sort(),
  });
  const root = executions.find((row) => row.id === ROOT);
  return root === undefined ? null : draw(root);
}

/** As text that does not depend on the order of keys: branches may end, and so be merged, in any order. */
function inOrder(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
}

/** The first difference of two pictures, for people; null when they are alike. */
export function difference(undisturbed: unknown, disturbed: unknown): string | null {
  if (isDeepStrictEqual(undisturbed, disturbed)) return null;
  const lines = (value: unknown): string[] => JSON.stringify(value, null, 1).split('\n');
  const shown = (text: string): string => (text.length > LONGEST_LINE ? `${text.slice(0, LONGEST_LINE)}…` : text);
  const [left, right] = [lines(undisturbed), lines(disturbed)];
  const missing = left.filter((line) => !right.includes(line)).slice(0, 6);
  const added = right.filter((line) => !left.includes(line)).slice(0, 6);
  return [
    'the result is not that of the undisturbed run:',
    ...missing.map((line) => shown(`- ${line}`)),
    ...added.map((line) => shown(`+ ${line}`)),
  ].join('\n');
}

const LONGEST_LINE = 1000;
