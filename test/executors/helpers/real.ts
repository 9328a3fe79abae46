import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import { isJsonObject, type JsonObject } from '../../../dsl/json.ts';
import { silentLogger } from '../../../engine/log.ts';
import { systemClock } from '../../../engine/shell/clock.ts';
import type { Action, JobAction } from '../../../executors/action.ts';
import { JobWatcher } from '../../../executors/job-watcher.ts';
import { memoryStore } from '../../helpers/store.ts';
import { waitFor } from '../../helpers/waiting.ts';
import { Reports, runAction } from './remote.ts';

/** A watcher on the real clock for one job action, in a folder of its own. */
export interface RealWorld {
  readonly folder: string;
  readonly db: Knex;
  readonly reports: Reports;
  /** A further node, as after a restart: it takes over at once. */
  node(id: string): Promise<JobWatcher>;
  /** Of the pack's first job action, unless another is named. */
  submit(watcher: JobWatcher, id: string, input: JsonObject, action?: string): Promise<void>;
  /** Waits for the result for as long as a crowded machine may need. */
  result(id: string): Promise<{ readonly kind: string; readonly output: JsonObject }>;
}

export async function realWorld(
  t: ExecutionContext,
  createPack: (folder: string) => readonly Action[],
): Promise<RealWorld> {
  t.timeout(600_000);
  const folder = await mkdtemp(join(tmpdir(), 'tramontane-real-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const actions = createPack(folder).filter((one): one is JobAction => one.kind === 'job');
  const actionOf = (name: string | undefined): JobAction => {
    const found = name === undefined ? actions[0] : actions.find((one) => one.name === name);
    if (found === undefined) throw new Error(`the pack has no job action ${name ?? ''}`);
    return found;
  };
  const store = await memoryStore(t);
  const reports = new Reports();
  const nodes: JobWatcher[] = [];
  t.teardown(async () => {
    for (const node of nodes) await node.close();
  });
  return {
    folder,
    db: store.writer,
    reports,
    async node(id) {
      const options = {
        db: store.writer,
        nodeId: id,
        engine: reports,
        backends: actions.map(({ backend }) => backend),
        clock: systemClock,
      };
      const watcher = new JobWatcher({ ...options, log: silentLogger, alone: true });
      nodes.push(watcher);
      await watcher.start();
      return watcher;
    },
    submit: (watcher, id, input, name) => {
      const action = actionOf(name);
      const pause = Object.hasOwn(action.parameters.properties, 'poll_interval') ? { poll_interval: 0.5 } : null;
      return watcher.submit(runAction(action.name, id, { ...pause, ...input }), action.backend);
    },
    async result(id) {
      const find = async () => reports.taken.find(({ actionExecutionId }) => actionExecutionId === id);
      const { result } = await waitFor(`the result of ${id}`, find, 500_000);
      if (!isJsonObject(result.output)) throw new Error(`the result is no mapping: ${JSON.stringify(result.output)}`);
      return { kind: result.kind, output: result.output };
    },
  };
}
