import { load } from './load.mjs';
import { million } from './million.mjs';
import { streams } from './streams.mjs';

/** Each measure gets a fresh server, not yet started, and returns figures `{what, value, unit, target?}`. */
export const measures = { start, one, chain, reads, load, streams, million };

async function start(server) {
  await server.start();
  await server.stop();
  const again = await server.start();
  const memory = await server.memory();
  const figures = [{ what: 'start on an existing database', value: again, unit: 'ms', target: '<= 500' }];
  if (memory !== null) figures.push({ what: 'memory at rest', value: memory, unit: 'MB', target: '<= 120' });
  return figures;
}

async function one(server) {
  await server.start();
  await server.call('POST', '/workflows', chainOf('one_step', 1));
  const times = [];
  for (let i = 0; i < 300; i += 1) times.push(await server.execute('one_step'));
  const warm = times.slice(50).sort((a, b) => a - b);
  return [
    { what: 'one-step workflow alone, p50, seen by polling', value: quantile(warm, 0.5), unit: 'ms' },
    { what: 'one-step workflow alone, p99, seen by polling', value: quantile(warm, 0.99), unit: 'ms' },
  ];
}

async function chain(server) {
  await server.start();
  await server.call('POST', '/workflows', chainOf('ten_steps', 10));
  await inFlight(50, 100, () => server.execute('ten_steps'));
  const runs = 500;
  const startedAt = performance.now();
  await inFlight(50, runs, () => server.execute('ten_steps'));
  const seconds = (performance.now() - startedAt) / 1000;
  const figures = [
    {
      what: 'steps/s through REST, ten-step chains, 50 in flight',
      value: (runs * 10) / seconds,
      unit: '/s',
      target: '>= 4600',
    },
  ];
  const memory = await server.memory();
  if (memory !== null) figures.push({ what: 'memory afterwards', value: memory, unit: 'MB' });
  return figures;
}

async function reads(server) {
  await server.start();
  await server.call('POST', '/workflows', chainOf('one_step', 1));
  await inFlight(20, 200, () => server.execute('one_step'));
  const [first] = (await server.call('GET', '/executions?limit=1')).executions;
  return [
    {
      what: 'GET of one execution, 10 at once',
      value: await perSecond(2000, () => server.call('GET', `/executions/${first.id}`)),
      unit: '/s',
    },
    {
      what: 'GET of 100 executions, 4 at once',
      value: await perSecond(200, () => server.call('GET', '/executions?limit=100'), 4),
      unit: '/s',
    },
  ];
}

/** A workflow of `steps` tasks, one after the other. */
function chainOf(name, steps) {
  const tasks = Array.from({ length: steps }, (_, i) => {
    const next = i + 1 < steps ? `\n      on-success: step${i + 1}` : '';
    return `    step${i}:\n      action: std.noop${next}`;
  });
  return `version: '2.0'\n${name}:\n  type: direct\n  tasks:\n${tasks.join('\n')}\n`;
}

async function perSecond(times, call, width = 10) {
  const startedAt = performance.now();
  await inFlight(width, times, call);
  return times / ((performance.now() - startedAt) / 1000);
}

/** Runs `call` so many times, `width` of them at once. */
async function inFlight(width, times, call) {
  let left = times;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      await call();
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
}

function quantile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
