import { isJsonObject, type Json, type JsonObject } from '../../dsl/json.ts';
import { connectionFor, NO_CONNECTIONS } from '../connections/connection.ts';
import { builtinService } from './builtin-service.ts';
import { CelloClient } from './cello-client.ts';
import { remoteService } from './remote-service.ts';
import type { ClusterContext, ClusterService, ServiceName } from './service.ts';

/** The inputs with which every action says whose clusters are meant. */
export const SERVICE_INPUTS: Readonly<Record<string, JsonObject>> = {
  pool: {
    type: ['string', 'null'],
    default: 'builtin',
    description:
      "Name of a connection of the type cluster in the server's configuration; builtin: the pools of this server.",
  },
  url: {
    type: ['string', 'null'],
    description:
      'Address of a Cello-compatible service, instead of pool. It must pass the rules for outgoing requests.',
  },
};

/** Whom an input means, or a sentence that says what would be right. */
export function serviceNameOf(input: JsonObject, context: ClusterContext): ServiceName | string {
  const { pool = null, url = null } = input;
  if (typeof url === 'string' && url !== '') {
    if (pool !== null && pool !== 'builtin') return 'Give pool or url, not both.';
    if (!/^https?:\/\/[^/]/.test(url) || !URL.canParse(url)) return `url '${url}' is no http or https address.`;
    return { kind: 'url', url: url.replace(/\/+$/, '') };
  }
  if (pool === null || pool === '' || pool === 'builtin')
    return context.pools === null
      ? 'This server has no pools of its own; give pool, the name of a connection of the type cluster, or url.'
      : { kind: 'builtin' };
  if (typeof pool !== 'string') return 'pool must be the name of a connection.';
  const found = connectionFor(context.connections ?? NO_CONNECTIONS, pool, ['cluster']);
  return typeof found === 'string' ? found : { kind: 'connection', name: pool };
}

/** @throws Error when a record's connection is not configured any more. */
export function serviceOf(name: ServiceName, context: ClusterContext): ClusterService {
  const { pools, http } = context;
  switch (name.kind) {
    case 'builtin':
      if (pools === null) throw new Error('This server has no pools of its own any more.');
      return builtinService(pools);
    case 'connection': {
      const found = connectionFor(context.connections ?? NO_CONNECTIONS, name.name, ['cluster']);
      if (typeof found === 'string') throw new Error(found);
      const { urls, headers, tls, timeoutMs } = found;
      const server = { urls, headers, timeoutMs, http: http.forConnections, ...(tls !== undefined && { tls }) };
      return remoteService(new CelloClient(server), name, pools);
    }
    case 'url': {
      const server = { urls: [name.url], headers: {}, timeoutMs: TIMEOUT_MS, http: http.forUsers };
      return remoteService(new CelloClient(server), name, pools);
    }
  }
}

/** What a lease's record calls the service: the name of a connection, or an address. */
export function serviceByConnection(connection: string, context: ClusterContext): ClusterService {
  const isUrl = /^https?:\/\//.test(connection);
  return serviceOf(isUrl ? { kind: 'url', url: connection } : { kind: 'connection', name: connection }, context);
}

/** As it stands in records and in results. */
export function serviceText(name: ServiceName): string {
  return name.kind === 'builtin' ? 'builtin' : name.kind === 'url' ? name.url : name.name;
}

export function serviceFromText(text: Json | undefined): ServiceName {
  if (typeof text !== 'string' || text === '' || text === 'builtin') return { kind: 'builtin' };
  return /^https?:\/\//.test(text) ? { kind: 'url', url: text } : { kind: 'connection', name: text };
}

/** The service that has lent this cluster, or null when the object does not say. */
export function lenderOf(cluster: JsonObject): ServiceName | null {
  return isJsonObject(cluster.lease) && typeof cluster.service === 'string' ? serviceFromText(cluster.service) : null;
}

const TIMEOUT_MS = 60_000;
