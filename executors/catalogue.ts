import type { JsonObject } from '../dsl/json.ts';
import type { ActionCatalogue, ActionResult } from '../engine/contract.ts';
import { failure, type Action } from './action.ts';
import { checkWrittenInput, nearestName, type CallProblem } from './check-call.ts';

export interface Catalogue extends ActionCatalogue {
  find(name: string): Action | undefined;
  list(): readonly Action[];
  /**
   * What is wrong with this static input of a system action: unknown, missing and wrongly typed parameters. Empty for an unknown
   * action: it may be an ad-hoc one.
   */
  checkCall(name: string, input: JsonObject): readonly CallProblem[];
  /** The system action that was probably meant, or null. */
  nearest(name: string): string | null;
  /** Ends the processes that actions keep; what still runs in them fails. */
  close(): void;
}

/** @throws Error when two actions have one name. */
export function catalogueOf(actions: readonly Action[], close: () => void = () => {}): Catalogue {
  const byName = new Map<string, Action>();
  for (const action of actions) {
    if (byName.has(action.name)) throw new Error(`Two actions are called '${action.name}'; names must be unique.`);
    byName.set(action.name, action);
  }
  const sorted = [...byName.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    find: (name) => byName.get(name),
    list: () => sorted,
    runPure: (name, input) => runPure(byName.get(name), name, input),
    needsWorker: (name, input) => needsWorker(byName.get(name), input),
    checkCall: (name, input) => {
      const action = byName.get(name);
      return action === undefined ? [] : checkWrittenInput(action.parameters, input);
    },
    nearest: (name) => nearestName(name, byName.keys()),
    close,
  };
}

function runPure(action: Action | undefined, name: string, input: JsonObject): ActionResult {
  if (action?.kind !== 'pure') return failure(`Action '${name}' is not one that the engine can evaluate itself.`);
  try {
    return action.evaluate(input);
  } catch (error) {
    return failure(
      `The action raised an exception [action=${name}, msg='${error instanceof Error ? error.message : String(error)}']`,
    );
  }
}

function needsWorker(action: Action | undefined, input: JsonObject): boolean {
  return action?.kind === 'pure' && action.worker !== undefined && action.worker.needed(input);
}
