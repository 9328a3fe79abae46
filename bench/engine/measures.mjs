import { join } from 'node:path';
import { chainOf, inFlight, ratios } from '../load-shapes.mjs';
import { cpuPer, cpuTimes } from './cpu.mjs';
import { openEngine } from './node.mjs';
import { rawBatches } from './raw.mjs';

/** The engine in this process, without REST, on a SQLite file with synchronous=FULL. */
function onSqlite(measure) {
  return async ({ folder, quick, progress }) => {
    const node = await openEngine(join(folder, 'bench.sqlite'));
    try {
      return await measure(node, quick, progress);
    } finally {
      await node.close();
    }
  };
}

export const pure = onSqlite(async (node, quick, progress) => {
  await node.upload(chainOf('ten_steps', 10));
  await inFlight(50, 200, () => node.start('ten_steps'));
  const raw = await rawBatches(node.store);
  const runs = quick ? 500 : 2_000;
  const [steps, rows] = [[], []];
  let cpu = [];
  const written = await rowsWritten(node);
  for (let round = 0; round < (quick ? 3 : 5); round += 1) {
    progress(`round ${round + 1}`);
    const before = cpuTimes();
    const seconds = await timed(() => inFlight(50, runs, () => node.start('ten_steps')));
    steps.push((runs * 10) / seconds);
    cpu = cpuPer(before, runs * 10, 'step');
    rows.push(await raw(quick ? 100 : 300));
  }
  const perStep = ((await rowsWritten(node)) - written) / (steps.length * runs * 10);
  return [
    { what: 'pure steps, ten-step workflows, 50 in flight', samples: steps, unit: '/s', target: '>= 10000' },
    { what: 'rows by the bare driver, durable batches of 100', samples: rows, unit: '/s' },
    { what: 'steps to rows of the bare driver', samples: ratios(steps, rows), unit: 'x' },
    { what: 'rows kept per step', value: perStep, unit: '' },
    ...cpu,
    memory(),
  ];
});

/** Rows of the tables that an execution leaves. */
async function rowsWritten(node) {
  let rows = 0;
  for (const table of ['executions', 'task_executions', 'action_executions', 'execution_events']) {
    rows += await node.count(table, {});
  }
  return rows;
}

export const chain = onSqlite(async (node, quick) => {
  const length = quick ? 2_000 : 10_000;
  await node.upload(chainOf('long', length));
  return growing(node, 'long', length, () => node.count('task_executions', { state: 'SUCCESS' }));
});

export const wideJoin = onSqlite(async (node, quick) => {
  const width = quick ? 300 : 1_000;
  const branches = Array.from(
    { length: width },
    (_, i) => `    b${i}: {action: std.async_noop, publish: {v${i}: ${i}}, on-success: end}\n`,
  );
  await node.upload(`wide:\n  tasks:\n${branches.join('')}    end: {join: all, action: std.noop}\n`);
  return growing(node, 'wide', width, () => node.count('task_executions', { state: 'SUCCESS' }));
});

export const items = onSqlite((node, quick) => manyItems(node, quick, ''));

export const itemsLimited = onSqlite((node, quick) => manyItems(node, quick, 'concurrency: 50'));

async function manyItems(node, quick, limit) {
  const count = quick ? 10_000 : 100_000;
  await node.upload(
    `many:\n  output: {n: <% task(a).result.len() %>}\n  tasks:\n    a:\n      with-items: i in <% range(0, ${count}).toList() %>\n      action: std.async_noop\n      ${limit}\n`,
  );
  return growing(node, 'many', count, () => node.count('action_executions', { state: 'SUCCESS' }));
}

export const nested = onSqlite(async (node, quick) => {
  const depth = quick ? 50 : 200;
  const levels = Array.from({ length: depth }, (_, i) => {
    const run = i + 1 < depth ? `workflow: level${i + 1}` : 'action: std.noop';
    return `level${i}:\n  tasks:\n    t: {${run}}\n`;
  });
  await node.upload(levels.join(''));
  // One after the other starts on the way down, and ends on the way up.
  const steps = async () =>
    (await node.count('executions', { state: 'RUNNING' })) + 2 * (await node.count('executions', { state: 'SUCCESS' }));
  return growing(node, 'level0', 2 * depth, steps, 'starts and ends');
});

/**
 * Runs one execution to its end. The time per task in the last tenth of it by that in the first tells whether it is linear; by
 * processor time, since the clock also counts what else the machine does.
 */
async function growing(node, name, total, progress, counted = 'tasks') {
  const marks = [{ at: performance.now(), cpu: processorMilliseconds() }];
  let peak = 0;
  const record = await node.start(name);
  let done = 0;
  for (;;) {
    const row = await node.row(record.id);
    done = Math.max(done, await progress());
    peak = Math.max(peak, process.memoryUsage().rss);
    while (marks.length <= 10 && (done >= (marks.length * total) / 10 || row.state !== 'RUNNING'))
      marks.push({ at: performance.now(), cpu: processorMilliseconds() });
    if (row.state === 'RUNNING') {
      await new Promise((resolve) => setTimeout(resolve, 20));
      continue;
    }
    if (row.state !== 'SUCCESS') throw new Error(`${name} ended in ${row.state}: ${row.state_info?.slice(0, 300)}`);
    const each = (key) => marks.slice(1).map((mark, i) => (mark[key] - marks[i][key]) / (total / 10));
    const cpu = each('cpu');
    return [
      { what: `${total} ${counted}, all`, value: (marks[10].at - marks[0].at) / 1000, unit: 's' },
      { what: 'each, by tenths of the run', samples: each('at'), unit: 'ms' },
      { what: 'processor time of each, by tenths of the run', samples: cpu, unit: 'ms' },
      {
        what: 'the last two tenths by the second and third, processor time',
        // Not the first: code is compiled in it.
        value: (cpu[8] + cpu[9]) / (cpu[1] + cpu[2]),
        unit: 'x',
        target: '<= 1.2',
      },
      { what: 'memory at most', value: peak / 2 ** 20, unit: 'MB' },
    ];
  }
}

function processorMilliseconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

async function timed(work) {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) / 1000;
}

function memory() {
  return { what: 'memory afterwards', value: process.memoryUsage().rss / 2 ** 20, unit: 'MB' };
}
