import { chainOf, inFlight, quantile } from './load-shapes.mjs';

/** Each gets a fresh server, not yet started, and answers figures (report.mjs). */

/** `serve` on a database that is there, several times. */
export async function start(server, _folder, { quick }) {
  await server.start();
  await server.stop();
  const [times, memory] = [[], []];
  for (let i = 0; i < (quick ? 3 : 7); i += 1) {
    times.push(await server.start());
    const resident = await server.memory();
    if (resident !== null) memory.push(resident);
    await server.stop();
  }
  return [
    { what: 'from starting serve to its first answer', samples: times, unit: 'ms', target: '<= 500' },
    { what: 'memory at rest', samples: memory, unit: 'MB', target: '<= 120' },
  ];
}

/** The clock starts when the POST is sent, and stops when the stream tells of SUCCESS. */
export async function one(server, _folder, { quick }) {
  await server.start();
  await server.call('POST', '/workflows', `version: '2.0'\n${chainOf('one_step', 1)}`);
  const times = [];
  const [runs, warm] = quick ? [200, 100] : [1_000, 300];
  const events = await server.events();
  try {
    for (let i = 0; i < runs; i += 1) {
      const startedAt = performance.now();
      const { id } = await server.call('POST', '/executions', { workflow_name: 'one_step' });
      await events.success(id);
      times.push(performance.now() - startedAt);
    }
  } finally {
    events.close();
  }
  const kind = server.isPostgres ? 'PostgreSQL' : 'SQLite';
  const measured = times.slice(warm);
  return [
    { what: `${kind}: p50`, value: quantile(measured, 0.5), unit: 'ms', target: server.isPostgres ? '<= 4' : '<= 3' },
    { what: `${kind}: p99`, value: quantile(measured, 0.99), unit: 'ms' },
    { what: `${kind}: least`, value: Math.min(...measured), unit: 'ms' },
  ];
}

export async function chain(server, _folder, { quick }) {
  await server.start();
  await server.call('POST', '/workflows', `version: '2.0'\n${chainOf('ten_steps', 10)}`);
  await inFlight(50, 200, () => server.execute('ten_steps'));
  const runs = quick ? 300 : 1_000;
  const rates = [];
  const cpu = [];
  for (let round = 0; round < (quick ? 2 : 5); round += 1) {
    const before = await server.cpu();
    const startedAt = performance.now();
    await inFlight(50, runs, () => server.execute('ten_steps'));
    rates.push((runs * 10) / ((performance.now() - startedAt) / 1000));
    cpu.push((((await server.cpu()) - before) * 1000) / (runs * 10));
  }
  const memory = await server.memory();
  return [
    { what: 'steps through REST, ten-step workflows, 50 in flight', samples: rates, unit: '/s', target: '>= 4600' },
    { what: 'processor time of the server per step', samples: cpu, unit: 'us' },
    ...(memory === null ? [] : [{ what: 'memory afterwards', value: memory, unit: 'MB' }]),
  ];
}

/** Each time another text, so that nothing that was parsed before helps. */
export async function upload(server, _folder, { quick }) {
  await server.start();
  const [times, cpu] = [[], []];
  for (let i = 0; i < (quick ? 6 : 12); i += 1) {
    const text = manyTasks(`many_${i}`, 1_000);
    const before = await server.cpu();
    const startedAt = performance.now();
    await server.call('POST', '/workflows', text);
    times.push(performance.now() - startedAt);
    cpu.push((await server.cpu()) - before);
  }
  return [
    { what: 'first upload', value: times[0], unit: 'ms' },
    { what: 'later uploads', samples: times.slice(3), unit: 'ms', target: '<= 100' },
    { what: 'processor time of later uploads', samples: cpu.slice(3), unit: 'ms' },
  ];
}

function manyTasks(name, count) {
  const tasks = Array.from(
    { length: count },
    (_, i) =>
      `    task${i}:\n      action: std.echo output=<% $.v${i} + ${i} %>\n${i + 1 < count ? `      on-success: task${i + 1}\n` : ''}`,
  );
  const input = Array.from({ length: count }, (_, i) => `    - v${i}: ${i}\n`);
  return `version: '2.0'\n${name}:\n  input:\n${input.join('')}  tasks:\n${tasks.join('')}`;
}
