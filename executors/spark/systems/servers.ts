import type { JsonObject } from '../../../dsl/json.ts';
import type { ActionResult } from '../../../engine/contract.ts';
import { connectionFor, type Connections, type ConnectionType } from '../../connections/connection.ts';
import type { HttpClient } from '../../http-client.ts';
import { refused } from '../outcome.ts';
import type { ServerMemory } from './server-memory.ts';
import { SparkClient, type SparkServer } from './client.ts';
import { SYSTEMS, type SystemTable } from './endpoints.ts';

/** A server with what its connection says beside the address (spec/spark.md §8.1). */
export interface SparkTarget extends SparkServer {
  /** Address of a standalone master's web page. */
  readonly masterUi: string | null;
  readonly historyUrl: string | null;
  /** Jobs at once; null: no bound. */
  readonly jobs: number | null;
}

/** How actions find their server. Addresses of users obey the egress policy, configured ones do not. */
export interface SparkServers {
  readonly connections: Connections;
  readonly forUsers: HttpClient;
  readonly forConnections: HttpClient;
  readonly memory: ServerMemory;
}

/** The inputs with which every action of these systems says where to. */
export const SERVER_INPUTS: Readonly<Record<string, JsonObject>> = {
  connection: { type: ['string', 'null'], description: "Name of a connection in the server's configuration." },
  url: {
    type: ['string', 'null'],
    description: 'Address of the server, where no connection is named. It must pass the rules for outgoing requests.',
  },
};

const TIMEOUT_MS = 60_000;

const CONNECTION_TYPE: Readonly<Record<SystemTable['system'], ConnectionType>> = {
  mist: 'mist',
  lighter: 'lighter',
  livy: 'livy',
  standalone: 'spark-standalone',
  master: 'spark-standalone',
};

/** Where an input leads: the server, or the refusal. The text names what would be right. */
export function serverOf(
  input: JsonObject,
  system: SystemTable['system'],
  servers: SparkServers,
): { readonly server: SparkTarget } | { readonly problem: ActionResult } {
  const { connection: name = null, url = null } = input;
  const bad = (message: string) => ({ problem: refused('SPARK_BAD_INPUT', message, system) });
  if (name !== null && url !== null) return bad('Give connection or url, not both.');
  if (typeof name === 'string') return configured(name, system, servers);
  if (typeof url !== 'string' || url === '')
    return bad('Say where to: connection with the name of a configured server, or url.');
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) return bad(`url '${url}' is no http or https address.`);
  return {
    server: {
      urls: [url],
      headers: {},
      timeoutMs: TIMEOUT_MS,
      http: servers.forUsers,
      memory: servers.memory,
      masterUi: null,
      historyUrl: null,
      jobs: null,
    },
  };
}

function configured(
  name: string,
  system: SystemTable['system'],
  servers: SparkServers,
): { readonly server: SparkTarget } | { readonly problem: ActionResult } {
  const found = connectionFor(servers.connections, name, [CONNECTION_TYPE[system]]);
  if (typeof found === 'string') return { problem: refused('SPARK_BAD_INPUT', found, system) };
  const { headers, tls, timeoutMs, limits, masterUi, historyUrl } = found;
  if (system === 'master' && masterUi === null)
    return {
      problem: refused(
        'SPARK_BAD_INPUT',
        `Connection '${name}' has no master_ui: the address of the master's web page.`,
        system,
      ),
    };
  return {
    server: {
      urls: system === 'master' && masterUi !== null ? [masterUi] : found.urls,
      headers,
      ...(tls !== undefined && { tls }),
      timeoutMs,
      http: servers.forConnections,
      memory: servers.memory,
      masterUi,
      historyUrl,
      jobs: limits.jobs,
    },
  };
}

export function clientOf(system: SystemTable['system'], server: SparkServer): SparkClient {
  return new SparkClient(SYSTEMS[system], server);
}
