import type { State } from './model.ts';

/** Where a workflow execution, or an action or task that a person updates, may go (spec/engine.md §2). */
const TRANSITIONS: Readonly<Record<State, readonly State[]>> = {
  IDLE: ['RUNNING', 'ERROR', 'CANCELLED'],
  WAITING: ['RUNNING'],
  RUNNING: ['PAUSED', 'DELAYED', 'SUCCESS', 'ERROR', 'CANCELLED'],
  DELAYED: ['RUNNING', 'ERROR', 'CANCELLED'],
  PAUSED: ['RUNNING', 'ERROR', 'CANCELLED'],
  SUCCESS: [],
  // A rerun may wake a cancelled execution.
  CANCELLED: ['RUNNING'],
  ERROR: ['RUNNING', 'SKIPPED'],
  SKIPPED: [],
};

export function isValidTransition(from: State, to: State): boolean {
  return from === to || TRANSITIONS[from].includes(to);
}
