import { createServer } from 'node:net';
import { ProviderError } from '../provider.ts';

/**
 * The first port of a block of free ones: the preferred block if it is free, else the first one from `start` on. Ports from 32768 on are
 * handed out to outgoing connections, and are not ours.
 *
 * @param taken ports of other clusters, whose processes may be about to start.
 */
export async function findPorts(
  host: string,
  start: number,
  count: number,
  taken: ReadonlySet<number>,
  preferred: number | null,
): Promise<number> {
  const candidates = preferred === null ? [] : [preferred];
  for (let base = start; base + count <= END; base += count) candidates.push(base);
  for (const base of candidates) {
    const ports = Array.from({ length: count }, (_, i) => base + i);
    if (ports.some((port) => taken.has(port))) continue;
    if (await allFree(host, ports)) return base;
  }
  throw new ProviderError(`there are no ${count} free ports in a row from ${start} to ${END}`);
}

const END = 32_768;

async function allFree(host: string, ports: readonly number[]): Promise<boolean> {
  for (const port of ports) if (!(await isFree(host, port))) return false;
  return true;
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
