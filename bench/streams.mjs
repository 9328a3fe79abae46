import { connect } from 'node:net';

/** What open event streams cost. */
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

const STREAMS = 1000;
const WAITS = "version: '2.0'\nwaits:\n  tasks:\n    t:\n      action: std.async_noop\n";
