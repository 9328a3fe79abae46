import { connect, isIP, type Socket } from 'node:net';
import { checkedLookup, type EgressPolicy } from './egress.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/**
 * Opens a TCP connection that obeys the policy, for protocols other than HTTP.
 *
 * @throws EgressError when the policy refuses the address; the signal's reason when it is aborted; otherwise the system's error.
 */
export async function connectTcp(
  policy: EgressPolicy | null,
  { host, port }: Address,
  options: { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<Socket> {
  const { signal, timeoutMs } = options;
  signal.throwIfAborted();
  // An address is never looked up, so it is checked here; names are checked when they are looked up.
  const refusal = policy === null || isIP(host) === 0 ? null : policy.refusal(host, host);
  if (refusal !== null) throw refusal;
  const socket = connect({ host, port, ...(policy === null ? {} : { lookup: checkedLookup(policy) }) });
  // A connection that breaks while nobody listens must not end the process; whoever uses it hears of it, too.
  socket.on('error', () => {});
  return new Promise((resolve, reject) => {
    const settle = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
    };
    const giveUp = (error: unknown) => {
      settle();
      socket.destroy();
      reject(error as Error);
    };
    const onAbort = () => giveUp(signal.reason);
    const timer = setTimeout(
      () => giveUp(new Error(`No connection to ${host}:${port} within ${timeoutMs / 1000} seconds.`)),
      timeoutMs,
    );
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', giveUp);
    socket.once('connect', () => {
      settle();
      socket.off('error', giveUp);
      resolve(socket);
    });
  });
}

/** `host`, `host:port`, `[address]:port`, or an IPv6 address as it is; null when it is none of these. */
export function parseAddress(text: string, defaultPort: number): Address | null {
  const trimmed = text.trim();
  if (isIP(trimmed) === 6) return { host: trimmed, port: defaultPort };
  const match = /^(?:\[([^\]]+)\]|([^:\s[\]]+))(?::(\d{1,5}))?$/.exec(trimmed);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  return host === undefined || port < 1 || port > 65_535 ? null : { host, port };
}
