import type { TlsOptions } from '../http-client.ts';

/** Kinds of servers that connections lead to. */
export const CONNECTION_TYPES = [
  'flink',
  'flink-sql-gateway',
  'spark-standalone',
  'livy',
  'lighter',
  'mist',
  'cluster',
] as const;
export type ConnectionType = (typeof CONNECTION_TYPES)[number];

/**
 * A server that the operator has set up under a name, so that workflows hold neither addresses nor secrets. Requests to it are not bound by the
 * rules for addresses that users give.
 */
export interface Connection {
  readonly name: string;
  readonly type: ConnectionType;
  /** At least one; the others are asked when the one before cannot be reached. None ends in a slash. */
  readonly urls: readonly string[];
  /** Sent with each request, authentication included: never to be shown. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tls?: TlsOptions;
  /** For one request. */
  readonly timeoutMs: number;
  readonly limits: ConnectionLimits;
  /** Flink: the SQL gateway of the cluster. */
  readonly gatewayUrl: string | null;
  /** Flink, Spark: a history server, for jobs that the cluster has forgotten. */
  readonly historyUrl: string | null;
  /** Spark: web page of the standalone master. */
  readonly masterUi: string | null;
}

/** null: no bound. */
export interface ConnectionLimits {
  /** Requests under way at once, from this process. */
  readonly requests: number | null;
  /** Jobs that run at once through this connection, from this process; further ones wait. */
  readonly jobs: number | null;
}

export interface Connections {
  find(name: string): Connection | undefined;
  /** Sorted. */
  list(): readonly Connection[];
}

export function connectionsOf(connections: readonly Connection[]): Connections {
  const byName = new Map(connections.map((one) => [one.name, one]));
  const sorted = [...connections].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { find: (name) => byName.get(name), list: () => sorted };
}

export const NO_CONNECTIONS = connectionsOf([]);

/** The connection of that name and one of the types, or a sentence that says what would be right. */
export function connectionFor(
  connections: Connections,
  name: string,
  types: readonly ConnectionType[],
): Connection | string {
  const found = connections.find(name);
  const known = connections.list().filter((one) => types.includes(one.type));
  const names = known.length === 0 ? 'there is none of the type' : `known: ${known.map((one) => one.name).join(', ')}`;
  if (found === undefined)
    return `There is no connection '${name}' in the server's configuration; ${names}${known.length === 0 ? ` ${types.join(' or ')}` : ''}.`;
  if (!types.includes(found.type)) return `Connection '${name}' leads to ${found.type}, not to ${types.join(' or ')}.`;
  return found;
}

/** For people: everything but secrets. */
export function describeConnection(connection: Connection): string {
  const { name, type, urls, headers, tls, limits } = connection;
  const parts = [
    `${name}: ${type} at ${urls.join(', ')}`,
    ...Object.keys(headers).map((header) => `${header}: ***`),
    ...(tls === undefined
      ? []
      : [tls.verify === false ? 'any certificate' : tls.cert === undefined ? 'own authority' : 'client certificate']),
    ...(limits.requests === null ? [] : [`${limits.requests} requests at once`]),
    ...(limits.jobs === null ? [] : [`${limits.jobs} jobs at once`]),
  ];
  return parts.join('; ');
}
