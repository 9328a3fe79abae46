import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openStoreAt } from './engine/rows.mjs';
import { chainOf, inFlight } from './load-shapes.mjs';
import { BenchServer } from './server.mjs';

const TABLES = ['executions', 'task_executions', 'action_executions', 'execution_events', 'payloads', 'specs'];

/**
 * A million steps in one server process that keeps everything: memory by tenths of the run, and how many bytes a kept row takes.
 * Executions are ten-step chains, every tenth step one that an executor runs.
 */
export async function soak({ folder, quick, progress }) {
  const server = new BenchServer(folder);
  const steps = quick ? 50_000 : 1_000_000;
  try {
    await server.start();
    await server.call(
      'POST',
      '/workflows',
      `version: '2.0'\n${chainOf('ten_steps', 9)}      on-success: last\n    last:\n      action: std.sleep seconds=0\n`,
    );
    const [memory, rates] = [[], []];
    for (let tenth = 1; tenth <= 10; tenth += 1) {
      const startedAt = performance.now();
      await inFlight(50, steps / 100, () => server.execute('ten_steps'));
      rates.push(steps / 10 / ((performance.now() - startedAt) / 1000));
      memory.push(await server.memory());
      progress(`${(steps / 10) * tenth} steps, ${memory.at(-1).toFixed(0)} MB, ${rates.at(-1).toFixed(0)} steps/s`);
    }
    await server.stop();
    const database = join(folder, 'bench.sqlite');
    const bytes = (await stat(database)).size;
    const kept = await openStoreAt(database, async (count) => {
      let rows = 0;
      for (const table of TABLES) rows += await count(table);
      return rows;
    });
    return [
      { what: `steps through REST, ${steps} of them, by tenths`, samples: rates, unit: '/s' },
      { what: 'memory, by tenths', samples: memory, unit: 'MB' },
      {
        what: 'memory at the end by that after the first tenth',
        value: memory[9] / memory[0],
        unit: 'x',
        target: '<= 1.1',
      },
      { what: 'size of the database', value: bytes / 2 ** 20, unit: 'MB' },
      { what: 'rows kept', value: kept, unit: '' },
      { what: 'bytes of the database per row kept', value: bytes / kept, unit: '' },
    ];
  } finally {
    await server.stop();
  }
}
