import { parseAddress, connectTcp } from '../connect.ts';
import { EgressError } from '../egress.ts';
import type { HttpClients } from '../flink/servers.ts';
import { RemoteError } from '../http-client.ts';
import type { ServiceName } from './service.ts';

/** Optional parts of a cluster: it is of use without them. */
const OPTIONAL = new Set(['history', 'ui']);
const PATIENCE_MS = 5000;

/**
 * Whether every endpoint answers: http ones with any answer that is no 5xx, others by accepting a connection. Those of a service that a
 * user named obey the rules for outgoing requests, so only http is tried there.
 */
export async function isReady(
  endpoints: Readonly<Record<string, string>>,
  service: ServiceName,
  http: HttpClients,
  signal: AbortSignal,
): Promise<boolean> {
  for (const [name, address] of Object.entries(endpoints)) {
    if (OPTIONAL.has(name)) continue;
    if (!(await answers(address, service, http, signal))) return false;
  }
  return true;
}

async function answers(
  address: string,
  service: ServiceName,
  http: HttpClients,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    if (/^https?:\/\//.test(address)) {
      const client = service.kind === 'url' ? http.forUsers : http.forConnections;
      const answer = await client.exchange({
        method: 'GET',
        url: address,
        timeoutMs: PATIENCE_MS,
        signal,
        maxBytes: 1024 * 1024,
      });
      return answer.status < 500;
    }
    const place =
      service.kind === 'url' ? null : parseAddress(address.replace(/^\w+:\/\//, '').replace(/\/.*$/, ''), 0);
    if (place === null || place.port === 0) return true;
    (await connectTcp(null, place, { signal, timeoutMs: PATIENCE_MS })).destroy();
    return true;
  } catch (error) {
    signal.throwIfAborted();
    // An answer that is too large, or that we may not ask for, is none of ours to judge.
    return error instanceof EgressError || (error instanceof RemoteError && error.fault === 'too-large');
  }
}
