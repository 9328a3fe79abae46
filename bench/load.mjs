import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { Worker, isMainThread, parentPort } from 'node:worker_threads';

/**
 * Requests per second beside a bare koa, in turns within one run, so that what else the machine does meets both alike; and what
 * open event streams cost.
 */
export async function load(server) {
  await server.start();
  await server.call('POST', '/workflows', WORKFLOW);
  const { id } = await server.call('POST', '/executions', { workflow_name: 'one_step' });
  const bare = await startBareKoa();
  const ports = { koa: bare.port, ours: Number(new URL(server.url).port) };
  const body = JSON.stringify({ workflow_name: 'one_step' });
  const rates = { koa: [], read: [], koaPost: [], start: [] };
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      rates.koa.push(await perSecond(ports.koa, 'GET', '/v2/executions/x'));
      rates.read.push(await perSecond(ports.ours, 'GET', `/v2/executions/${id}`));
      rates.koaPost.push(await perSecond(ports.koa, 'POST', '/v2/executions', body));
      rates.start.push(await perSecond(ports.ours, 'POST', '/v2/executions', body));
    }
  } finally {
    await bare.stop();
  }
  // Of the first round nothing is compiled yet.
  const ratio = (ours, theirs) => median(ours.map((rate, n) => rate / theirs[n]).slice(1));
  return [
    { what: 'bare koa, GET', value: median(rates.koa), unit: '/s' },
    { what: 'GET of one execution', value: median(rates.read), unit: '/s' },
    {
      what: 'GET of one execution, of bare koa',
      value: 100 * ratio(rates.read, rates.koa),
      unit: '%',
      target: '>= 50',
    },
    { what: 'POST of an execution', value: median(rates.start), unit: '/s' },
    {
      what: 'POST of an execution, of bare koa',
      value: 100 * ratio(rates.start, rates.koaPost),
      unit: '%',
      target: '>= 25',
    },
  ];
}

export async function streams(server) {
  await server.start();
  await server.call('POST', '/workflows', WAITS);
  const { id } = await server.call('POST', '/executions', { workflow_name: 'waits' });
  const port = Number(new URL(server.url).port);
  // What the first ones load is loaded once.
  const first = await openStreams(port, id, 20);
  const before = await server.memory();
  const all = await openStreams(port, id, STREAMS);
  // Each is told something, so that its buffers are there.
  const [task] = (await server.call('GET', `/executions/${id}/tasks`)).tasks;
  const [action] = (await server.call('GET', `/tasks/${task.id}/action_executions`)).action_executions;
  await server.call('PUT', `/action_executions/${action.id}`, { state: 'PAUSED' });
  await Promise.all(all.map((stream) => stream.told));
  const after = await server.memory();
  for (const { socket } of [...first, ...all]) socket.destroy();
  return [{ what: `${STREAMS} open event streams`, value: after - before, unit: 'MB', target: '<= 100' }];
}

const ROUNDS = Number(process.env.ROUNDS ?? 7);
const REQUESTS = Number(process.env.REQUESTS ?? 1500);
const CONNECTIONS = 16;
const STREAMS = 1000;

const WORKFLOW = "version: '2.0'\none_step:\n  tasks:\n    t:\n      action: std.noop\n";
const WAITS = "version: '2.0'\nwaits:\n  tasks:\n    t:\n      action: std.async_noop\n";

/** As little as koa can do: the body is read, and a small JSON comes back. */
async function startBareKoa() {
  const worker = new Worker(new URL(import.meta.url));
  const port = await new Promise((resolve) => worker.once('message', resolve));
  return { port, stop: () => worker.terminate() };
}

if (!isMainThread && parentPort !== null) {
  const Koa = createRequire(new URL('../package.json', import.meta.url))('koa');
  const app = new (Koa.default ?? Koa)();
  app.use(async (ctx) => {
    const chunks = [];
    if (ctx.method === 'POST') for await (const chunk of ctx.req) chunks.push(chunk);
    ctx.status = ctx.method === 'POST' ? 201 : 200;
    ctx.body = { id: 'x', state: 'RUNNING' };
  });
  const server = createServer(app.callback());
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows of a browser
  server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));
}

/** Over sockets that stay open, with as little work on this side as there can be: it must not be what is measured. */
async function perSecond(port, method, path, body = '') {
  const head = `${method} ${path} HTTP/1.1\r\nHost: x\r\n${body === '' ? '' : `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n`}\r\n`;
  const request = Buffer.from(head + body);
  let left = REQUESTS;
  const startedAt = performance.now();
  await Promise.all(
    Array.from({ length: CONNECTIONS }, () => {
      return new Promise((resolve, reject) => {
        const socket = connect(port, '127.0.0.1');
        socket.setNoDelay(true);
        let text = '';
        const next = () => {
          if (left <= 0) {
            socket.end();
            resolve();
            return;
          }
          left -= 1;
          text = '';
          socket.write(request);
        };
        socket.on('connect', next);
        socket.on('error', reject);
        socket.on('data', (chunk) => {
          text += chunk.toString('latin1');
          const end = text.indexOf('\r\n\r\n');
          if (end < 0) return;
          const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? Number.NaN);
          if (text.length < end + 4 + length) return;
          if (!/^HTTP\/1\.1 20[01] /.test(text)) reject(new Error(text.slice(0, 300)));
          else next();
        });
      });
    }),
  );
  return REQUESTS / ((performance.now() - startedAt) / 1000);
}

async function openStreams(port, id, count) {
  const opened = [];
  for (let n = 0; n < count; n += 1) {
    const socket = connect(port, '127.0.0.1');
    let tell;
    const told = new Promise((resolve) => {
      tell = resolve;
    });
    let text = '';
    await new Promise((resolve, reject) => {
      socket.on('error', reject);
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
        if (text.includes('std.async_noop')) resolve();
        if (text.includes('PAUSED')) tell();
      });
      socket.write(`GET /v2/executions/${id}/stream HTTP/1.1\r\nHost: x\r\n\r\n`);
    });
    opened.push({ socket, told });
  }
  return opened;
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
