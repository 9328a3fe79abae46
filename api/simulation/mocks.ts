import type { Json, JsonObject } from '../../dsl/json.ts';
import type { WorkflowSpec } from '../../dsl/spec/types.ts';
import type { ActionResult } from '../../engine/contract.ts';

/** What stands in for one run of an action, or of a sub-workflow. */
export interface Answer {
  readonly result: ActionResult;
  /** Virtual seconds until it comes. */
  readonly delay: number;
}

/** One answer for every run, or one for each run in turn. */
export type Mock = { readonly always: Answer } | { readonly inTurn: readonly Answer[] };

export interface Mocks {
  /** By the task's name; in a sub-workflow `task/subtask` comes before `subtask`. */
  readonly tasks: ReadonlyMap<string, Mock>;
  /** By the action's name as the workflow calls it, or by that of the system action underneath. */
  readonly actions: ReadonlyMap<string, Mock>;
}

/** Hands out the answers of one case. */
export class Answers {
  private readonly mocks: Mocks;
  private readonly used = new Map<Mock, number>();

  constructor(mocks: Mocks) {
    this.mocks = mocks;
  }

  /** `null`: nothing is mocked under these names; a text: why there is no answer left. */
  next(taskPath: readonly string[], actions: readonly string[]): Answer | string | null {
    const found = this.find(taskPath, actions);
    if (found === null) return null;
    const { mock, name } = found;
    if ('always' in mock) return mock.always;
    const number = this.used.get(mock) ?? 0;
    this.used.set(mock, number + 1);
    const answer = mock.inTurn[number];
    return answer ?? `${name} ran ${number + 1} times, but there are only ${mock.inTurn.length} answers for it`;
  }

  has(taskPath: readonly string[], actions: readonly string[]): boolean {
    return this.find(taskPath, actions) !== null;
  }

  private find(
    taskPath: readonly string[],
    actions: readonly string[],
  ): { readonly mock: Mock; readonly name: string } | null {
    const task = taskPath.at(-1) ?? '';
    for (const name of [taskPath.join('/'), task]) {
      const mock = this.mocks.tasks.get(name);
      if (mock !== undefined) return { mock, name: `task '${name}'` };
    }
    for (const name of actions) {
      const mock = this.mocks.actions.get(name);
      if (mock !== undefined) return { mock, name: `action '${name}'` };
    }
    return null;
  }
}

/**
 * The names of the system actions that must not be evaluated within a decision, since a mock may stand in for them; null: all,
 * where a task with a mock names its action by an expression or through an ad-hoc action.
 */
export function interceptedActions(
  mocks: Mocks,
  specs: Iterable<WorkflowSpec>,
  isSystem: (action: string) => boolean,
): ReadonlySet<string> | null {
  const names = new Set<string>();
  for (const action of mocks.actions.keys()) {
    if (!isSystem(action)) return null;
    names.add(action);
  }
  if (mocks.tasks.size === 0) return names;
  const tasks = mockedTasks(mocks);
  for (const spec of specs) {
    for (const { name, run } of spec.tasks.values()) {
      if (run.type === 'workflow' || !tasks.has(name)) continue;
      if (!isSystem(run.name)) return null;
      names.add(run.name);
    }
  }
  return names;
}

/** Whether a task with a mock names this very action. */
export function calledByMockedTask(mocks: Mocks, specs: readonly WorkflowSpec[], action: string): boolean {
  const tasks = mockedTasks(mocks);
  return specs.some((spec) =>
    [...spec.tasks.values()].some(({ name, run }) => run.type === 'action' && run.name === action && tasks.has(name)),
  );
}

function mockedTasks(mocks: Mocks): ReadonlySet<string> {
  return new Set([...mocks.tasks.keys()].map((path) => path.split('/').at(-1) ?? path));
}

export function success(output: Json): ActionResult {
  return { kind: 'success', output };
}

export function failure(output: Json): ActionResult {
  return { kind: 'error', output, retryable: false };
}

/** What a parent sees of a mocked sub-workflow. */
export function childOutput({ kind, output }: ActionResult): JsonObject {
  const isMapping = typeof output === 'object' && output !== null && !Array.isArray(output);
  return kind === 'success' && isMapping ? (output as JsonObject) : { result: output };
}
