import type { Action } from '../action.ts';
import { NO_CONNECTIONS } from '../connections/connection.ts';
import type { HttpClient } from '../http-client.ts';
import type { SparkOptions } from './plan.ts';
import { createProcessBackend } from './process-backend.ts';
import { sparkSubmit } from './submit.ts';
import { sessionActions } from './session/session-actions.ts';
import { plainActions } from './systems/plain-actions.ts';
import { runActions } from './systems/run-actions.ts';
import { ServerMemory } from './systems/server-memory.ts';
import type { SparkServers } from './systems/servers.ts';
import { submitWays, withLeasedMaster } from './via.ts';

export type { SparkOptions } from './plan.ts';

/** Spark jobs (spec/spark.md §8). */
export function sparkPack(
  options: SparkOptions,
  http: { readonly forUsers: HttpClient; readonly forConnections: HttpClient },
): readonly Action[] {
  const servers: SparkServers = {
    connections: options.connections ?? NO_CONNECTIONS,
    ...http,
    memory: new ServerMemory(),
  };
  const process = withLeasedMaster(createProcessBackend(options));
  return [
    sparkSubmit(process, submitWays(servers, process)),
    ...runActions(servers),
    ...sessionActions(servers, options),
    ...plainActions(servers),
  ];
}
