import { isJsonObject, type JsonObject } from '../../../dsl/json.ts';
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
  /** Name of the connection; null for an address given by the user. */
  readonly connection: string | null;
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
  cluster: {
    type: ['string', 'object', 'null'],
    description:
      'What cluster.apply gave, with the addresses of its servers, or the name of a connection; instead of connection and url.',
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

type Found = { readonly server: SparkTarget } | { readonly problem: ActionResult };

/** Where an input leads: the server, or the refusal. The text names what would be right. */
export function serverOf(input: JsonObject, system: SystemTable['system'], servers: SparkServers): Found {
  const { connection = null, url = null, cluster = null } = input;
  if ([connection, url, cluster].filter((one) => one !== null).length > 1)
    return bad('Give only one of connection, url and cluster.', system);
  if (isJsonObject(cluster)) return leased(cluster, system, servers);
  const name = connection ?? cluster;
  if (typeof name === 'string') return configured(name, system, servers);
  if (typeof url !== 'string' || url === '')
    return bad('Say where to: connection with the name of a configured server, url, or a leased cluster.', system);
  return addressed('url', url, system, servers);
}

/** The addresses of the system and of what stands beside it, of a leased cluster or of `endpoints` as a record keeps them. */
export function endpointsOf(cluster: JsonObject[string] | undefined): Readonly<Record<string, string>> {
  const from = isJsonObject(cluster) ? (cluster.endpoints ?? cluster.service_url ?? null) : null;
  if (!isJsonObject(from)) return {};
  return Object.fromEntries(
    Object.entries(from).filter((entry): entry is [string, string] => typeof entry[1] === 'string' && entry[1] !== ''),
  );
}

/** Under which name a cluster tells the address of each system (spec/cluster.md §3.2). */
const ENDPOINT: Readonly<Record<SystemTable['system'], string>> = {
  mist: 'mist',
  lighter: 'lighter',
  livy: 'livy',
  standalone: 'rest',
  master: 'ui',
};

/** The object comes from the workflow, so its addresses obey the rules for outgoing requests as any other. */
function leased(cluster: JsonObject, system: SystemTable['system'], servers: SparkServers): Found {
  const endpoints = endpointsOf(cluster);
  const key = ENDPOINT[system];
  const url = endpoints[key];
  if (url === undefined) {
    const known = Object.keys(endpoints);
    return bad(
      `The cluster has no endpoints.${key}: it offers ${known.length === 0 ? 'nothing' : known.join(', ')}.`,
      system,
    );
  }
  const found = addressed(`cluster.endpoints.${key}`, url, system, servers);
  if ('problem' in found || system !== 'standalone') return found;
  const { ui = null, history = null } = endpoints;
  return { server: { ...found.server, masterUi: ui, historyUrl: history } };
}

function addressed(what: string, url: string, system: SystemTable['system'], servers: SparkServers): Found {
  if (!/^https?:\/\//.test(url) || !URL.canParse(url))
    return bad(`${what} '${url}' is no http or https address.`, system);
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
      connection: null,
    },
  };
}

function bad(message: string, system: SystemTable['system']): Found {
  return { problem: refused('SPARK_BAD_INPUT', message, system) };
}

function configured(name: string, system: SystemTable['system'], servers: SparkServers): Found {
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
      connection: name,
    },
  };
}

export function clientOf(system: SystemTable['system'], server: SparkServer): SparkClient {
  return new SparkClient(SYSTEMS[system], server);
}
