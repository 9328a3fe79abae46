import { join } from 'node:path';
import { openNode } from './dispatch.mjs';
import { inFlight } from './load-shapes.mjs';

/** What an execution costs that waits: half of them for a timer, half for somebody who reports a result. */
export async function waiting({ folder, quick, progress }) {
  const node = await openNode(folder, { database: `sqlite:${join(folder, 'bench.sqlite')}` });
  try {
    await node.upload('timer:\n  tasks:\n    t: {action: std.noop, wait-before: 3600}\n');
    await node.upload('somebody:\n  tasks:\n    t: {action: std.async_noop}\n');
    const count = quick ? 2_000 : 10_000;
    await inFlight(50, 400, () => node.start('timer'));
    await inFlight(50, 400, () => node.start('somebody'));
    await node.engine.idle();
    const before = used();
    for (const workflow of ['timer', 'somebody']) {
      progress(workflow);
      await inFlight(50, count / 2, () => node.start(workflow));
    }
    await node.engine.idle();
    const [{ n }] = await node.store.reader('executions').where('state', 'RUNNING').count({ n: '*' });
    if (Number(n) !== count + 800) throw new Error(`${n} executions wait`);
    const after = used();
    return [
      {
        what: `heap and buffers per waiting execution, ${count} of them`,
        value: (after.heap - before.heap) / count / 1024,
        unit: 'KB',
        target: '<= 10',
      },
      {
        what: 'resident memory per waiting execution',
        value: (after.resident - before.resident) / count / 1024,
        unit: 'KB',
      },
      { what: 'resident memory of all', value: after.resident / 2 ** 20, unit: 'MB' },
    ];
  } finally {
    await node.close();
  }
}

function used() {
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed + external, resident: rss };
}
