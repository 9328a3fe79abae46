import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { chainOf, inFlight } from './load-shapes.mjs';
import { BenchServer } from './server.mjs';

/** So many processes of `serve` on one database and one Redis; requests go to them in turn. */
export async function openCluster(folder, { count, database, redis }) {
  const servers = Array.from(
    { length: count },
    (_, i) => new BenchServer(join(folder, `node-${i}`), database, ['--redis', redis]),
  );
  for (const server of servers) await server.start();
  await servers[0].call('POST', '/workflows', `version: '2.0'\n${chainOf('ten_steps', 10, 'std.sleep seconds=0')}`);
  let next = 0;
  return {
    async stepsPerSecond({ width, runs, samples }) {
      const rates = [];
      for (let round = 0; round <= samples; round += 1) {
        const startedAt = performance.now();
        await inFlight(width, runs, () => run(servers[(next += 1) % count]));
        if (round > 0) rates.push((runs * 10) / ((performance.now() - startedAt) / 1000));
      }
      return rates;
    },
    stop: () => Promise.all(servers.map((server) => server.stop())),
  };
}

async function run(server) {
  const { id } = await server.call('POST', '/executions', { workflow_name: 'ten_steps' });
  for (;;) {
    await sleep(50);
    const { state } = await server.call('GET', `/executions/${id}`);
    if (state === 'SUCCESS') return;
    if (state !== 'RUNNING') throw new Error(`${id} ended in ${state}`);
  }
}
