import { setTimeout as sleep } from 'node:timers/promises';
import type { Caller } from '../../engine/facade.ts';
import type { Node } from '../node.ts';

/** How long a job has for its own end, once it was told. */
const PATIENCE_MILLISECONDS = 15_000;

/** Cancels the execution and waits for the end of its jobs outside, which would outlive this process. */
export async function cancel(node: Node, caller: Caller, id: string): Promise<void> {
  await node.engine.updateExecution(caller, id, {
    state: 'CANCELLED',
    stateInfo: 'Interrupted',
    description: null,
    env: null,
  });
  await jobsToEnd(node);
}

/**
 * Branches of an execution that has failed, and children of one that is paused, may still run jobs outside. Nobody will look after
 * them once the database is gone, so the execution goes first and takes them along.
 */
export async function endWhatStillRuns(node: Node, caller: Caller, id: string): Promise<void> {
  await node.engine.deleteExecution(caller, id, true);
  await jobsToEnd(node);
}

/** Until the executor has been told of every stop, leases are given back and no job outside is left; at most for {@link PATIENCE_MILLISECONDS}. */
async function jobsToEnd({ store: { reader } }: Node): Promise<void> {
  const deadline = Date.now() + PATIENCE_MILLISECONDS;
  while (Date.now() < deadline) {
    const untold: unknown = await reader('outbox').whereIn('kind', ['stop-action', 'release-leases']).first();
    const running: unknown = await reader('external_jobs').whereNot('phase', 'done').first();
    if (untold === undefined && running === undefined) return;
    await sleep(50);
  }
}
