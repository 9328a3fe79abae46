import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type Koa from 'koa';
import type { ApiState } from './request.ts';

type AppContext = Koa.ParameterizedContext<ApiState>;

/**
 * Keeps a connection that ends with its answer open until the client has sent the rest of its request. Who is refused in the middle
 * of an upload would otherwise get a reset connection: what a socket still receives when it is closed makes its system throw away
 * what it had sent. The answer itself goes out at once. Put it outside of what answers errors.
 */
export async function linger(ctx: AppContext, next: Koa.Next): Promise<void> {
  await next();
  const { req, res, body } = ctx;
  if (req.complete || !endsConnection(res) || ctx.respond === false || res.headersSent) return;
  if (typeof body !== 'string' && !isPlainObject(body)) return;
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  ctx.length = bytes.length;
  ctx.respond = false;
  res.write(bytes);
  await restOf(req);
  res.end();
}

function endsConnection(response: ServerResponse): boolean {
  return !response.shouldKeepAlive || String(response.getHeader('connection') ?? '').toLowerCase() === 'close';
}

function isPlainObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** Until the request is over, for a while and so much of it: whoever goes on and on is not worth waiting for. */
async function restOf(request: IncomingMessage): Promise<void> {
  const enough = new AbortController();
  const late = setTimeout(() => enough.abort(), MOST_MILLISECONDS);
  let left = MOST_BYTES;
  const count = (chunk: Buffer): void => {
    left -= chunk.length;
    if (left < 0) enough.abort();
  };
  request.on('data', count).resume();
  try {
    await once(request, 'close', { signal: enough.signal });
  } catch {
    // Late, too much, or broken off: the connection ends anyway.
  } finally {
    clearTimeout(late);
    request.off('data', count);
  }
}

const MOST_MILLISECONDS = 5_000;
const MOST_BYTES = 64 * 1024 * 1024;
