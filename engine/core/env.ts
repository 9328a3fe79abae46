import type { JsonObject } from '../../dsl/json.ts';
import type { ActionSpec, WorkflowSpec } from '../../dsl/spec/types.ts';
import type { ActionCatalogue, ActionDefinition } from '../contract.ts';

/** Every surprise comes in here: time, ids, definitions, rows of others (style.md §4). */
export interface Env {
  /** Milliseconds since 1970. */
  readonly now: number;
  newId(): string;
  readonly catalogue: ActionCatalogue;
  /** undefined: not loaded yet, the decision then answers `needs`. null: there is none. */
  findAction(name: string, namespace: string, projectId: string): FoundAction | null | undefined;
  /** In the namespace, else in the default one (spec/dsl.md D-14.3). */
  findWorkflow(name: string, namespace: string, projectId: string): FoundWorkflow | null | undefined;
  findEnvironment(name: string, projectId: string): JsonObject | null | undefined;
  /** Rows that `executions()`, `tasks()` and `task(name)` asked for, by `lookupKey` of the lookup. */
  findRows(key: string): readonly JsonObject[] | undefined;
  /** Set where this process runs the actions itself: what needs a claim is then inserted already claimed (design.md §5). */
  readonly executorId: string | null;
  /** False once the bounds of design.md §2 are reached: the rest of the work waits for a `continue`. */
  takeStep(): boolean;
  readonly limits: Limits;
}

export interface Limits {
  /** Task executions of one name in one execution, so that a cycle without end becomes an error. */
  readonly tasksPerName: number;
  /** Characters of JSON text of input, output, params and published; -1 for none (spec/engine.md §26). */
  readonly fieldCharacters: number;
  /**
   * What the call of an unknown action, or one with wrong parameters, does: fail task and execution at once (the reference, and the default), or
   * only the task, whose `on-error` and `retry` then apply (spec/engine.md §30 item 7).
   */
  readonly wrongCalls?: 'forced' | 'graceful';
}

export type FoundAction = FoundAdHocAction | FoundDynamicAction;

export interface FoundAdHocAction {
  readonly kind: 'ad-hoc';
  readonly spec: ActionSpec;
  readonly workbookName: string | null;
}

/** An action whose code is a module in the database (spec/engine.md E-28.3). */
export interface FoundDynamicAction {
  readonly kind: 'dynamic';
  /** As workflows call it; `definition.name` is what an executor runs. */
  readonly name: string;
  readonly className: string;
  readonly definition: ActionDefinition;
}

export interface FoundWorkflow {
  readonly id: string;
  readonly name: string;
  readonly namespace: string;
  readonly workbookName: string | null;
  readonly specHash: string;
  readonly spec: WorkflowSpec;
}
