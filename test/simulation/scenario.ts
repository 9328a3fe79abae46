import type { Json, JsonObject } from '../../dsl/json.ts';

/** Everything that one seed decides before it runs: definitions, faults and what people do. Shrinking takes parts away. */
export interface Scenario {
  readonly seed: number;
  /** Whether each node runs the actions that it made, or any node takes them from a common queue and claims them. */
  readonly mode: 'embedded' | 'workers';
  /** Who picks up what a dead node left: the next one that starts, or a janitor among those that share the database. */
  readonly keeper: 'start' | 'janitor';
  /** Nodes at the start. */
  readonly nodes: number;
  /** Views are let go of at once where it is small. */
  readonly cacheBytes: number;
  readonly workflows: readonly WorkflowModel[];
  readonly actions: readonly { readonly name: string; readonly body: JsonObject }[];
  /** Whether the definitions are uploaded as one workbook. */
  readonly isBook: boolean;
  readonly environment: JsonObject;
  /** `params.env` of the start: the stored one by name, inline, or none. */
  readonly envBy: 'name' | 'inline' | 'none';
  readonly faults: readonly Fault[];
  readonly operations: readonly Operation[];
  /** The result depends on nothing but the definitions: a run without faults must come to the same. */
  readonly isConfluent: boolean;
}

export interface WorkflowModel {
  readonly name: string;
  readonly type: 'direct' | 'reverse';
  /** Keys of the workflow beside its tasks. */
  readonly head: JsonObject;
  readonly tasks: readonly TaskModel[];
}

export interface TaskModel {
  readonly name: string;
  /** Keys of the task beside transitions, join and requires. */
  readonly body: JsonObject;
  readonly join: 'all' | 'one' | number | null;
  readonly requires: readonly string[];
  readonly transitions: readonly TransitionModel[];
  /** Publish scopes inside on-clauses. */
  readonly scopes: Readonly<Partial<Record<Clause, JsonObject>>>;
}

export type Clause = 'on-success' | 'on-error' | 'on-complete' | 'on-skip';

export interface TransitionModel {
  readonly on: Clause;
  /** A task or an engine command, with parameters for commands. */
  readonly to: string;
  readonly isCommand: boolean;
  readonly condition: string | null;
}

export const FAULT_KINDS = [
  'crash',
  'crash-in-transaction',
  'connection-error',
  'commit-reported-as-error',
  'statement-error',
  'evict-views',
  'slow-node',
  'second-node',
  'lose-queue',
  'repeat-message',
  'delay-message',
  'repeat-result',
  'late-result',
  'clock-jump',
  'unclear-submit',
  'restart',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Happens at a step of the scheduler, or to the next thing of its kind after that. */
export interface Fault {
  readonly kind: FaultKind;
  readonly at: number;
  readonly pick: number;
}

export const OPERATIONS = [
  'pause',
  'resume',
  'cancel',
  'stop-error',
  'stop-success',
  'rerun',
  'rerun-partly',
  'skip',
  'delete',
  'change-env',
  'describe',
  'cancel-action',
  'pause-action',
  'resume-action',
  'start-again',
] as const;
export type OperationKind = (typeof OPERATIONS)[number];

export interface Operation {
  readonly kind: OperationKind;
  readonly at: number;
  readonly pick: number;
}

/** The documents to upload. A dropped task takes the transitions to it along. */
export function documents({ workflows, actions, isBook }: Scenario): {
  readonly book: string | null;
  readonly workflows: string | null;
  readonly actions: string | null;
} {
  const definitions = Object.fromEntries(workflows.map((workflow) => [workflow.name, workflowBody(workflow)]));
  const adHoc = Object.fromEntries(actions.map(({ name, body }) => [name, body]));
  const hasActions = actions.length > 0;
  if (isBook) {
    const book = {
      version: '2.0',
      name: 'book',
      description: 'simulated',
      tags: ['s'],
      workflows: definitions,
      ...(hasActions ? { actions: adHoc } : {}),
    };
    return { book: JSON.stringify(book), workflows: null, actions: null };
  }
  return {
    book: null,
    workflows: JSON.stringify({ version: '2.0', ...definitions }),
    actions: hasActions ? JSON.stringify({ version: '2.0', ...adHoc }) : null,
  };
}

export function workflowBody({ type, head, tasks }: WorkflowModel): JsonObject {
  const names = new Set(tasks.map((task) => task.name));
  return {
    type,
    ...head,
    tasks: Object.fromEntries(tasks.map((task) => [task.name, taskBody(task, names, tasks)])),
  };
}

function taskBody(task: TaskModel, names: ReadonlySet<string>, all: readonly TaskModel[]): JsonObject {
  const body: Record<string, Json> = { ...task.body };
  const inbound = all.filter((other) => other.transitions.some(({ to }) => to === task.name)).length;
  const needed = task.join === 'all' || task.join === 'one' ? 1 : (task.join ?? 0);
  if (task.join !== null && inbound >= needed) body.join = task.join;
  const requires = task.requires.filter((name) => names.has(name));
  if (requires.length > 0) body.requires = requires;
  for (const clause of ['on-success', 'on-error', 'on-complete', 'on-skip'] as const) {
    const seen = new Set<string>();
    const next = task.transitions
      .filter(({ on, to, isCommand }) => on === clause && (isCommand || names.has(to)))
      .map(({ to, condition }): Json => (condition === null ? to : { [to]: condition }))
      .filter((entry) => {
        const text = JSON.stringify(entry);
        return !seen.has(text) && seen.add(text) !== undefined;
      });
    const publish = task.scopes[clause];
    if (publish !== undefined) body[clause] = { publish, ...(next.length > 0 ? { next } : {}) };
    else if (next.length > 0) body[clause] = next;
  }
  if (Object.keys(body).length === 0) body.action = 'std.noop';
  return body;
}
