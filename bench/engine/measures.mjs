import { cpuPer, cpuTimes } from './cpu.mjs';
import { rawBatches } from './raw.mjs';

/** Each measure gets a fresh engine and answers lines of text. */
export const measures = { pure, dispatched, chain, join, items, 'items-limited': itemsLimited, nested };

async function pure(node, quick) {
  await node.upload(chainOf('ten_steps', 10));
  await inFlight(50, 200, () => node.start('ten_steps'));
  const runs = quick ? 1_000 : 5_000;
  const before = cpuTimes();
  const seconds = await timed(() => inFlight(50, runs, () => node.start('ten_steps')));
  const steps = (runs * 10) / seconds;
  const cpu = cpuPer(before, runs * 10, 'step');
  const raw = await rawBatches(node.store, quick ? 200 : 1_000);
  return [
    `${figure(steps)} pure steps/s, 50 ten-step workflows in flight (target 10000 on an ordinary machine)`,
    `${figure(raw)} rows/s by the bare driver in durable batches of 100; ratio steps to rows ${(steps / raw).toFixed(3)}`,
    ...cpu,
    ...memory(),
  ];
}

async function dispatched(node, quick) {
  await node.upload(chainOf('ten_steps', 10, 'std.async_noop'));
  const lines = [];
  for (const width of [50, 500]) {
    const runs = quick ? width * 2 : width * 6;
    const before = cpuTimes();
    const seconds = await timed(() => inFlight(width, runs, () => finished(node, 'ten_steps')));
    lines.push(
      `${figure((runs * 10) / seconds)} dispatched steps/s, ${width} ten-step workflows in flight`,
      ...cpuPer(before, runs * 10, 'step'),
    );
  }
  return [...lines, ...memory()];
}

async function chain(node, quick) {
  const length = quick ? 2_000 : 10_000;
  await node.upload(chainOf('long', length));
  return growing(node, 'long', length, () => node.count('task_executions', { state: 'SUCCESS' }));
}

async function join(node, quick) {
  const width = quick ? 300 : 1_000;
  const branches = Array.from(
    { length: width },
    (_, i) => `    b${i}: {action: std.async_noop, publish: {v${i}: ${i}}, on-success: end}\n`,
  );
  await node.upload(`wide:\n  tasks:\n${branches.join('')}    end: {join: all, action: std.noop}\n`);
  return growing(node, 'wide', width, () => node.count('task_executions', { state: 'SUCCESS' }));
}

function items(node, quick) {
  return manyItems(node, quick, '');
}

function itemsLimited(node, quick) {
  return manyItems(node, quick, 'concurrency: 50');
}

async function manyItems(node, quick, limit) {
  const count = quick ? 10_000 : 100_000;
  await node.upload(
    `many:\n  output: {n: <% task(a).result.len() %>}\n  tasks:\n    a:\n      with-items: i in <% range(0, ${count}).toList() %>\n      action: std.async_noop\n      ${limit}\n`,
  );
  return growing(node, 'many', count, () => node.count('action_executions', { state: 'SUCCESS' }));
}

async function nested(node, quick) {
  const depth = quick ? 50 : 200;
  const levels = Array.from({ length: depth }, (_, i) => {
    const run = i + 1 < depth ? `workflow: level${i + 1}` : 'action: std.noop';
    return `level${i}:\n  tasks:\n    t: {${run}}\n`;
  });
  await node.upload(levels.join(''));
  return growing(node, 'level0', depth, () => node.count('executions', { state: 'RUNNING' }));
}

/** Runs one execution and prints how long each tenth of its tasks took. */
async function growing(node, name, total, progress) {
  const marks = [];
  let peak = 0;
  const record = await node.start(name);
  const startedAt = performance.now();
  let done = 0;
  for (;;) {
    const row = await node.row(record.id);
    done = Math.max(done, await progress());
    const elapsed = performance.now() - startedAt;
    peak = Math.max(peak, process.memoryUsage().rss);
    while (marks.length < 10 && (done >= ((marks.length + 1) * total) / 10 || row.state !== 'RUNNING'))
      marks.push(elapsed);
    if (row.state !== 'RUNNING') {
      if (row.state !== 'SUCCESS') throw new Error(`${name} ended in ${row.state}: ${row.state_info?.slice(0, 300)}`);
      const perTask = marks.map((mark, i) => ((mark - (marks[i - 1] ?? 0)) / (total / 10)).toFixed(3));
      return [
        `${total} in ${(elapsed / 1000).toFixed(2)} s, ${(elapsed / total).toFixed(3)} ms each; ms each by tenths: ${perTask.join(' ')}`,
        `${(peak / 2 ** 20).toFixed(0)} MB at most`,
      ];
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function finished(node, name) {
  const { id } = await node.start(name);
  for (;;) {
    if ((await node.row(id)).state !== 'RUNNING') return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A workflow of `steps` tasks, one after the other. */
function chainOf(name, steps, action = 'std.noop') {
  const tasks = Array.from({ length: steps }, (_, i) => {
    const next = i + 1 < steps ? `, on-success: step${i + 1}` : '';
    return `    step${i}: {action: ${action}${next}}\n`;
  });
  return `${name}:\n  tasks:\n${tasks.join('')}`;
}

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

async function timed(work) {
  const startedAt = performance.now();
  await work();
  return (performance.now() - startedAt) / 1000;
}

function figure(value) {
  return value.toFixed(0).padStart(7);
}

function memory() {
  return [`${(process.memoryUsage().rss / 2 ** 20).toFixed(0)} MB now`];
}
