import { connect } from 'node:net';

/**
 * Sends so many requests over sockets that stay open, with as little work on this side as there can be: it must not be what is
 * measured. Returns requests per second and the server's milliseconds of processor time per request.
 *
 * @param requests texts of whole requests, sent in turn
 */
export async function drive(server, requests, { times, connections = 50 }) {
  const buffers = requests.map((request) => Buffer.from(request));
  let sent = 0;
  const before = await server.cpu();
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: connections }, () =>
      onConnection(server.port, () => (sent < times ? buffers[sent++ % buffers.length] : null)),
    ),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  return { perSecond: times / seconds, cpu: ((await server.cpu()) - before) / times };
}

export function request(method, path, body = '') {
  const ofBody = body === '' ? '' : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
  return `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${ofBody}\r\n${body}`;
}

/** One request after the other, until there is no next one. A server may close a connection that was silent for a while. */
async function onConnection(port, next) {
  let bytes = next();
  while (bytes !== null) bytes = await untilClosed(port, bytes, next);
}

/** Returns the request that was not answered. */
function untilClosed(port, first, next) {
  let bytes = first;
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    // Of an answer whose end has not come yet.
    let chunks = [];
    let have = 0;
    let need = 0;
    socket.on('connect', () => socket.write(bytes));
    socket.on('error', (error) =>
      error.code === 'ECONNRESET' || error.code === 'EPIPE' ? resolve(bytes) : reject(error),
    );
    socket.on('close', () => resolve(bytes));
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      have += chunk.length;
      if (need === 0) {
        const head = (chunks.length === 1 ? chunk : Buffer.concat(chunks)).toString('latin1');
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return;
        if (!/^HTTP\/1\.1 20[01] /.test(head)) return reject(new Error(head.slice(0, 300)));
        need = end + 4 + Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN);
      }
      if (have < need) return;
      [chunks, have, need] = [[], 0, 0];
      bytes = next();
      if (bytes === null) socket.end();
      else socket.write(bytes);
    });
  });
}
