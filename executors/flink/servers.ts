import { isJsonObject, type Json, type JsonObject } from '../../dsl/json.ts';
import { connectionFor, NO_CONNECTIONS, type Connection, type Connections } from '../connections/connection.ts';
import type { HttpClient } from '../http-client.ts';
import { toText } from '../inputs.ts';
import { FlinkClient } from './client/client.ts';

/** Clients for addresses that users give, and for configured ones. */
export interface HttpClients {
  readonly forUsers: HttpClient;
  readonly forConnections: HttpClient;
}

/** Settings of the operator. */
export interface FlinkOptions {
  /** The input `cluster` names one of them. */
  readonly connections?: Connections;
  /** Folder for jars that are fetched before they are uploaded. */
  readonly jarsFolder: string;
  /** Folders that local jars must lie in; null: any. */
  readonly jarRoots?: readonly string[] | null;
  readonly largestJarBytes?: number;
  /** Path of a copy on this host of an uploaded file (`sha256:…/name`), null for any other text. @throws JobFileError */
  readonly uploadedFile?: (projectId: string, text: string, signal: AbortSignal) => Promise<string | null>;
}

/** Where a call goes, as a job's record keeps it. A connection's address and secrets are read anew each time. */
export interface FlinkTarget {
  readonly url: string;
  /** Name of the connection, or null for an address given by the user. */
  readonly cluster: string | null;
  /** Of the user. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The inputs with which every Flink action says where to. */
export const SERVER_INPUTS: Readonly<Record<string, JsonObject>> = {
  url: { type: ['string', 'null'], description: 'Address of the JobManager, such as http://host:8081.' },
  cluster: {
    type: ['string', 'object', 'null'],
    description:
      "Name of a connection of the type flink in the server's configuration, or a leased cluster ({endpoints: {rest: …}}), instead of url.",
  },
  headers: { type: ['object', 'null'], description: 'Headers for a proxy in front; with url only.' },
};

/** The same for actions of the SQL gateway. */
export const GATEWAY_INPUTS: Readonly<Record<string, JsonObject>> = {
  gateway_url: { type: ['string', 'null'], description: 'Address of the SQL gateway, such as http://host:8083.' },
  cluster: {
    type: ['string', 'object', 'null'],
    description:
      'Name of a connection of the type flink-sql-gateway, or of the type flink with a sql_gateway_url, or a leased cluster with endpoints.sql_gateway, instead of gateway_url.',
  },
  headers: { type: ['object', 'null'], description: 'Headers for a proxy in front; with gateway_url only.' },
};

/** Finds servers and keeps one client for each, so that a cluster's version is asked for once. */
export class FlinkServers {
  private readonly connections: Connections;
  private readonly http: HttpClients;
  private readonly clients = new Map<string, FlinkClient>();

  constructor(options: FlinkOptions, http: HttpClients) {
    this.connections = options.connections ?? NO_CONNECTIONS;
    this.http = http;
  }

  /** Where the input leads, or a sentence that says what would be right. */
  target(input: JsonObject, server: 'jobmanager' | 'sql-gateway' = 'jobmanager'): FlinkTarget | string {
    const key = server === 'jobmanager' ? 'url' : 'gateway_url';
    const example = server === 'jobmanager' ? 'http://host:8081' : 'http://host:8083';
    const [url, cluster] = [input[key] ?? null, input.cluster ?? null];
    if (url !== null && cluster !== null && key === 'url') return 'Give url or cluster, not both.';
    if (isJsonObject(cluster) && url === null) return leased(cluster, server, input.headers, example);
    if (typeof cluster === 'string' && url === null) return this.configured(cluster, server, example);
    if (typeof url !== 'string')
      return server === 'jobmanager'
        ? `Give url, the address of the JobManager, such as ${example}, or cluster, the name of a connection.`
        : `Give gateway_url, the address of the SQL gateway, such as ${example}, or cluster, the name of a connection.`;
    return givenAddress(key, url, input.headers);
  }

  /** Whether the connection of a record is still configured. */
  has(target: FlinkTarget): boolean {
    return target.cluster === null || this.connectionOf(target) !== null;
  }

  /** @throws Error when the connection of a record is no longer configured. */
  client(target: FlinkTarget, retryForMs = 0): FlinkClient {
    const key = JSON.stringify([target.cluster, target.url, target.headers, retryForMs]);
    let client = this.clients.get(key);
    if (client === undefined) {
      // Addresses come from users: they may be many.
      if (this.clients.size >= MOST_CLIENTS) this.clients.clear();
      client = this.create(target, retryForMs);
      this.clients.set(key, client);
    }
    return client;
  }

  /** The history server of an input or of the target's connection. */
  history(url: string | null, target: FlinkTarget): FlinkClient | null {
    const connection = this.connectionOf(target);
    const own = url ?? connection?.historyUrl ?? null;
    if (own === null) return null;
    const isConfigured = connection?.historyUrl === own;
    const { headers, tls } = connection ?? {};
    return new FlinkClient(
      {
        url: own,
        apiPrefix: '',
        ...(isConfigured && headers !== undefined && { headers }),
        ...(isConfigured && tls !== undefined && { tls }),
      },
      isConfigured || (target.cluster !== null && url === null) ? this.http.forConnections : this.http.forUsers,
    );
  }

  /** How many jobs of ours may run there at once; null: no bound. */
  mostJobs(target: FlinkTarget): number | null {
    return this.connectionOf(target)?.limits.jobs ?? null;
  }

  private configured(name: string, server: 'jobmanager' | 'sql-gateway', example: string): FlinkTarget | string {
    const types = server === 'jobmanager' ? (['flink'] as const) : (['flink-sql-gateway', 'flink'] as const);
    const found = connectionFor(this.connections, name, types);
    if (typeof found === 'string') return found;
    const url = server === 'sql-gateway' && found.type === 'flink' ? found.gatewayUrl : found.urls[0];
    if (url === null || url === undefined)
      return `Connection '${name}' has no sql_gateway_url; add it, or give gateway_url: ${example}.`;
    return { url, cluster: name, headers: {} };
  }

  private create(target: FlinkTarget, retryForMs: number): FlinkClient {
    const { url, cluster, headers } = target;
    if (cluster === null) return new FlinkClient({ url, headers, retryForMs }, this.http.forUsers);
    const connection = this.connectionOf(target);
    if (connection === null)
      throw new Error(`There is no connection '${cluster}' in the server's configuration any more.`);
    const { tls, timeoutMs, limits } = connection;
    const isGateway = connection.type === 'flink' && connection.gatewayUrl === url;
    return new FlinkClient(
      {
        url,
        otherUrls: isGateway ? [] : connection.urls.filter((other) => other !== url),
        headers: connection.headers,
        ...(tls !== undefined && { tls }),
        timeoutMs,
        retryForMs,
        ...(limits.requests !== null && { concurrency: limits.requests }),
      },
      this.http.forConnections,
    );
  }

  private connectionOf(target: FlinkTarget): Connection | null {
    return target.cluster === null ? null : (this.connections.find(target.cluster) ?? null);
  }
}

const MOST_CLIENTS = 500;

/** A cluster that a pool has handed out: `{endpoints: {rest: …}}` (spec/cluster.md §2, §4.3). Its address counts as one that a user gives. */
function leased(
  cluster: JsonObject,
  server: 'jobmanager' | 'sql-gateway',
  headers: Json | undefined,
  example: string,
): FlinkTarget | string {
  const endpoints = cluster.endpoints ?? cluster.service_url ?? null;
  const key = server === 'jobmanager' ? 'rest' : 'sql_gateway';
  const url = isJsonObject(endpoints) ? (endpoints[key] ?? null) : null;
  if (typeof url === 'string') return givenAddress(`cluster.endpoints.${key}`, url, headers);
  return server === 'jobmanager'
    ? `cluster as a mapping must be a leased cluster of Flink: {endpoints: {rest: ${example}}}.`
    : `The cluster has no endpoints.sql_gateway; give gateway_url: ${example}.`;
}

function givenAddress(what: string, url: string, headers: Json | undefined): FlinkTarget | string {
  if (!/^https?:\/\/[^/]/.test(url) || !URL.canParse(url)) return `${what} '${url}' is no http or https address.`;
  return { url: url.replace(/\/+$/, '').replace(/\/v1$/, ''), cluster: null, headers: textsOf(headers) };
}

export function textsOf(values: Json | undefined): Record<string, string> {
  return isJsonObject(values)
    ? Object.fromEntries(Object.entries(values).map(([name, value]) => [name, toText(value)]))
    : {};
}
