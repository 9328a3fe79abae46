import type { ExpressionScope } from '../../dsl/expressions/index.ts';
import type { ExecutionsFilter, ExpressionHost, TasksFilter } from '../../dsl/expressions/host.ts';
import type { Json, JsonObject } from '../../dsl/json.ts';
import { MappingView } from '../../dsl/yaql/mapping-view.ts';
import { type ContextNode, contextGet, flattenContext } from './context.ts';
import type { Draft } from './draft.ts';
import { rowsOf } from './lookups.ts';
import type { TaskExecutionId, TaskRecord } from './model.ts';
import { taskResult } from './results.ts';

/** Where an expression is evaluated: spec/engine.md E-5.6 lists the layers of `$` for each place. */
export interface ScopeOptions {
  readonly task?: TaskRecord;
  /** Item variables of with-items, parameters of an ad-hoc action: above the branch context. */
  readonly extra?: JsonObject;
  /** The branch context: inbound for input and publish, outbound for clauses, final for output. */
  readonly context?: ContextNode;
}

export function scopeOf(draft: Draft, options: ScopeOptions): ExpressionScope {
  const { record } = draft;
  const execution = { id: record.id };
  const taskExecution = options.task === undefined ? null : { id: options.task.id, name: options.task.name };
  const layers: Layer[] = [];
  if (taskExecution !== null) layers.push(data({ __task_execution: taskExecution }));
  layers.push(data({ __env: draft.environment }));
  if (options.extra !== undefined) layers.push(data(options.extra));
  if (options.context !== undefined) layers.push({ kind: 'context', node: options.context });
  layers.push(data(record.context), data({ __execution: execution }), data(record.input));
  return {
    data: new LayeredData(layers),
    variables: { env: draft.environment, execution, taskExecution },
    host: new DraftHost(draft, options.task),
  };
}

type Layer =
  | { readonly kind: 'data'; readonly values: JsonObject }
  | { readonly kind: 'context'; readonly node: ContextNode };

function data(values: JsonObject): Layer {
  return { kind: 'data', values };
}

/** The first layer that has a key wins; nothing is copied. */
class LayeredData extends MappingView {
  private readonly layers: readonly Layer[];

  constructor(layers: readonly Layer[]) {
    super();
    this.layers = layers;
  }

  get(key: string): unknown {
    for (const layer of this.layers) {
      if (layer.kind === 'context') {
        const value = contextGet(layer.node, key);
        if (value !== undefined) return value;
      } else if (Object.hasOwn(layer.values, key)) {
        return layer.values[key];
      }
    }
    return undefined;
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  keys(): Iterable<string> {
    const keys = new Set<string>();
    for (const layer of this.layers) {
      const values = layer.kind === 'context' ? flattenContext(layer.node) : layer.values;
      for (const key of Object.keys(values)) keys.add(key);
    }
    return keys;
  }
}

class DraftHost implements ExpressionHost {
  private readonly draft: Draft;
  private readonly current: TaskRecord | undefined;

  constructor(draft: Draft, current: TaskRecord | undefined) {
    this.draft = draft;
    this.current = current;
  }

  env(): JsonObject {
    return this.draft.environment;
  }

  execution(): JsonObject {
    const { record, spec } = this.draft;
    return {
      id: record.id,
      name: record.workflowName,
      spec: spec.raw,
      input: record.input,
      params: record.params,
      created_at: formatTime(record.createdAt),
      updated_at: formatTime(record.updatedAt),
      root_execution_id: record.rootExecutionId,
    };
  }

  executions(filter: ExecutionsFilter): readonly JsonObject[] {
    return rowsOf(this.draft.env, { type: 'executions', filter });
  }

  task(name: string | null): JsonObject | null {
    if (name === null || name === this.current?.name) {
      return this.current === undefined ? null : taskFields(this.draft, this.draft.task(this.current.id));
    }
    if (!this.draft.spec.tasks.has(name)) return null;
    const latest = this.draft.latestTask(name);
    if (latest !== undefined && this.draft.hasMembers(latest.id)) return taskFields(this.draft, latest);
    if (latest === undefined && this.draft.analysis.namedTasks.has(name)) return null;
    return rowsOf(this.draft.env, { type: 'task', name })[0] ?? null;
  }

  tasks(filter: TasksFilter): readonly JsonObject[] {
    const rows = rowsOf(this.draft.env, { type: 'tasks', filter });
    const seen = new Set(rows.map((row) => row.id));
    const own = filter.workflowExecutionId === null || filter.workflowExecutionId === this.draft.record.id;
    // Rows are read as they were before this decision.
    const added = own ? this.draft.createdTasks().filter((task) => !seen.has(task.id)) : [];
    return [...rows.map((row) => this.newest(row)), ...added.map((task) => taskFields(this.draft, task))].filter(
      (row) => filter.state === null || row.state === filter.state,
    );
  }

  global(name: string): Json {
    if (name === '__execution') return { id: this.draft.record.id };
    const { context } = this.draft.record;
    return Object.hasOwn(context, name) ? (context[name] ?? null) : null;
  }

  private newest(row: JsonObject): JsonObject {
    const id = row.id as TaskExecutionId;
    const task = this.draft.findTask(id);
    return task === undefined || !this.draft.hasMembers(task.id) ? row : taskFields(this.draft, task);
  }
}

/** A task execution as `task()` shows it (spec/engine.md §6). */
export function taskFields(draft: Draft, task: TaskRecord): JsonObject {
  return {
    id: task.id,
    name: task.name,
    spec: draft.taskSpec(task.name).raw,
    state: task.state,
    state_info: task.stateInfo,
    // Reading the results of many items is worth it only when somebody looks at them.
    get result() {
      return taskResult(draft, task);
    },
    published: task.published,
    type: task.type,
    workflow_execution_id: task.executionId,
    created_at: formatTime(task.createdAt),
    updated_at: formatTime(task.updatedAt),
  };
}

/** `YYYY-MM-DD HH:MM:SS[.ffffff]` in UTC, as Python prints a datetime. */
export function formatTime(milliseconds: number): string {
  const text = new Date(milliseconds).toISOString();
  const fraction = text.slice(20, 23);
  return `${text.slice(0, 10)} ${text.slice(11, 19)}${fraction === '000' ? '' : `.${fraction}000`}`;
}
