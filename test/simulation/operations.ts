import type { Caller } from '../../engine/facade.ts';
import type { RunningEngine } from '../../engine/index.ts';
import type { Membership } from '../../engine/shell/membership.ts';
import type { JobWatcher } from '../../executors/job-watcher.ts';
import type { Worker } from '../../executors/worker.ts';
import type { ModelStore } from './model-store/store.ts';
import type { Row } from './model-store/tables.ts';
import type { Random } from './random.ts';
import type { Owner } from './scheduler.ts';
import type { Operation } from './scenario.ts';

export const CALLER: Caller = { projectId: '<default-project>', isAdmin: true };
/** The execution that a run is about. */
export const ROOT = '00000000-0000-7000-8000-000000000001';

export interface Node extends Owner {
  readonly engine: RunningEngine;
  readonly store: ModelStore;
  readonly worker: Worker;
  readonly watcher: JobWatcher;
  /** Its place among the others, where they know of each other. */
  readonly membership: Membership | null;
  skew: number;
  phase: 'starting' | 'up' | 'stopping';
}

/** What operations need of the world. */
export interface StateOfWorld {
  readonly deletion: 'none' | 'wanted' | 'done';
  readonly random: Random;
  readonly liveNodes: readonly Node[];
  rows(table: string): Row[];
  note(text: string): void;
  call(what: string, node: Node, request: (engine: RunningEngine) => Promise<unknown>): void;
  startRequest(): Parameters<RunningEngine['startExecution']>[1];
  /** Again and again, until it is known to be gone. */
  delete(node: Node): void;
}

/** Does what a person does at this moment; where nothing fits, nothing. */
export function operate(world: StateOfWorld, { kind, pick }: Operation): void {
  const node = world.liveNodes[pick % Math.max(1, world.liveNodes.length)];
  if (node === undefined) return;
  const choose = (
    table: string,
    states: readonly string[],
    fits: (row: Row) => boolean = () => true,
  ): string | undefined => {
    const rows = world.rows(table).filter((row) => states.includes(String(row.state)) && fits(row));
    const row = rows[pick % Math.max(1, rows.length)];
    return row === undefined ? undefined : String(row.id);
  };
  const update = (id: string | undefined, what: string, to: Partial<UpdateRequest>): void => {
    if (id === undefined) return;
    world.call(`${what} ${id.slice(9, 18)}`, node, (engine) =>
      engine.updateExecution(CALLER, id, { state: null, stateInfo: null, description: null, env: null, ...to }),
    );
  };
  const updateAction = (id: string | undefined, to: 'CANCELLED' | 'PAUSED' | 'RUNNING'): void => {
    if (id === undefined) return;
    world.call(`${kind} ${id.slice(9, 18)}`, node, (engine) => engine.updateAction(CALLER, id, to, null));
  };
  switch (kind) {
    case 'pause':
      return update(choose('executions', ['RUNNING']), kind, { state: 'PAUSED' });
    case 'resume':
      return update(choose('executions', ['PAUSED']), kind, { state: 'RUNNING' });
    case 'cancel':
      return update(choose('executions', ['RUNNING', 'PAUSED']), kind, { state: 'CANCELLED', stateInfo: 'enough' });
    case 'stop-error':
      return update(choose('executions', ['RUNNING', 'PAUSED']), kind, { state: 'ERROR', stateInfo: 'wrong' });
    case 'stop-success':
      return update(choose('executions', ['RUNNING']), kind, { state: 'SUCCESS' });
    case 'change-env':
      return update(choose('executions', ['PAUSED', 'ERROR']), kind, { env: { e1: pick } });
    case 'describe':
      return update(choose('executions', ['RUNNING', 'PAUSED', 'ERROR', 'SUCCESS']), kind, { description: `d${pick}` });
    case 'rerun':
    case 'rerun-partly': {
      const id = choose('task_executions', ['ERROR', 'CANCELLED']);
      if (id === undefined) return;
      world.call(`${kind} ${id.slice(9, 18)}`, node, (engine) => engine.rerunTask(CALLER, id, kind === 'rerun', null));
      return;
    }
    case 'skip': {
      const id = choose('task_executions', ['ERROR']);
      if (id !== undefined) world.call(`${kind} ${id.slice(9, 18)}`, node, (engine) => engine.skipTask(CALLER, id));
      return;
    }
    case 'cancel-action':
      return updateAction(choose('action_executions', ['RUNNING', 'PAUSED']), 'CANCELLED');
    case 'pause-action':
      // Mostly one that can be paused; another is refused.
      return updateAction(
        choose('action_executions', ['RUNNING'], (row) => row.kind === 'async' || pick % 5 === 0),
        'PAUSED',
      );
    case 'resume-action':
      return updateAction(choose('action_executions', ['PAUSED']), 'RUNNING');
    case 'start-again':
      if (world.deletion !== 'none' || !world.rows('executions').some((row) => row.id === ROOT)) return;
      world.call(kind, node, (engine) => engine.startExecution(CALLER, world.startRequest()));
      return;
    case 'delete':
      if (!world.rows('executions').some((row) => row.id === ROOT)) return;
      world.delete(node);
      return;
  }
}

interface UpdateRequest {
  readonly state: string | null;
  readonly stateInfo: string | null;
  readonly description: string | null;
  readonly env: { readonly e1: number } | null;
}
