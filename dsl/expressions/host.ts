import type { Json, JsonObject } from '../json.ts';

/**
 * What Mistral's expression functions read (spec/expressions.md §11.9, spec/engine.md §6). The engine implements it over its
 * view: synchronous, no I/O. A method that misses a row throws {@link LookupNeeded}.
 */
export interface ExpressionHost {
  /** The environment of the root execution; null when there is none. */
  env(): JsonObject | null;
  /** The current execution as `execution()` shows it; null outside of one. */
  execution(): JsonObject | null;
  executions(filter: ExecutionsFilter): readonly JsonObject[];
  /** The current task (name null) or the latest task execution of that name; null if there is none. */
  task(name: string | null): JsonObject | null;
  tasks(filter: TasksFilter): readonly JsonObject[];
  /** A variable of the execution's own context; null if absent. */
  global(name: string): Json;
}

export interface ExecutionsFilter {
  readonly id: string | null;
  readonly rootExecutionId: string | null;
  readonly state: string | null;
  readonly fromTime: string | null;
  readonly toTime: string | null;
}

export interface TasksFilter {
  readonly workflowExecutionId: string | null;
  readonly recursive: boolean;
  readonly state: string | null;
  readonly flat: boolean;
}

/**
 * Thrown by a host whose view misses rows. Evaluators never catch, wrap or defer it: it leaves the evaluation unchanged, the
 * engine loads the rows and evaluates again. `lookup` is whatever the host needs to know.
 */
export class LookupNeeded extends Error {
  override readonly name = 'LookupNeeded';
  readonly lookup: unknown;

  constructor(lookup: unknown) {
    super('an expression needs rows that are not loaded yet');
    this.lookup = lookup;
  }
}
