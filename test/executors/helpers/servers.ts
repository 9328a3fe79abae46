import type { ExecutionContext } from 'ava';
import type { Knex } from 'knex';
import { isJsonObject, type JsonObject } from '../../../dsl/json.ts';
import type { ActionResult } from '../../../engine/contract.ts';
import { silentLogger } from '../../../engine/log.ts';
import { systemClock } from '../../../engine/shell/clock.ts';
import { loadExternalJob } from '../../../engine/store/external-jobs.ts';
import type { Action, ActionContext, JobAction } from '../../../executors/action.ts';
import { connectionsOf, type Connection } from '../../../executors/connections/connection.ts';
import { createHttpClient } from '../../../executors/http-client.ts';
import { JobWatcher, type JobWatcherOptions } from '../../../executors/job-watcher.ts';
import { sparkPack, type SparkOptions } from '../../../executors/spark/pack.ts';
import { memoryStore } from '../../helpers/store.ts';
import { waitFor } from '../../helpers/waiting.ts';
import { Reports, runAction } from './remote.ts';

/** The Spark pack, with watchers that come and go, against servers that stand in for real ones. */
export interface SparkWorld {
  readonly db: Knex;
  action(name: string): Action;
  /** Runs an action that a worker runs from start to end. */
  call(name: string, input: JsonObject): Promise<{ readonly kind: string; readonly output: unknown }>;
  node(id: string, options?: Partial<JobWatcherOptions>): Promise<JobWatcher>;
  submit(watcher: JobWatcher, name: string, id: string, input: JsonObject): Promise<void>;
  /** Waits until the job's record says so; answers the id that the server gave. */
  submitted(id: string): Promise<string>;
  result(id: string, timeoutMs?: number): Promise<{ readonly kind: string; readonly output: JsonObject }>;
  /** As {@link result}, of an action whose result is no mapping. */
  report(id: string, timeoutMs?: number): Promise<ActionResult>;
}

export async function sparkWorld(
  t: ExecutionContext,
  connections: readonly Connection[] = [],
  options: Partial<SparkOptions> = {},
): Promise<SparkWorld> {
  const http = createHttpClient(null);
  const pack = sparkPack(
    {
      runsFolder: '/nonexistent',
      sparkHome: null,
      environment: {},
      host: 'here',
      connections: connectionsOf(connections),
      ...options,
    },
    { forUsers: http, forConnections: http },
  );
  const jobs = pack.filter((one): one is JobAction => one.kind === 'job');
  const store = await memoryStore(t);
  const reports = new Reports();
  const nodes: JobWatcher[] = [];
  t.teardown(async () => {
    for (const node of nodes) await node.close(2000).catch(() => {});
    await http.close();
  });
  const find = (name: string): Action => {
    const found = pack.find((one) => one.name === name);
    if (found === undefined) throw new Error(`There is no action ${name}.`);
    return found;
  };
  const report = async (id: string, timeoutMs?: number): Promise<ActionResult> => {
    const found = async () => reports.taken.find(({ actionExecutionId }) => actionExecutionId === id);
    return (await waitFor(`the result of ${id}`, found, timeoutMs)).result;
  };
  return {
    db: store.writer,
    action: find,
    async call(name, input) {
      const action = find(name);
      if (action.kind !== 'sync') throw new Error(`${name} is ${action.kind}`);
      const context: ActionContext = {
        signal: new AbortController().signal,
        log: silentLogger,
        http,
        run: runAction(name, 'a', input).context,
      };
      return action.run(input, context);
    },
    async node(id, more = {}) {
      const watcher = new JobWatcher({
        db: store.writer,
        nodeId: id,
        engine: reports,
        backends: jobs.flatMap((action) => [action.backend, ...(action.others ?? [])]),
        clock: systemClock,
        log: silentLogger,
        ...more,
      });
      nodes.push(watcher);
      await watcher.start();
      return watcher;
    },
    async submit(watcher, name, id, input) {
      const action = find(name);
      if (action.kind !== 'job') throw new Error(`${name} is ${action.kind}`);
      const quick: JsonObject = Object.hasOwn(action.parameters.properties, 'poll_interval')
        ? { poll_interval: 0.1 }
        : {};
      const message = runAction(name, id, { ...quick, ...input });
      await watcher.submit(message, action.choose?.(message.input) ?? action.backend);
    },
    submitted: (id) =>
      waitFor(`the record of ${id}`, async () => {
        const row = await loadExternalJob(store.writer, id);
        return row?.phase === 'submitted' && row.externalId;
      }),
    report,
    async result(id, timeoutMs) {
      const { kind, output } = await report(id, timeoutMs);
      if (!isJsonObject(output)) throw new Error(`the result is no mapping: ${JSON.stringify(output)}`);
      return { kind, output };
    },
  };
}

export function connection(
  name: string,
  type: Connection['type'],
  url: string,
  more: Partial<Connection> = {},
): Connection {
  return {
    name,
    type,
    urls: [url],
    headers: {},
    timeoutMs: 10_000,
    limits: { requests: null, jobs: null },
    gatewayUrl: null,
    historyUrl: null,
    masterUi: null,
    ...more,
  };
}
