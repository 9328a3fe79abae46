import { connect } from 'node:net';
import type { Socket } from 'node:net';
import type { HostileRequest } from './generator.ts';

/** What came back, as far as the client waited for it. */
export interface Answer {
  /** Null where the server closed the connection, or the client did, without a word. */
  readonly status: number | null;
  /** Of a whole answer; null of one that was not read to its end. */
  readonly body: string | null;
  readonly mediaType: string;
}

// The machine may be busy; a server that has stopped answers never.
const PATIENCE_MILLISECONDS = 120_000;
const PIECE_MILLISECONDS = 5;
const UNTRUE_MILLISECONDS = 100;

/** Sends a request in its way over a connection of its own. Rejects when nothing comes at all. */
export function deliver(port: number, request: HostileRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: request.delivery === 'half-closed' });
    const received: Buffer[] = [];
    let isStream = false;
    const late = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no answer within ${PATIENCE_MILLISECONDS / 1000} s`));
    }, PATIENCE_MILLISECONDS);
    const done = (): void => {
      clearTimeout(late);
      socket.destroy();
      resolve(parseAnswer(Buffer.concat(received), request.method, isStream));
    };
    socket.on('data', (chunk) => {
      received.push(chunk);
      // A stream would go on for an hour.
      if (!isStream && received.length < 5 && STREAM.test(String(chunk))) {
        isStream = true;
        done();
      }
    });
    socket.on('end', done);
    socket.on('close', done);
    // The server may close while the client still sends: what it said first counts.
    socket.on('error', () => {});
    socket.on('connect', () => {
      void send(socket, request).then(async (waits) => {
        if (waits && request.framing === null) return;
        // More may be announced than comes: the server would wait for it as long as it waits for any request.
        if (waits) await pause(UNTRUE_MILLISECONDS);
        done();
      });
    });
  });
}

const STREAM = /^content-type: text\/event-stream/im;

/** @returns whether an answer is waited for. */
async function send(socket: Socket, request: HostileRequest): Promise<boolean> {
  const head = headOf(request);
  const body = request.body ?? Buffer.alloc(0);
  switch (request.delivery) {
    case 'whole':
      socket.write(Buffer.concat([head, body]));
      return true;
    case 'half-closed':
      socket.end(Buffer.concat([head, body]));
      return true;
    case 'pipelined':
      socket.write(Buffer.concat([alive(head), body, alive(head), body, head, body]));
      return true;
    case 'slow':
      for (const piece of pieces(Buffer.concat([head, body]), 4)) {
        socket.write(piece);
        await pause();
      }
      return true;
    case 'cut-head':
      socket.write(head.subarray(0, head.length / 2));
      await pause();
      return false;
    case 'cut-body':
      socket.write(Buffer.concat([head, body.subarray(0, body.length / 2)]));
      await pause();
      return false;
    case 'cut-answer':
      socket.write(Buffer.concat([head, body]));
      await pause();
      return false;
  }
}

function pause(milliseconds = PIECE_MILLISECONDS): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function headOf({ method, path, headers, body, framing }: HostileRequest): Buffer {
  const lines = [`${method} ${path} HTTP/1.1`];
  if (!headers.some(([name]) => name === 'Host')) lines.push('Host: 127.0.0.1');
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  if (framing !== null) lines.push(framing);
  else if (body !== null) lines.push(`Content-Length: ${body.length}`);
  lines.push('Connection: close');
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`);
}

function alive(head: Buffer): Buffer {
  return Buffer.from(head.toString().replace('Connection: close', 'Connection: keep-alive'));
}

function pieces(bytes: Buffer, count: number): readonly Buffer[] {
  const size = Math.ceil(bytes.length / count);
  return Array.from({ length: count }, (_, n) => bytes.subarray(n * size, (n + 1) * size));
}

/** The first final answer on the connection. */
function parseAnswer(bytes: Buffer, method: string, isStream: boolean): Answer {
  const text = bytes.toString('latin1').replace(/^(?:HTTP\/1\.1 1\d\d [^\r]*\r\n(?:[^\r]+\r\n)*\r\n)+/, '');
  const status = /^HTTP\/1\.1 (\d{3}) /.exec(text);
  if (status === null) {
    if (text !== '') throw new Error(`this is no answer: ${text.slice(0, 200)}`);
    return { status: null, body: null, mediaType: '' };
  }
  const end = text.indexOf('\r\n\r\n');
  const head = end < 0 ? text : text.slice(0, end);
  const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? Number.NaN);
  const mediaType = /^content-type: ([^;\r\n]*)/im.exec(head)?.[1] ?? '';
  const rest = Buffer.from(end < 0 ? '' : text.slice(end + 4), 'latin1');
  const isWhole = !isStream && method !== 'HEAD' && rest.length >= length;
  return { status: Number(status[1]), mediaType, body: isWhole ? rest.subarray(0, length).toString() : null };
}
